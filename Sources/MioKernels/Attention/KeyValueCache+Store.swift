extension KeyValueCache {
  /// Writes one head's key [D], already rotated, at `position` of a page list.
  ///
  /// - Parameter scratch: [S] floats, S the stored width; overwritten.
  @unsafe
  func store(
    key: UnsafePointer<Float>, at position: Int, offset: Int, in addresses: UnsafeMutablePointer<UnsafePointer<UInt8>?>
  ) {
    let width = KeyValueFormat.storedWidth(shape.headWidth)
    let page = unsafe page(of: position, in: addresses) + offset
    let (panel, lane) = (position % KeyValueFormat.pageLength / 16, position % 16)
    let target = unsafe page + panel * 16 * width * shape.format.elementSize
    switch shape.format {
    case .f32:
      for d in 0..<width { unsafe target.storeBytes(of: key[d], toByteOffset: (d * 16 + lane) * 4, as: Float.self) }
    case .f16:
      for d in 0..<width {
        unsafe target.storeBytes(of: HalfFloat.bits(key[d]), toByteOffset: (d * 16 + lane) * 2, as: UInt16.self)
      }
    case .int8:
      let scales = unsafe page + KeyValueFormat.pageLength * width + panel * width
      for group in 0..<width / 32 {
        let (bytes, scale) = unsafe Self.quantize(key + 32 * group)
        for quad in 0..<8 {
          let four = SIMD4(bytes[4 * quad], bytes[4 * quad + 1], bytes[4 * quad + 2], bytes[4 * quad + 3])
          unsafe target.storeBytes(of: four, toByteOffset: (group * 8 + quad) * 64 + lane * 4, as: SIMD4<Int8>.self)
        }
        unsafe scales.storeBytes(of: scale, toByteOffset: (group * 16 + lane) * 2, as: UInt16.self)
      }
    }
  }

  /// Writes one head's value [S] at `position` of a page list.
  @unsafe
  func store(
    value: UnsafePointer<Float>, at position: Int, offset: Int, in addresses: UnsafeMutablePointer<UnsafePointer<UInt8>?>
  ) {
    let width = KeyValueFormat.storedWidth(shape.headWidth)
    let target = unsafe page(of: position, in: addresses) + offset + shape.blockByteCount
    for group in 0..<width / 32 {
      let source = unsafe value + 32 * group
      let index = group * KeyValueFormat.pageLength + position % KeyValueFormat.pageLength
      switch shape.format {
      case .f32:
        unsafe (target + 128 * index).copyMemory(from: source, byteCount: 128)
      case .f16:
        for d in 0..<32 {
          unsafe target.storeBytes(of: HalfFloat.bits(source[d]), toByteOffset: (32 * index + d) * 2, as: UInt16.self)
        }
      case .int8:
        let (bytes, scale) = unsafe Self.quantize(source)
        unsafe (target + 32 * index).storeBytes(of: bytes, as: SIMD32<Int8>.self)
        unsafe target.storeBytes(
          of: scale, toByteOffset: KeyValueFormat.pageLength * width + 2 * index, as: UInt16.self)
      }
    }
  }

  /// The page that holds a position.
  @unsafe
  func page(
    of position: Int, in addresses: UnsafeMutablePointer<UnsafePointer<UInt8>?>
  ) -> UnsafeMutableRawPointer {
    guard let page = unsafe addresses[position / KeyValueFormat.pageLength] else {
      preconditionFailure("the cache has no page for this position")
    }
    return unsafe UnsafeMutableRawPointer(mutating: page)
  }

  /// 32 floats as bytes in -127...127 and the bits of their bfloat16 scale.
  @inline(__always)
  static func quantize(_ source: UnsafePointer<Float>) -> (bytes: SIMD32<Int8>, scale: UInt16) {
    let (low, high) = unsafe (Activations.load(source, 16), Activations.load(source + 16, 16))
    let scale = BrainFloat.roundedUp(pointwiseMax(magnitude(low), magnitude(high)).max() * (1 / 127))
    let factor = inverse(BrainFloat.float(scale))
    return (SIMD32(lowHalf: bytes(low * factor), highHalf: bytes(high * factor)), scale)
  }

  @inline(__always)
  static func magnitude(_ x: Lanes) -> Lanes {
    unsafe unsafeBitCast(unsafeBitCast(x, to: SIMD16<UInt32>.self) & 0x7FFF_FFFF, to: Lanes.self)
  }

  /// 1 / scale; 0 where a scale is too small to be inverted.
  @inline(__always)
  static func inverse(_ scale: Float) -> Float { scale >= 0x1p-120 ? 1 / scale : 0 }

  /// Nearest integers of numbers within ±2^22, ties to even.
  @inline(__always)
  static func integers(_ x: Lanes) -> SIMD16<Int32> {
    unsafe unsafeBitCast(x + 12_582_912, to: SIMD16<Int32>.self) &- 0x4B40_0000
  }

  @inline(__always)
  private static func bytes(_ x: Lanes) -> SIMD16<Int8> { SIMD16<Int8>(truncatingIfNeeded: integers(x)) }
}
