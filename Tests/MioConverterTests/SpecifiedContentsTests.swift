import Foundation
import MioConverter
import MioFormat
import MioTestSupport
import Testing

/// What the converter writes must be what `format-spec/SPEC.md` says.
@Suite struct SpecifiedContentsTests {
  @Test(arguments: [Goldens.speech("tiny-mio"), Goldens.image("tiny-mio")])
  func `every component, key and blob of a converted checkpoint is in SPEC.md`(checkpoint: URL) throws {
    let folder = try TemporaryFolder()
    _ = try Conversion(checkpoint: checkpoint.path, threads: 2).run(output: folder.path("a.mio"))
    let file = try ModelFile.open(path: folder.path("a.mio"))
    let specification = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("format-spec/SPEC.md")
    let text = try String(contentsOf: specification, encoding: .utf8)
    for component in file.components {
      let start = try #require(text.range(of: "\n**`\(component.name)`**")?.upperBound, "\(component.name)")
      let rest = text[start...]
      let section = rest[..<(rest.range(of: "\n**`")?.lowerBound ?? rest.range(of: "\n## ")?.lowerBound ?? rest.endIndex)]
      for (key, _) in component.config.entries {
        #expect(section.contains("`\(key)`"), "\(component.name): \(key)")
      }
      // Licence texts have the names of their files.
      for blob in file.blobs where blob.component == component.name && component.name != "about" {
        #expect(section.contains("`\(blob.name)`"), "\(component.name): \(blob.name)")
      }
    }
  }
}
