/// Rows of activations as signed bytes, for the integer kernels.
///
/// The 32 values of a group are `scale × q` with q in -127...127, `scale = max |x| / 127`. Up to ``blockTokens`` rows are
/// interleaved group by group, because a kernel applies one unpacked group of weights to all of them:
/// values `[groups][tokens][32]`, scales `[groups][tokens]`, sums of the q `[groups][tokens]`.
@safe
struct QuantizedActivations {
  /// Most rows of one block.
  static let blockTokens = 64

  let groups: Int
  let tokens: Int
  let values: UnsafeMutablePointer<Int8>
  let scales: UnsafeMutablePointer<Float>
  let sums: UnsafeMutablePointer<Int32>

  /// Bytes of a block of `tokens` rows, a multiple of 64.
  static func byteCount(groups: Int, tokens: Int) -> Int { (groups * tokens * 40 + 63) & ~63 }

  /// A block laid out from `base` on.
  @unsafe
  init(groups: Int, tokens: Int, base: UnsafeMutableRawPointer) {
    self.groups = groups
    self.tokens = tokens
    unsafe values = base.assumingMemoryBound(to: Int8.self)
    let tail = unsafe base + groups * tokens * 32
    unsafe scales = tail.assumingMemoryBound(to: Float.self)
    unsafe sums = (tail + groups * tokens * 4).assumingMemoryBound(to: Int32.self)
  }
}

/// Rows of floats that a matrix is applied to: row t starts `stride` floats after row t - 1; rows may overlap.
@safe
struct RowOperand {
  let base: UnsafePointer<Float>
  let stride: Int
  let count: Int

  @unsafe
  init(base: UnsafePointer<Float>, stride: Int, count: Int) {
    unsafe self.base = base
    self.stride = stride
    self.count = count
  }
}
