/// How the bytes of a tensor are to be read. The raw values are those of `format-spec/SPEC.md`.
package enum TensorEncoding: UInt16, Sendable, CaseIterable {
  /// 32-bit floats, row-major.
  case f32 = 1
  /// 32-bit signed integers, row-major.
  case i32 = 2
  /// Bytes, row-major.
  case u8 = 3
  /// Matrices in panels of 16 rows.
  case panelF32 = 16
  case panelF16 = 17
  case panelQ8 = 18
  case panelQ4 = 19

  /// Rows of one panel.
  package static let panelRowCount = 16
  /// Consecutive columns that share one scale.
  package static let groupLength = 32

  /// Whether tensors of this encoding are matrices `[rows, columns]`.
  package var isPanels: Bool { rawValue >= Self.panelF32.rawValue }

  /// Bytes of a tensor, or nil if the shape does not fit the encoding or is larger than any file.
  package func byteCount(of shape: [Int]) -> Int? {
    guard (1...FormatLimits.rank).contains(shape.count),
      shape.allSatisfy({ (1...FormatLimits.dimension).contains($0) })
    else { return nil }
    if isPanels { return shape.count == 2 ? panelByteCount(rows: shape[0], columns: shape[1]) : nil }
    var total = self == .u8 ? 1 : 4
    for dimension in shape {
      let (product, overflow) = total.multipliedReportingOverflow(by: dimension)
      guard !overflow, product <= FormatLimits.fileByteCount else { return nil }
      total = product
    }
    return total
  }

  /// Rows and columns are below 2^31, so no step can overflow 64 bits before the last.
  private func panelByteCount(rows: Int, columns: Int) -> Int? {
    let panelCount = (rows + Self.panelRowCount - 1) / Self.panelRowCount
    let groupCount = (columns + Self.groupLength - 1) / Self.groupLength
    let panel: Int =
      switch self {
      case .panelF32: 64 * columns
      case .panelF16: 32 * columns
      case .panelQ8: (16 * 32 + 16 * 2) * groupCount
      default: (16 * 16 + 16 * 2) * groupCount
      }
    let (total, overflow) = panel.multipliedReportingOverflow(by: panelCount)
    return overflow || total > FormatLimits.fileByteCount ? nil : total
  }

  /// The name in SPEC.md and in what `inspect` prints.
  package var name: String {
    switch self {
    case .f32: "f32"
    case .i32: "i32"
    case .u8: "u8"
    case .panelF32: "panel-f32"
    case .panelF16: "panel-f16"
    case .panelQ8: "panel-q8"
    case .panelQ4: "panel-q4"
    }
  }
}
