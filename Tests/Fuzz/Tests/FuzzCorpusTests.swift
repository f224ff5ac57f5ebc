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
    var changes = Changes(seed: 1)
    for name in names.sorted() {
      let bytes = try Array(Data(contentsOf: folder.appendingPathComponent(name)))
      target.run(bytes)
      for _ in 0..<40 { target.run(changes.change(bytes)) }
    }
  }
}
