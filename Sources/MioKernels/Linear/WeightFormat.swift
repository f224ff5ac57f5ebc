/// How the numbers of a weight matrix are stored. Every format lays rows out in panels of 16, see `format-spec/SPEC.md`.
package enum WeightFormat: UInt8, Sendable, CaseIterable {
  /// 32-bit floats, 16 rows side by side: element (r, k) of a panel is float `k * 16 + r`.
  case f32
  /// 16-bit floats in the same order.
  case f16
  /// Signed bytes in -127...127 with one 16-bit float scale for every 32 consecutive k of a row: 8.5 bits per weight.
  case q8
  /// 4-bit indexes into a fixed table of 16 values with one 16-bit float scale for every 32 consecutive k of a row: 4.5 bits.
  case q4

  /// Rows of one panel.
  package static let panelRows = 16
  /// Consecutive k that share one scale.
  package static let groupLength = 32

  /// Columns as stored: quantized rows are padded with zeros to whole groups.
  package func storedColumns(_ columns: Int) -> Int {
    switch self {
    case .f32, .f16: columns
    case .q8, .q4: (columns + Self.groupLength - 1) / Self.groupLength * Self.groupLength
    }
  }

  /// Bytes of one panel of 16 rows.
  package func panelByteCount(columns: Int) -> Int {
    let stored = storedColumns(columns)
    switch self {
    case .f32: return 64 * stored
    case .f16: return 32 * stored
    case .q8: return 16 * stored + stored / Self.groupLength * 32
    case .q4: return 8 * stored + stored / Self.groupLength * 32
    }
  }

  /// Bytes of a whole matrix; rows are padded with zeros to whole panels.
  package func byteCount(rows: Int, columns: Int) -> Int {
    (rows + Self.panelRows - 1) / Self.panelRows * panelByteCount(columns: columns)
  }

  /// Values of the 4-bit indexes of `q4`, ascending.
  package static let q4Levels: [Int8] = [-64, -51, -40, -32, -24, -17, -11, -5, 0, 6, 12, 18, 25, 33, 42, 55]

  /// Bytes of the numbers of one group of 32 k for the 16 rows of a panel, without the scales; 0 for floats.
  package var groupByteCount: Int {
    switch self {
    case .f32, .f16: 0
    case .q8: 512
    case .q4: 256
    }
  }

  /// Integer value of row `row`, element `k` of a group.
  @inline(__always)
  package static func quantum(in group: UnsafeRawPointer, _ format: WeightFormat, row: Int, k: Int) -> Int8 {
    if format == .q8 { return unsafe group.load(fromByteOffset: k / 4 * 64 + row * 4 + k % 4, as: Int8.self) }
    let byte = unsafe group.load(fromByteOffset: k % 16 / 4 * 64 + row * 4 + k % 4, as: UInt8.self)
    return q4Levels[Int(k < 16 ? byte & 15 : byte >> 4)]
  }
}
