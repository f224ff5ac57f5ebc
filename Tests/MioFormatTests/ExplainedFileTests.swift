import MioFormat
import MioTestSupport
import Testing

/// The tiny file at the end of SPEC.md.
@Suite struct ExplainedFileTests {
  @Test func `the writer gives the bytes of the explained file`() throws {
    let folder = try TemporaryFolder()
    let writer = try ModelFileWriter(path: folder.path("tiny.mio"), layout: ValidVector.tinyLayout)
    for tensor in ValidVector.tiny.tensors { try writer.write(tensor.bytes) }
    try writer.finish()
    #expect(try folder.bytes("tiny.mio") == ValidVector.tiny.encoded())
  }

  @Test func `SPEC.md explains every byte of the tiny file`() throws {
    let bytes = ValidVector.tiny.encoded()
    #expect(Self.fields.reduce(0) { $0 + $1.count } == bytes.count)
    let marks = ["<!-- tiny file: written by ExplainedFileTests -->", "<!-- end of tiny file -->"]
    let text = String(decoding: try Specification.bytes("SPEC.md"), as: UTF8.self)
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    let start = try #require(lines.firstIndex { $0 == marks[0] })
    let end = try #require(lines.firstIndex { $0 == marks[1] })
    let expected = lines[...start] + ["", "```"] + Self.dump(bytes).map { $0[...] } + ["```", ""] + lines[end...]
    #expect(try Specification.matches("SPEC.md", Array(expected.joined(separator: "\n").utf8)))
  }

  /// Offset, at most 16 bytes in hexadecimal, meaning: as many lines as each field needs.
  private static func dump(_ bytes: [UInt8]) -> [String] {
    var lines: [String] = []
    var offset = 0
    for field in fields {
      var meaning = field.meaning
      for start in stride(from: offset, to: offset + field.count, by: 16) {
        let row = bytes[start..<min(start + 16, offset + field.count)]
        let hex = row.map { hexadecimal(Int($0), 2) }.joined(separator: " ")
        let padding = String(repeating: " ", count: 47 - hex.count)
        lines.append("\(hexadecimal(start, 4))  \(hex)\(meaning.isEmpty ? "" : padding + "  " + meaning)")
        meaning = ""
      }
      offset += field.count
    }
    return lines
  }

  private static func hexadecimal(_ value: Int, _ width: Int) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }

  private struct Field {
    let count: Int
    let meaning: String
    init(_ count: Int, _ meaning: String) { (self.count, self.meaning) = (count, meaning) }
  }

  private static let fields = header + regions + components + tensors + blobs

  private static let header = [
    Field(8, "header: magic"), Field(4, "byte order mark"), Field(4, "format version 1"),
    Field(8, "length of the file: \(ValidVector.tiny.encoded().count)"), Field(8, "required features: none"),
    Field(8, "optional features: none"), Field(8, "offset of the directory: 576"),
    Field(8, "length of the directory: \(ValidVector.tiny.encoded().count - 576)"), Field(8, "reserved"),
    Field(32, "SHA-256 of the directory"), Field(32, "SHA-256 of the bytes 0 to 95: the identity"),
  ]

  private static let regions =
    [
      Field(4, "tensor norm.weight: 1.0"), Field(4, "-0.5"), Field(4, "2.0"), Field(52, "padding up to 192"),
      Field(4, "tensor head.weight, panel 0, group 0: row 0, k = 0...3 in the lower nibbles"),
      Field(4, "row 1, k = 0...3; upper nibbles are k = 16...19: index 8, level 0"),
      Field(56, "rows 2 to 15: padding, index 8"), Field(4, "row 0, k = 4 in the first lower nibble, then padding"),
      Field(4, "row 1, k = 4"), Field(56, "rows 2 to 15"), Field(64, "k = 8...11 and 24...27: padding"),
      Field(64, "k = 12...15 and 28...31: padding"), Field(2, "scale of row 0: 0.5"), Field(2, "scale of row 1: 2.0"),
      Field(28, "scales of the rows 2 to 15: 0"), Field(32, "padding up to 512"),
      Field(1, "blob song, LZ4: 3 literals, match of 4 + 15 + ..."), Field(3, "literals \"la \""),
      Field(2, "offset of the match: 3"), Field(1, "... + 3 = 22 bytes"), Field(1, "5 literals, no match"),
      Field(5, "literals \"a la!\""), Field(51, "padding up to 576"),
    ]

  private static let components = [
    Field(4, "directory: section COMP"), Field(4, "2 records"), Field(8, "length of the records"),
    Field(1, "length of the name"),
    Field(8, "component \"language\""), Field(1, "flags: required"), Field(2, "2 entries"),
    Field(1, "length of the key"),
    Field(12, "key \"norm_epsilon\""), Field(1, "type 2: number"), Field(8, "1e-5"), Field(1, "length of the key"),
    Field(5, "key \"width\""), Field(1, "type 1: integer"), Field(8, "5"), Field(1, "length of the name"),
    Field(5, "component \"about\""), Field(1, "flags: optional"), Field(2, "1 entry"), Field(1, "length of the key"),
    Field(9, "key \"converter\""), Field(1, "type 4: text"), Field(4, "length of the text"),
    Field(10, "\"mio-lite 0\""),
  ]

  private static let tensors = [
    Field(4, "section TENS"), Field(4, "2 records"), Field(8, "length of the records"),
    Field(2, "component 0: language"),
    Field(2, "encoding 1: f32"), Field(1, "rank 1"), Field(1, "length of the name"), Field(2, "reserved"),
    Field(8, "offset 128"), Field(8, "12 bytes"), Field(4, "shape [3]"), Field(32, "SHA-256 of the bytes 128 to 139"),
    Field(11, "\"norm.weight\""), Field(2, "component 0: language"), Field(2, "encoding 19: panel-q4"),
    Field(1, "rank 2"),
    Field(1, "length of the name"), Field(2, "reserved"), Field(8, "offset 192"), Field(8, "288 bytes"),
    Field(8, "shape [2, 5]"), Field(32, "SHA-256 of the bytes 192 to 479"), Field(11, "\"head.weight\""),
  ]

  private static let blobs = [
    Field(4, "section BLOB"), Field(4, "1 record"), Field(8, "length of the records"), Field(2, "component 1: about"),
    Field(1, "compression 1: LZ4"), Field(1, "length of the name"), Field(4, "reserved"), Field(8, "offset 512"),
    Field(8, "13 bytes in the file"), Field(8, "30 bytes of content: \"la la la la la la la la la la!\""),
    Field(32, "SHA-256 of the bytes 512 to 524"), Field(4, "\"song\""),
  ]
}
