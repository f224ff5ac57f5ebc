/// Turns stored numbers into 32-bit floats. Every 16-bit value has an exact 32-bit one.
enum FloatDecoding {
  /// Decodes as many numbers of `type` as `target` holds. The source need not be aligned.
  @unsafe
  static func decode(
    _ type: StoredType, _ source: UnsafeRawBufferPointer, into target: UnsafeMutableBufferPointer<Float>
  ) {
    precondition(source.count == target.count * type.byteCount, "source and target differ in length")
    switch type {
    case .f32: unsafe UnsafeMutableRawBufferPointer(target).copyMemory(from: source)
    case .bf16: unsafe decodePairs(source, into: target) { $0 &<< 16 }
    case .f16: unsafe decodePairs(source, into: target, halfBits)
    default: preconditionFailure("\(type.name) is not a weight type")
    }
  }

  @inline(__always)
  private static func decodePairs(
    _ source: UnsafeRawBufferPointer, into target: UnsafeMutableBufferPointer<Float>,
    _ widen: (SIMD8<UInt32>) -> SIMD8<UInt32>
  ) {
    guard let input = source.baseAddress, let output = target.baseAddress else { return }
    let vectors = target.count / 8
    for vector in 0..<vectors {
      let half = unsafe input.loadUnaligned(fromByteOffset: vector * 16, as: SIMD8<UInt16>.self)
      let bits = widen(SIMD8<UInt32>(truncatingIfNeeded: half))
      unsafe UnsafeMutableRawPointer(output + vector * 8).storeBytes(of: bits, as: SIMD8<UInt32>.self)
    }
    for index in (vectors * 8)..<target.count {
      let half = unsafe input.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self)
      unsafe output[index] = Float(bitPattern: widen(SIMD8(repeating: UInt32(half)))[0])
    }
  }

  /// The 32-bit patterns of IEEE half floats, without conversion instructions.
  ///
  /// Multiplying by 2¹¹² moves the exponent to its new bias and normalizes subnormals in one exact step.
  @inline(__always)
  private static func halfBits(_ half: SIMD8<UInt32>) -> SIMD8<UInt32> {
    let magnitude = (half & 0x7FFF) &<< 13
    let scaled = unsafe unsafeBitCast(magnitude, to: SIMD8<Float>.self) * Float(bitPattern: 0x7780_0000)
    var bits = unsafe unsafeBitCast(scaled, to: SIMD8<UInt32>.self)
    // Infinity and NaN have all exponent bits set, before and after.
    bits.replace(with: bits | 0x7F80_0000, where: magnitude .>= 0x0F80_0000)
    return bits | ((half & 0x8000) &<< 16)
  }
}
