import Foundation
import MioFormat
import MioTestSupport
import Testing

/// The reader in Swift and the one in Python must agree on every file.
@Suite(.enabled(if: IndependentReader.interpreter != nil, "python3 is not on the PATH"))
struct TwoReadersTests {
  @Test func `they find the same in every valid file`() throws {
    let paths = ValidVector.all.map { path("valid/\($0.name).mio") }
    let results = try IndependentReader.read(paths)
    #expect(results.map(\.file) == paths)
    for result in results {
      #expect(result.error == nil, "\(result.file)")
      #expect(try result.description == FileDescription(.open(path: result.file)), "\(result.file)")
    }
  }

  @Test func `the reader in Python says on its exit status whether all files are good`() throws {
    #expect(try IndependentReader.run(["--verify", path("valid/tiny.mio"), path("valid/blobs.mio")]).status == 0)
    let refusal = try IndependentReader.run([
      "--verify", path("invalid/padding-flipped-bit.mio"), path("valid/tiny.mio"),
    ])
    #expect(refusal.status == 1 && refusal.errors.contains("nonZeroPadding"))
  }

  @Test func `they give the same error for every invalid file`() throws {
    let results = try IndependentReader.read(InvalidVector.all.map { path("invalid/\($0.name).mio") })
    #expect(results.count == InvalidVector.all.count)
    for (result, vector) in zip(results, InvalidVector.all) {
      #expect(result.error == vector.error.rawValue, "\(vector.name)")
      #expect(result.stage == vector.stage.rawValue, "\(vector.name)")
    }
  }

  /// Digests are made to fit again after each change, so that the changes reach the checks behind them.
  @Test(arguments: [1, 2, 3]) func `they agree on files with random changes of the directory`(seed: UInt64) throws {
    let folder = try TemporaryFolder()
    var random = SplitMix(seed: seed)
    let originals = ValidVector.all.map(\.bytes)
    let paths = try (0..<600).map { index in
      let file = Mutation.mutated(originals[index % originals.count], using: &random)
      return try folder.write(file, "\(index).mio")
    }
    try expectAgreement(paths, "seed \(seed)")
  }

  @Test(arguments: [4, 5]) func `they agree on compressed blobs with random changes`(seed: UInt64) throws {
    let folder = try TemporaryFolder()
    var random = SplitMix(seed: seed)
    let blocks: [([UInt8], Int)] = [
      ([0x3F] + "la ".utf8 + [3, 0, 3, 0x50] + "a la!".utf8, 30),
      ([0x1F, 0x61, 1, 0, 255, 255, 71, 0x50] + "bcdef".utf8, 606),
      ([0x42] + "abcd".utf8 + [4, 0, 0x15, 0x65, 7, 0, 0xC0] + "efghijklmnop".utf8, 32),
    ]
    let paths = try (0..<600).map { index in
      var (block, count) = blocks[index % blocks.count]
      for _ in 0..<Int.random(in: 0...2, using: &random) {
        switch Int.random(in: 0..<4, using: &random) {
        case 0: block.remove(at: Int.random(in: 0..<block.count, using: &random))
        case 1:
          block.insert(UInt8.random(in: 0...255, using: &random), at: Int.random(in: 0...block.count, using: &random))
        case 2: count += Int.random(in: -3...3, using: &random)
        default: block[Int.random(in: 0..<block.count, using: &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        }
      }
      var file = ValidVector.tiny
      file.blobs = [.init("x", lz4: block, content: max(count, 0), component: 1)]
      return try folder.write(file.encoded(), "\(index).mio")
    }
    try expectAgreement(paths, "seed \(seed)")
  }

  private func expectAgreement(_ paths: [String], _ comment: Comment) throws {
    let results = try IndependentReader.read(paths)
    #expect(results.count == paths.count)
    var acceptedCount = 0
    for result in results {
      let error = errorCode { try ModelFile.open(path: result.file).verify() }
      #expect(result.error == error?.rawValue, "\(comment), \(result.file)")
      guard error == nil, result.error == nil else { continue }
      acceptedCount += 1
      #expect(try result.description == FileDescription(.open(path: result.file)), "\(comment), \(result.file)")
    }
    #expect(acceptedCount > 0 && acceptedCount < paths.count, "the changes should spoil some files, not all")
  }

  private func path(_ name: String) -> String { Specification.root.appendingPathComponent("vectors/\(name)").path }
}

/// Random changes that reach the checks behind the digests, because those are made to fit again.
enum Mutation {
  static func mutated(_ original: [UInt8], using random: inout SplitMix) -> [UInt8] {
    var file = original
    let directory = Int(file[40..<48].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
    for _ in 0...Int.random(in: 0...2, using: &random) {
      let interesting: [UInt8] = [0, 1, 2, 0x7F, 0x80, 0xFE, 0xFF, UInt8.random(in: 0...255, using: &random)]
      let place = Int.random(in: directory..<file.count, using: &random)
      switch Int.random(in: 0..<8, using: &random) {
      case 0: file.remove(at: place)
      case 1: file.insert(interesting.randomElement(using: &random)!, at: place)
      default: file[place] = interesting.randomElement(using: &random)!
      }
    }
    file.replaceSubrange(16..<24, with: le(UInt64(file.count)))
    file.replaceSubrange(48..<56, with: le(UInt64(file.count - directory)))
    file.replaceSubrange(64..<96, with: Digest(of: Array(file[directory...])).bytes)
    file.replaceSubrange(96..<128, with: Digest(of: Array(file[..<96])).bytes)
    return file
  }
}

/// A random sequence that is the same everywhere for the same seed.
struct SplitMix: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = (state ^ state >> 30) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
    return mixed ^ mixed >> 31
  }
}
