import CMioKernels
import MioKernels

/// The kernels of `mio_attention.h`: the definition of every result.
enum AttentionReference {
  /// Computes one block.
  static func attend(_ block: mio_attention_block, format: KeyValueFormat) {
    let positions = unsafe (0..<block.queries).reduce(0) { unsafe max($0, Int(block.visible[$1])) }
    unsafe withUnsafeTemporaryAllocation(of: Lanes.self, capacity: Int(MIO_ATTENTION_CHUNK) / 16) { weights in
      for query in unsafe 0..<block.queries {
        let visible = unsafe Int(block.visible[query])
        unsafe score(block, query, visible: visible, format, into: weights)
        unsafe weigh(block, query, visible: visible, weights)
        unsafe addValues(block, query, positions: min(positions, visible), format, weights: weights)
      }
    }
  }

  /// Scores of the panels with visible positions; -infinity for what is not visible in the last of them.
  private static func score(
    _ block: mio_attention_block, _ query: Int, visible: Int, _ format: KeyValueFormat,
    into scores: UnsafeMutableBufferPointer<Lanes>
  ) {
    guard let vector = unsafe UnsafeRawPointer(block.query[query]) else { return }
    let width = unsafe block.width
    for panel in 0..<(visible + 15) / 16 {
      guard let page = unsafe UnsafeRawPointer(block.pages[panel / 4]) else { return }
      let keys = unsafe page + block.keys + panel % 4 * 16 * width * format.byteCount
      var lanes: Lanes
      switch format {
      case .int8:
        let scales = unsafe page + block.keys + KeyValueFormat.pageLength * width + panel % 4 * width
        lanes = unsafe integerScores(keys, scales: scales, query: vector, width: width)
      case .f16:
        lanes = unsafe floatScores(vector, width) { d in unsafe HalfFloat.floats(keys + 32 * d) }
      case .f32:
        lanes = unsafe floatScores(vector, width) { d in unsafe (keys + 64 * d).loadUnaligned(as: Lanes.self) }
      }
      for lane in min(16, visible - 16 * panel)..<16 { lanes[lane] = -.infinity }
      unsafe scores[panel] = lanes
    }
  }

  /// Exact integer sums per group of 32 columns, combined in order.
  private static func integerScores(
    _ keys: UnsafeRawPointer, scales: UnsafeRawPointer, query: UnsafeRawPointer, width: Int
  ) -> Lanes {
    var total = Lanes(repeating: 0)
    for group in 0..<width / 32 {
      var sum = SIMD16<Int32>(repeating: 0)
      for d in 32 * group..<32 * group + 32 {
        let high = unsafe Int32(query.load(fromByteOffset: d, as: Int8.self))
        let low = unsafe Int32(query.load(fromByteOffset: width + d, as: Int8.self))
        var key = SIMD16<Int32>(repeating: 0)
        for lane in 0..<16 {
          key[lane] = unsafe Int32(keys.load(fromByteOffset: d / 4 * 64 + lane * 4 + d % 4, as: Int8.self))
        }
        sum &+= key &* (256 &* high &+ low)
      }
      total = unsafe total.addingProduct(Lanes(sum), BrainFloat.floats(scales + 32 * group))
    }
    return unsafe total * query.load(fromByteOffset: 2 * width + width / 8, as: Float.self)
  }

  private static func floatScores(_ query: UnsafeRawPointer, _ width: Int, _ key: (Int) -> Lanes) -> Lanes {
    var total = Lanes(repeating: 0)
    for d in 0..<width {
      total.addProduct(unsafe query.load(fromByteOffset: 4 * d, as: Float.self), key(d))
    }
    return total
  }

  /// Turns scores into weights and writes their maximum and sum.
  private static func weigh(
    _ block: mio_attention_block, _ query: Int, visible: Int, _ scores: UnsafeMutableBufferPointer<Lanes>
  ) {
    var maxima = Lanes(repeating: -.infinity)
    for panel in 0..<(visible + 15) / 16 { maxima = unsafe pointwiseMax(maxima, scores[panel]) }
    let maximum = maxima.max()
    var sum = Lanes(repeating: 0)
    for panel in 0..<(visible + 15) / 16 {
      unsafe scores[panel] = unsafe VectorMath.exp2(scores[panel] - maximum)
      sum += unsafe scores[panel]
    }
    unsafe block.maximum[query] = maximum
    unsafe block.sum[query] = VectorMath.sum(sum)
  }

  /// Writes the weighted sum of the values.
  private static func addValues(
    _ block: mio_attention_block, _ query: Int, positions: Int, _ format: KeyValueFormat,
    weights: UnsafeMutableBufferPointer<Lanes>
  ) {
    let width = unsafe block.width
    for group in 0..<width / 32 {
      var (left, right) = (Lanes(repeating: 0), Lanes(repeating: 0))
      for position in 0..<positions {
        guard let page = unsafe UnsafeRawPointer(block.pages[position / KeyValueFormat.pageLength]) else { return }
        let index = group * KeyValueFormat.pageLength + position % KeyValueFormat.pageLength
        let row = unsafe page + block.values + 32 * index * format.byteCount
        let (a, b): (Lanes, Lanes)
        switch format {
        case .int8:
          let scales = unsafe page + block.values + KeyValueFormat.pageLength * width
          let scale = unsafe BrainFloat.float(scales.load(fromByteOffset: 2 * index, as: UInt16.self))
          a = unsafe Lanes(row.loadUnaligned(as: SIMD16<Int8>.self)) * scale
          b = unsafe Lanes((row + 16).loadUnaligned(as: SIMD16<Int8>.self)) * scale
        case .f16:
          (a, b) = unsafe (HalfFloat.floats(row), HalfFloat.floats(row + 32))
        case .f32:
          (a, b) = unsafe (row.loadUnaligned(as: Lanes.self), (row + 64).loadUnaligned(as: Lanes.self))
        }
        let weight = unsafe weights[position / 16][position % 16]
        left.addProduct(weight, a)
        right.addProduct(weight, b)
      }
      let output = unsafe UnsafeMutableRawPointer(block.output + query * width + 32 * group)
      unsafe output.storeBytes(of: left, as: Lanes.self)
      unsafe output.storeBytes(of: right, toByteOffset: 64, as: Lanes.self)
    }
  }
}

extension KeyValueFormat {
  /// Bytes of one number without its scale.
  var byteCount: Int {
    switch self {
    case .int8: 1
    case .f16: 2
    case .f32: 4
    }
  }
}

/// bfloat16 as bits: the upper half of a 32-bit float.
enum BrainFloat {
  static func float(_ bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) << 16) }

  /// The next number that is not smaller, for finite values >= 0.
  static func roundedUp(_ value: Float) -> UInt16 { UInt16(truncatingIfNeeded: (value.bitPattern &+ 0xFFFF) >> 16) }

  /// Sixteen numbers.
  static func floats(_ source: UnsafeRawPointer) -> Lanes {
    let bits = unsafe source.loadUnaligned(as: SIMD16<UInt16>.self)
    return unsafe unsafeBitCast(SIMD16<UInt32>(truncatingIfNeeded: bits) &<< 16, to: Lanes.self)
  }
}

extension VectorMath {
  /// 2^x for x <= 0; 0 below -126. Coefficients in `mio_attention.h`.
  @inline(__always)
  static func exp2(_ x: Lanes) -> Lanes {
    let inside = x .>= -126
    let x = x.replacing(with: 0, where: .!inside)
    let n = roundToEven(x)
    let f = x - n
    var p = f * 0x1.41d334p-13 + 0x1.5f456ap-10
    p = p * f + 0x1.3b2dbcp-7
    p = p * f + 0x1.c6aed4p-5
    p = p * f + 0x1.ebfbdap-3
    p = p * f + 0x1.62e43p-1
    p = p * f + 1
    return (p * powerOfTwo(n)).replacing(with: 0, where: .!inside)
  }
}

extension HalfFloat {
  /// Sixteen numbers, exactly.
  @inline(__always)
  static func floats(_ source: UnsafeRawPointer) -> Lanes {
    var lanes = Lanes(repeating: 0)
    for lane in 0..<16 { lanes[lane] = unsafe float((source + 2 * lane).loadUnaligned(as: UInt16.self)) }
    return lanes
  }
}
