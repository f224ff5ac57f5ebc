import MioFormat
import MioKernels
import Testing

@Suite struct TensorEncodingTests {
  static let panels: [(TensorEncoding, WeightFormat)] = [
    (.panelF32, .f32), (.panelF16, .f16), (.panelQ8, .q8), (.panelQ4, .q4),
  ]

  @Test(arguments: panels.indices) func `panels have the size that the kernels expect`(index: Int) {
    let (encoding, format) = Self.panels[index]
    for rows in [1, 2, 15, 16, 17, 31, 32, 33, 1000, 75_904] {
      for columns in [1, 3, 31, 32, 33, 63, 64, 65, 4096, 11_008] {
        #expect(encoding.byteCount(of: [rows, columns]) == format.byteCount(rows: rows, columns: columns))
      }
    }
  }

  @Test(arguments: TensorEncoding.allCases) func `shapes out of range have no size`(encoding: TensorEncoding) {
    let largest = FormatLimits.dimension
    let shapes = [
      [], [0], [-1, 3], [1, 0], [largest + 1, 1], [.max, .max], [.min, 1], [1, 1, 1, 1, 1], [largest, largest],
    ]
    for shape in shapes {
      #expect(encoding.byteCount(of: shape) == nil, "\(shape)")
    }
  }

  @Test func `the levels of SPEC.md are those of the kernels`() throws {
    let text = String(decoding: try Specification.bytes("SPEC.md"), as: UTF8.self)
    let levels = WeightFormat.q4Levels.map { $0 < 0 ? "−\(-Int($0))" : "\($0)" }
    #expect(text.contains("| L | " + levels.joined(separator: " | ") + " |"))
  }

  @Test func `the limits of SPEC.md are those of the reader`() throws {
    let text = String(decoding: try Specification.bytes("SPEC.md"), as: UTF8.self)
    func thousands(_ value: Int) -> String { "\(value / 1000) " + String(1000 + value % 1000).dropFirst() }
    let rows = [
      "directory | 2^\(FormatLimits.directoryByteCount.trailingZeroBitCount) bytes",
      "file, and every offset and length in it | 2^\(FormatLimits.fileByteCount.trailingZeroBitCount) bytes",
      "sections | \(FormatLimits.sectionCount)", "components | \(FormatLimits.componentCount)",
      "tensors | \(thousands(FormatLimits.tensorCount))", "blobs | \(thousands(FormatLimits.blobCount))",
      "name or key | \(FormatLimits.nameByteCount) bytes",
      "configuration entries of a component | \(FormatLimits.configEntryCount)",
      "text in a configuration | \(thousands(FormatLimits.configTextByteCount)) bytes",
      "elements of a list in a configuration | \(thousands(FormatLimits.configListCount))",
      "rank | \(FormatLimits.rank)", "dimension | 2^31 − 1",
      "blob, in the file and as content | 2^\(FormatLimits.blobByteCount.trailingZeroBitCount) bytes",
      "alignment | \(FormatLimits.alignment) bytes",
    ]
    for row in rows { #expect(text.contains("| \(row)"), "\(row)") }
    #expect(FormatLimits.dimension == 1 << 31 - 1)
  }

  @Test func `every error of a file is in the table of SPEC.md`() throws {
    let text = String(decoding: try Specification.bytes("SPEC.md"), as: UTF8.self)
    let errors = text.components(between: "## Errors", and: "## Versions")
    for code in ModelFileError.Code.ofFiles { #expect(errors.contains("`\(code.rawValue)`"), "\(code.rawValue)") }
  }
}

extension String {
  fileprivate func components(between start: String, and end: String) -> Substring {
    guard let from = ranges(of: start).first?.upperBound, let to = ranges(of: end).last?.lowerBound, from < to else {
      return ""
    }
    return self[from..<to]
  }
}
