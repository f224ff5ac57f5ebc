import Foundation
import MioLite
import MioTestSupport
import Testing

/// What is public is called from here.
@Suite struct PublicSurfaceTests {
  private static let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  /// The text of every Swift file in a folder of the package.
  private static func text(_ folder: String, without name: String = "") throws -> String {
    let files = FileManager.default.enumerator(at: package.appendingPathComponent(folder), includingPropertiesForKeys: nil)
    let urls = (files?.compactMap { $0 as? URL } ?? []).filter { $0.pathExtension == "swift" && $0.lastPathComponent != name }
    return try urls.map { try String(contentsOf: $0, encoding: .utf8) }.joined(separator: "\n")
  }

  @Test func `every public function is called by a test`() throws {
    let tests = try Self.text("Tests/MioLiteTests", without: "PublicSurfaceTests.swift")
    let called = Set(tests.matches(of: /(\w+)\(/).map(\.1))
    let source = try Self.text("Sources/MioLite")
    let functions = source.matches(of: /public (?:static |mutating |consuming |nonisolated )*func (\w+)/).map(\.1)
    #expect(functions.count > 50)
    // Those two are called below.
    for name in Set(functions).subtracting(["isStream", "descriptor"]) {
      #expect(called.contains(name), "no test calls \(name)()")
    }
  }

  @Test func `tells what takes bytes one after the other from what is replaced as a whole`() throws {
    let folder = try TemporaryFolder()
    let file = folder.url.appendingPathComponent("a.wav")
    #expect(!OutputFile.isStream(file) && OutputFile.descriptor(file) == nil)
    try OutputFile.write([1, 2], to: file)
    #expect(!OutputFile.isStream(file))
    let null = URL(fileURLWithPath: "/dev/null")
    #expect(OutputFile.isStream(null) && OutputFile.descriptor(null) == nil)
    let handle = try FileHandle(forWritingTo: file)
    let open = URL(fileURLWithPath: "/dev/fd/\(handle.fileDescriptor)")
    #expect(OutputFile.isStream(open) && OutputFile.descriptor(open) == handle.fileDescriptor)
    #expect(!OutputFile.isStream(folder.url), "a folder is nothing to write to")
  }
}
