import CMioKernels

/// Rows of activations as signed bytes, for the integer kernels: all rows of one call, cut into blocks.
///
/// The 32 values of a group are `scale × q` with q in -127...127, `scale = max |x| / 127`. The rows of a block are
/// interleaved group by group, because a kernel applies one unpacked group of weights to all of them.
@safe
struct QuantizedActivations {
  /// Most rows of one block.
  static let blockTokens = MIO_BLOCK_TOKENS

  let groups: Int
  let tokens: Int
  let base: UnsafeMutableRawPointer

  /// Bytes of all blocks of `tokens` rows.
  static func byteCount(groups: Int, tokens: Int) -> Int {
    tokens / blockTokens * blockByteCount(groups, blockTokens) + blockByteCount(groups, tokens % blockTokens)
  }

  /// Blocks laid out from `base` on.
  @unsafe
  init(groups: Int, tokens: Int, base: UnsafeMutableRawPointer) {
    self.groups = groups
    self.tokens = tokens
    unsafe self.base = base
  }

  var blockCount: Int { (tokens + Self.blockTokens - 1) / Self.blockTokens }

  /// Block `index`: rows `index * blockTokens` and following.
  func block(_ index: Int) -> mio_quantized_rows {
    let count = min(Self.blockTokens, tokens - index * Self.blockTokens)
    let values = unsafe base + index * Self.blockByteCount(groups, Self.blockTokens)
    let scales = unsafe values + groups * count * 32
    let corrections = unsafe scales + groups * count * 4
    return unsafe mio_quantized_rows(
      values: values.assumingMemoryBound(to: Int8.self), scales: scales.assumingMemoryBound(to: Float.self),
      corrections: corrections.assumingMemoryBound(to: Int32.self), groups: groups, tokens: count)
  }

  /// Values, scales and corrections, rounded up to whole cache lines.
  private static func blockByteCount(_ groups: Int, _ tokens: Int) -> Int { (groups * tokens * 40 + 63) & ~63 }
}
