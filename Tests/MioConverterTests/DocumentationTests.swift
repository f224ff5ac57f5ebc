import Foundation
import MioConverter
import MioTestSupport
import Testing

@Suite struct DocumentationTests {
  /// `MIO_UPDATE_DOCS=1` writes the tables into the documents instead of comparing.
  @Test func `the README has the table of rules`() throws {
    try compare("converter/README.md", mark: "rules", with: Conversion.rulesTable)
  }

  @Test func `SETTINGS has the tables of all configuration files`() throws {
    try compare("converter/SETTINGS.md", mark: "settings", with: Conversion.settingsTables)
  }

  private func compare(_ document: String, mark: String, with expected: String) throws {
    let url = Goldens.root.deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent(document)
    let text = try String(contentsOf: url, encoding: .utf8)
    let start = try #require(text.range(of: "<!-- \(mark) -->\n"))
    let end = try #require(text.range(of: "<!-- /\(mark) -->"))
    let table = start.upperBound..<end.lowerBound
    if ProcessInfo.processInfo.environment["MIO_UPDATE_DOCS"] == "1" {
      try text.replacingCharacters(in: table, with: expected).write(to: url, atomically: true, encoding: .utf8)
    } else {
      #expect(String(text[table]) == expected)
    }
  }
}
