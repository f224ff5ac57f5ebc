import Foundation
import FuzzTargets
import MioTestSupport
import Testing

/// Reads the files that scripts/fuzz starts from, what it found, and many small changes of each: a result or a typed error.
@Suite struct FuzzCorpusTests {
  private static let folder = Goldens.root.deletingLastPathComponent().appendingPathComponent("Fuzz/corpus")

  @Test(arguments: FuzzTarget.allCases) func `reads every kept file, however it is changed`(_ target: FuzzTarget) throws {
    let folder = Self.folder.appendingPathComponent(target.rawValue)
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    #expect(!names.isEmpty)
    var state: UInt64 = 1
    func number(_ count: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % max(1, count)
    }
    for name in names.sorted() {
      let bytes = try Array(Data(contentsOf: folder.appendingPathComponent(name)))
      target.run(bytes)
      for _ in 0..<40 where !bytes.isEmpty {
        var changed = bytes
        for _ in 0...number(3) { changed[number(changed.count)] = UInt8(number(256)) }
        if number(4) == 0 { changed.removeLast(number(changed.count)) }
        target.run(changed)
      }
    }
  }
}
