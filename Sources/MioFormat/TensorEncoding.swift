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
}
