import MioKernels

/// Elementary functions on sixteen lanes: the definition that the kernels repeat bit by bit.
///
/// Only additions, multiplications, divisions and integer steps, so that every processor gives the same bits. Polynomials and ranges are those of Cephes (Moshier) unless noted; relative error below 3e-7.
enum VectorMath {
  /// Rounds to the nearest integer, ties to even; right for magnitudes below 2^22.
  @inline(__always)
  static func roundToEven(_ x: Lanes) -> Lanes { (x + 12_582_912) - 12_582_912 }

  /// `2^n` for integers n in -126...127.
  @inline(__always)
  static func powerOfTwo(_ n: Lanes) -> Lanes {
    // Adding 1.5 · 2^23 leaves the integer in the low bits.
    let integers = unsafe unsafeBitCast(n + 12_582_912, to: SIMD16<Int32>.self) &- 0x4B40_0000
    return unsafe unsafeBitCast((integers &+ 127) &<< 23, to: Lanes.self)
  }

  /// e^x split as `2^n (1 + p)`: gives `2^n` and `p`. x is clamped to -87.3...88.37.
  @inline(__always)
  static func expParts(_ x: Lanes) -> (scale: Lanes, fraction: Lanes) {
    let x = x.clamped(lowerBound: Lanes(repeating: -87.3), upperBound: Lanes(repeating: 88.37))
    let n = roundToEven(x * 1.44269504088896341)
    let r = (x - n * 0.693359375) - n * -2.12194440e-4
    var p = r * 1.9875691500e-4 + 1.3981999507e-3
    p = p * r + 8.3334519073e-3
    p = p * r + 4.1665795894e-2
    p = p * r + 1.6666665459e-1
    p = p * r + 5.0000001201e-1
    return (powerOfTwo(n), p * (r * r) + r)
  }

  /// e^x; 0 below -87.3.
  @inline(__always)
  static func exp(_ x: Lanes) -> Lanes {
    let (scale, fraction) = expParts(x)
    return (fraction * scale + scale).replacing(with: 0, where: x .< -87.3)
  }

  /// e^x - 1, without cancellation near 0.
  @inline(__always)
  static func expMinusOne(_ x: Lanes) -> Lanes {
    let (scale, fraction) = expParts(x)
    return fraction * scale + (scale - 1)
  }

  /// 1 / (1 + e^-x).
  @inline(__always)
  static func sigmoid(_ x: Lanes) -> Lanes { 1 / (1 + exp(0 - x)) }

  @inline(__always)
  static func tanh(_ x: Lanes) -> Lanes {
    let square = x * x
    var p = square * -5.70498872745e-3 + 2.06390887954e-2
    p = p * square - 5.37397155531e-2
    p = p * square + 1.33314422036e-1
    p = p * square - 3.33332819422e-1
    let small = p * square * x + x
    let magnitude = x.replacing(with: 0 - x, where: x .< 0)
    let large = 1 - 2 / (exp(magnitude + magnitude) + 1)
    return large.replacing(with: 0 - large, where: x .< 0).replacing(with: small, where: magnitude .< 0.625)
  }

  /// The error function as a rational function of degree 13 over 8 (Eigen's `erf`), x clamped to -4...4.
  @inline(__always)
  static func erf(_ x: Lanes) -> Lanes {
    let x = x.clamped(lowerBound: Lanes(repeating: -4), upperBound: Lanes(repeating: 4))
    let square = x * x
    var p = square * -2.72614225801306e-10 + 2.77068142495902e-08
    p = p * square - 2.10102402082508e-06
    p = p * square - 5.69250639462346e-05
    p = p * square - 7.34990630326855e-04
    p = p * square - 2.95459980854025e-03
    p = p * square - 1.60960333262415e-02
    var q = square * -1.45660718464996e-05 - 2.13374055278905e-04
    q = q * square - 1.68282697438203e-03
    q = q * square - 7.37332916720468e-03
    q = q * square - 1.42647390514189e-02
    return x * p / q
  }

  /// sin²(x); its period is π, so one reduction serves all signs. Good to 1e-6 (absolute) for |x| < 10^4.
  @inline(__always)
  static func sineSquared(_ x: Lanes) -> Lanes {
    let n = roundToEven(x * 0.318309886183790672)
    let r = ((x - n * 3.140625) - n * 9.67502593994140625e-4) - n * 1.509957990978376432e-7
    let square = r * r
    var p = square * -2.50521083854417e-8 + 2.75573192239859e-6
    p = p * square - 1.98412698412698e-4
    p = p * square + 8.33333333333333e-3
    p = p * square - 1.66666666666667e-1
    let sine = p * square * r + r
    return sine * sine
  }

  /// 2^x for x <= 0, 0 below -126; relative error below 1e-7. Fused multiply-adds, as in the next one.
  @inline(__always)
  static func powerBelowOne(_ x: Lanes) -> Lanes {
    let n = roundToEven(x)
    let r = x - n
    var p = Lanes(repeating: 1.33988790e-3).addingProduct(Lanes(repeating: 1.53533e-4), r)
    for coefficient: Float in [9.61843070e-3, 5.55032720e-2, 2.40226510e-1, 6.93147180e-1, 1] {
      p = Lanes(repeating: coefficient).addingProduct(p, r)
    }
    // Adding 1.5 · 2^23 leaves the integer in the low bits; the shift makes it an exponent.
    let exponent = unsafe unsafeBitCast(n + 12_582_912, to: SIMD16<Int32>.self) &<< 23
    let scaled = unsafe unsafeBitCast(unsafeBitCast(p, to: SIMD16<Int32>.self) &+ exponent, to: Lanes.self)
    return scaled.replacing(with: 0, where: x .< -126)
  }

  /// 5792 · 2^x for x <= 0, rounded: see `fixed_weights` of the kernels.
  @inline(__always)
  static func fixedPowerBelowOne(_ x: Lanes) -> SIMD16<Int32> {
    let x = x.replacing(with: -30, where: x .< -30)
    let shifted = x + 12_582_912
    let r = x - (shifted - 12_582_912)
    var p = Lanes(repeating: 5.59064262e-2).addingProduct(Lanes(repeating: 9.58285294e-3), r)
    for coefficient: Float in [2.40240991e-1, 6.93124175e-1, 1] {
      p = Lanes(repeating: coefficient).addingProduct(p, r)
    }
    let exponent = unsafe unsafeBitCast(shifted, to: SIMD16<Int32>.self) &<< 23
    let power = unsafe unsafeBitCast(unsafeBitCast(p, to: SIMD16<Int32>.self) &+ exponent, to: Lanes.self)
    let rounded = Lanes(repeating: 12_582_912).addingProduct(power, Lanes(repeating: 5792))
    return unsafe unsafeBitCast(rounded, to: SIMD16<Int32>.self) &- 0x4B40_0000
  }

  /// Sum of the lanes: halves are folded onto each other, 8 + 8, 4 + 4, 2 + 2, 1 + 1.
  @inline(__always)
  static func sum(_ x: Lanes) -> Float {
    let eight = x.lowHalf + x.highHalf
    let four = eight.lowHalf + eight.highHalf
    let two = four.lowHalf + four.highHalf
    return two.x + two.y
  }

  /// Up to sixteen floats; missing lanes are 0.
  static func load(_ source: UnsafePointer<Float>, _ count: Int) -> Lanes {
    var lanes = Lanes(repeating: 0)
    for lane in 0..<min(16, count) { unsafe lanes[lane] = source[lane] }
    return lanes
  }

  /// Writes the first `count` lanes.
  static func store(_ lanes: Lanes, _ target: UnsafeMutablePointer<Float>, _ count: Int) {
    for lane in 0..<min(16, count) { unsafe target[lane] = lanes[lane] }
  }
}
