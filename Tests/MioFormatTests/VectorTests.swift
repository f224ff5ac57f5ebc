import Foundation
import MioFormat
import Testing

/// `format-spec/vectors`: what every reader must accept and refuse.
@Suite struct VectorTests {
  struct Manifest: Codable, Equatable {
    struct Valid: Codable, Equatable {
      var file: String
      var description: String
      var shows: String
    }

    struct Invalid: Codable, Equatable {
      var file: String
      var error: String
      /// `open`, or `verify` where only a check of every byte shows the fault.
      var stage: String
    }

    var valid: [Valid]
    var invalid: [Invalid]
  }

  static let manifest = Manifest(
    valid: ValidVector.all.map {
      .init(file: "valid/\($0.name).mio", description: "valid/\($0.name).json", shows: $0.why)
    },
    invalid: InvalidVector.all.map {
      .init(file: "invalid/\($0.name).mio", error: $0.error.rawValue, stage: $0.stage.rawValue)
    })

  @Test func `the files in the repository are the ones these tests describe`() throws {
    var expected: Set<String> = ["manifest.json"]
    for vector in ValidVector.all {
      #expect(try Specification.matches("vectors/valid/\(vector.name).mio", vector.bytes), "\(vector.name)")
      let description = try FileDescription(.open(path: path("valid/\(vector.name).mio")))
      #expect(try Specification.matches(json: "vectors/valid/\(vector.name).json", description), "\(vector.name)")
      expected.formUnion(["valid/\(vector.name).mio", "valid/\(vector.name).json"])
    }
    for vector in InvalidVector.all {
      #expect(try Specification.matches("vectors/invalid/\(vector.name).mio", vector.bytes), "\(vector.name)")
      expected.insert("invalid/\(vector.name).mio")
    }
    #expect(try Specification.matches(json: "vectors/manifest.json", Self.manifest))
    let found = FileManager.default.enumerator(atPath: path(""))?.compactMap { $0 as? String } ?? []
    #expect(Set(found.filter { $0.contains(".") }) == expected)
  }

  @Test(arguments: ValidVector.all.map(\.name)) func `valid files pass a check of every byte`(name: String) throws {
    try ModelFile.open(path: path("valid/\(name).mio")).verify(threads: 2)
  }

  @Test(arguments: InvalidVector.all.indices) func `invalid files give the error of the manifest`(index: Int) throws {
    let vector = InvalidVector.all[index]
    do {
      let file = try ModelFile.open(path: path("invalid/\(vector.name).mio"))
      #expect(vector.stage == .verify, "\(vector.name) should not open")
      try file.verify()
      Issue.record("\(vector.name) was accepted")
    } catch {
      #expect(error.code == vector.error, "\(vector.name): \(error)")
      #expect(error.path == path("invalid/\(vector.name).mio"), "\(vector.name)")
    }
  }

  @Test func `every error a file can give has a vector`() {
    let tested = Set(InvalidVector.all.map(\.error))
    let elsewhere: Set<ModelFileError.Code> = [.cannotOpen, .notRegularFile, .readFailed]
    #expect(ModelFileError.Code.ofFiles.subtracting(elsewhere) == tested)
  }

  private func path(_ name: String) -> String { Specification.root.appendingPathComponent("vectors/\(name)").path }
}

extension ModelFileError.Code {
  /// The errors of the specification: what can be wrong with a file as such.
  static let ofFiles: Set<Self> = [
    .cannotOpen, .notRegularFile, .readFailed, .truncated, .trailingBytes, .badMagic, .textModeDamage, .badByteOrder,
    .unsupportedVersion, .headerHashMismatch, .reservedNotZero, .unknownRequiredFeature, .directoryHashMismatch,
    .malformedDirectory, .limitExceeded, .invalidName, .invalidText, .invalidConfig, .duplicateName, .unsorted,
    .unknownEncoding, .unknownCompression, .invalidShape, .wrongByteCount, .misaligned, .overlap, .hole, .hashMismatch,
    .nonZeroPadding, .corruptBlob,
  ]
}
