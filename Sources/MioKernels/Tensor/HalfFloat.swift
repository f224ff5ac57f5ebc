/// IEEE 754 binary16 as bits, converted by integer steps so that every platform gives the same result.
package enum HalfFloat {
  /// Exact.
  @inline(__always)
  package static func float(_ bits: UInt16) -> Float {
    let magnitude = UInt32(bits & 0x7FFF) << 13
    // The exponent is off by 127 - 15; one multiplication corrects it and normalizes subnormals.
    var result = (Float(bitPattern: magnitude) * Float(bitPattern: 0x7780_0000)).bitPattern
    if bits & 0x7C00 == 0x7C00 { result = magnitude | 0x7F80_0000 }
    return Float(bitPattern: result | UInt32(bits & 0x8000) << 16)
  }

  /// Rounds to nearest, ties to even; magnitudes beyond 65,504 become 65,504.
  @inline(__always)
  package static func bits(_ value: Float) -> UInt16 {
    let sign = UInt16(truncatingIfNeeded: value.bitPattern >> 16) & 0x8000
    let magnitude = value.bitPattern & 0x7FFF_FFFF
    if magnitude >= 0x477F_E000 { return sign | (magnitude > 0x7F80_0000 ? 0x7E00 : 0x7BFF) }
    if magnitude < 0x3880_0000 {
      // Subnormal: adding 0.5 aligns the last kept bit with the float's, and the hardware rounds.
      let aligned = Float(bitPattern: magnitude) + 0.5
      return sign | UInt16(truncatingIfNeeded: aligned.bitPattern &- 0x3F00_0000)
    }
    let odd = (magnitude >> 13) & 1
    return sign | UInt16(truncatingIfNeeded: (magnitude &+ 0xFFF &+ odd) >> 13 &- (112 << 10))
  }
}
