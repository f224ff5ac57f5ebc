/// e^x for scores relative to their maximum, eight at a time.
///
/// Plain IEEE multiplications and additions in a fixed order: the same bits on every machine, which `expf` of different
/// C libraries does not promise, and several times faster over a whole vocabulary.
enum Exponential {
  /// e^x with a relative error below 2e-7 for x in -87...0; smaller x and NaN give 0. x must not be positive.
  ///
  /// Cephes' `expf`: x = n ln 2 + r with |r| <= ln 2 / 2, then a polynomial in r of degree 6 times 2^n.
  @inline(__always)
  static func of(_ x: SIMD8<Float>) -> SIMD8<Float> {
    let rounding = SIMD8<Float>(repeating: 12_582_912)  // 1.5 * 2^23: adding it rounds to an integer in the low bits
    let lowest = SIMD8<Float>(repeating: -87)
    let vanishes = .!(x .>= lowest)
    let x = x.replacing(with: lowest, where: vanishes)
    let shifted = x * 1.442_695_04 + rounding
    let n = shifted - rounding
    let r = (x - n * 0.693_359_375) - n * -2.121_944_4e-4
    var p = SIMD8<Float>(repeating: 1.987_569_15e-4)
    p = p * r + 1.398_199_95e-3
    p = p * r + 8.333_451_9e-3
    p = p * r + 4.166_579_6e-2
    p = p * r + 1.666_666_55e-1
    p = p * r + 0.5
    p = p * r * r + r + 1
    let exponent = bits(shifted) &- bits(rounding) &+ 127
    let power = unsafe unsafeBitCast(exponent &<< 23, to: SIMD8<Float>.self)
    return (p * power).replacing(with: 0, where: vanishes)
  }

  @inline(__always)
  private static func bits(_ x: SIMD8<Float>) -> SIMD8<UInt32> {
    unsafe unsafeBitCast(x, to: SIMD8<UInt32>.self)
  }
}
