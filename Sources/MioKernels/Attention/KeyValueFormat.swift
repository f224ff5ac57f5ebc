/// How keys and values are kept in a ``KeyValueCache``; the layout of a page is that of `mio_attention.h`.
package enum KeyValueFormat: String, Sendable, CaseIterable {
  /// Signed bytes with one bfloat16 scale per 32 numbers: 8.5 bits.
  case int8
  case f16
  case f32

  /// Positions of one page.
  package static let pageLength = 64
  /// Positions that are combined in one pass; longer contexts are cut into such chunks.
  static let chunkLength = 256

  /// Bytes of one number without its scale.
  var elementSize: Int {
    switch self {
    case .int8: 1
    case .f16: 2
    case .f32: 4
    }
  }

  /// Columns as stored: heads are padded with zeros to multiples of 32.
  static func storedWidth(_ headWidth: Int) -> Int { (headWidth + 31) / 32 * 32 }

  /// Bytes of one key or value vector, scales included.
  func vectorByteCount(headWidth: Int) -> Int {
    let width = Self.storedWidth(headWidth)
    return width * elementSize + (self == .int8 ? width / 16 : 0)
  }

  /// Bytes of one packed query, see `mio_attention.h`, rounded up to whole cache lines.
  func queryByteCount(headWidth: Int) -> Int {
    let width = Self.storedWidth(headWidth)
    let bytes = self == .int8 ? 2 * width + width / 8 + 4 : 4 * width
    return (bytes + 63) / 64 * 64
  }
}
