import CMioKernels
import MioKernels

/// Rotates queries and the key of a row, stores key and value, and packs the queries: the definition of every result.
enum AttentionRowReference {
  /// See `mio_prepare_attention`.
  static func prepare(_ row: mio_attention_row, format: KeyValueFormat) {
    let width = unsafe (row.head_width + 31) / 32 * 32
    if let key = unsafe row.key, let value = unsafe row.value {
      unsafe store(key: rotated(key, row), row, format)
      unsafe store(value: (0..<width).map { unsafe $0 < row.head_width ? value[$0] : 0 }, row, format)
    }
    for head in unsafe 0..<row.heads {
      let query = unsafe rotated(row.queries + head * row.head_width, row)
      unsafe pack(query, factor: row.factor, into: UnsafeMutableRawPointer(row.packed + head * row.packed_stride), format)
    }
  }

  /// [S], zeros beyond the head.
  private static func rotated(_ source: UnsafePointer<Float>, _ row: mio_attention_row) -> [Float] {
    let (width, half) = unsafe (row.head_width, row.head_width / 2)
    var target = [Float](repeating: 0, count: (width + 31) / 32 * 32)
    for j in 0..<half {
      let (a, b, cosine, sine) = unsafe (source[j], source[half + j], row.rotation[j], row.rotation[half + j])
      target[j] = a * cosine - b * sine
      target[half + j] = b * cosine + a * sine
    }
    return target
  }

  private static func store(key: [Float], _ row: mio_attention_row, _ format: KeyValueFormat) {
    let (width, panel, lane) = unsafe (key.count, row.position / 16, row.position % 16)
    let target = unsafe UnsafeMutableRawPointer(row.keys) + panel * 16 * width * format.byteCount
    let scales = unsafe UnsafeMutableRawPointer(row.keys) + KeyValueFormat.pageLength * width + panel * width
    for (d, number) in key.enumerated() {
      switch format {
      case .f32: unsafe target.storeBytes(of: number, toByteOffset: (d * 16 + lane) * 4, as: Float.self)
      case .f16: unsafe target.storeBytes(of: HalfFloat.bits(number), toByteOffset: (d * 16 + lane) * 2, as: UInt16.self)
      case .int8:
        let (bytes, scale) = quantized(key, group: d / 32)
        unsafe target.storeBytes(of: bytes[d % 32], toByteOffset: d / 4 * 64 + lane * 4 + d % 4, as: Int8.self)
        unsafe scales.storeBytes(of: scale, toByteOffset: (d / 32 * 16 + lane) * 2, as: UInt16.self)
      }
    }
  }

  private static func store(value: [Float], _ row: mio_attention_row, _ format: KeyValueFormat) {
    let target = unsafe UnsafeMutableRawPointer(row.values!)
    for (d, number) in value.enumerated() {
      let place = unsafe d / 32 * KeyValueFormat.pageLength + row.position
      let element = 32 * place + d % 32
      switch format {
      case .f32: unsafe target.storeBytes(of: number, toByteOffset: element * 4, as: Float.self)
      case .f16: unsafe target.storeBytes(of: HalfFloat.bits(number), toByteOffset: element * 2, as: UInt16.self)
      case .int8:
        let (bytes, scale) = quantized(value, group: d / 32)
        unsafe target.storeBytes(of: bytes[d % 32], toByteOffset: element, as: Int8.self)
        let scales = KeyValueFormat.pageLength * value.count
        unsafe target.storeBytes(of: scale, toByteOffset: scales + 2 * place, as: UInt16.self)
      }
    }
  }

  private static func pack(
    _ query: [Float], factor: Float, into target: UnsafeMutableRawPointer, _ format: KeyValueFormat
  ) {
    let width = query.count
    guard format == .int8 else {
      for (d, number) in query.enumerated() {
        unsafe target.storeBytes(of: number * factor, toByteOffset: 4 * d, as: Float.self)
      }
      return
    }
    let scale = query.reduce(0) { max($0, $1.magnitude) } * (1 / 32512)
    let integers = query.map { Int32(($0 * inverse(scale)).rounded(.toNearestOrEven)) }
    for (d, n) in integers.enumerated() {
      let high = (n + 128) >> 8
      unsafe target.storeBytes(of: Int8(high), toByteOffset: d, as: Int8.self)
      unsafe target.storeBytes(of: Int8(n - high << 8), toByteOffset: width + d, as: Int8.self)
    }
    for group in 0..<width / 32 {
      let sum = integers[32 * group..<32 * group + 32].reduce(0, +)
      unsafe target.storeBytes(of: sum, toByteOffset: 2 * width + 4 * group, as: Int32.self)
    }
    unsafe target.storeBytes(of: scale * factor, toByteOffset: 2 * width + width / 8, as: Float.self)
  }

  /// 32 floats as bytes in -127...127 and the bits of their bfloat16 scale.
  private static func quantized(_ x: [Float], group: Int) -> (bytes: [Int8], scale: UInt16) {
    let numbers = x[32 * group..<32 * group + 32]
    let scale = BrainFloat.roundedUp(numbers.reduce(0) { max($0, $1.magnitude) } * (1 / 127))
    let factor = inverse(BrainFloat.float(scale))
    return (numbers.map { Int8(($0 * factor).rounded(.toNearestOrEven)) }, scale)
  }

  /// 1 / scale; 0 where a scale is too small to be inverted.
  private static func inverse(_ scale: Float) -> Float { scale >= 0x1p-120 ? 1 / scale : 0 }

  /// See `mio_merge_attention`.
  static func merge(_ part: mio_attention_part, _ later: mio_attention_part) {
    for query in unsafe 0..<part.queries where unsafe later.maximum[query] > -.infinity {
      let peak = unsafe max(part.maximum[query], later.maximum[query])
      let old = unsafe VectorMath.exp2(Lanes(repeating: part.maximum[query] - peak))[0]
      let new = unsafe VectorMath.exp2(Lanes(repeating: later.maximum[query] - peak))[0]
      unsafe part.maximum[query] = peak
      unsafe part.sum[query] = unsafe part.sum[query] * old + later.sum[query] * new
      for index in unsafe query * part.width..<(query + 1) * part.width {
        unsafe part.output[index] = unsafe part.output[index] * old + later.output[index] * new
      }
    }
  }
}
