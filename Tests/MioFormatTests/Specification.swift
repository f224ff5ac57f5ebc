import Foundation

/// The folder `format-spec`, whose vectors and examples are written by these tests.
enum Specification {
  static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("format-spec")

  /// Whether to write what the tests generate instead of comparing: `MIO_UPDATE_SPEC=1 swift test ...`.
  static let updates = ProcessInfo.processInfo.environment["MIO_UPDATE_SPEC"] == "1"

  static func bytes(_ path: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: root.appendingPathComponent(path)))
  }

  /// Whether the file at `path` has the contents `expected`, after writing it if asked to.
  static func matches(_ path: String, _ expected: [UInt8]) throws -> Bool {
    let url = root.appendingPathComponent(path)
    if updates {
      try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(expected).write(to: url)
    }
    return (try? Data(contentsOf: url)).map { [UInt8]($0) } == expected
  }

  /// The same for JSON, where only the contents count.
  static func matches<Value: Codable & Equatable>(json path: String, _ expected: Value) throws -> Bool {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    if updates { _ = try matches(path, [UInt8](encoder.encode(expected)) + [10]) }
    return try JSONDecoder().decode(Value.self, from: Data(bytes(path))) == expected
  }
}
