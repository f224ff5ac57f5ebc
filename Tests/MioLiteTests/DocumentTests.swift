import Foundation
import Testing

/// The documents of the repository.
@Suite struct DocumentTests {
  private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  private static let documents: [String] = {
    let folders = ["bench", "converter", "format-spec", "python", "Sources", "Tests"]
    let nested = folders.flatMap { folder in
      FileManager.default.enumerator(atPath: root.appendingPathComponent(folder).path)?
        .compactMap { ($0 as? String).map { "\(folder)/\($0)" } } ?? []
    }
    // What others wrote lies in folders of builds, as that of Tests/Consumer.
    return ["README.md"] + nested.filter { $0.hasSuffix(".md") && !$0.contains("/.build/") }.sorted()
  }()

  @Test func `there are some`() {
    #expect(Self.documents.count > 5)
  }

  @Test(arguments: documents) func `links lead to files of the repository`(document: String) throws {
    let url = Self.root.appendingPathComponent(document)
    let text = try String(contentsOf: url, encoding: .utf8)
    for link in text.matches(of: /\]\(([^)\s#]+)[^)]*\)/) {
      let target = String(link.1)
      if target.contains("://") { continue }
      let file = url.deletingLastPathComponent().appendingPathComponent(target)
      #expect(FileManager.default.fileExists(atPath: file.path), "\(document): \(target)")
    }
  }
}
