import Foundation
import MioConverter
import MioTestSupport
import Testing

@Suite struct DocumentationTests {
  /// `MIO_UPDATE_DOCS=1` writes the table into the document instead of comparing.
  @Test func `the README has the table of rules`() throws {
    let url = Goldens.root.deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("converter/README.md")
    let text = try String(contentsOf: url, encoding: .utf8)
    let start = try #require(text.range(of: "<!-- rules -->\n"))
    let end = try #require(text.range(of: "<!-- /rules -->"))
    let table = start.upperBound..<end.lowerBound
    if ProcessInfo.processInfo.environment["MIO_UPDATE_DOCS"] == "1" {
      try text.replacingCharacters(in: table, with: Conversion.rulesTable)
        .write(to: url, atomically: true, encoding: .utf8)
    } else {
      #expect(String(text[table]) == Conversion.rulesTable)
    }
  }
}
