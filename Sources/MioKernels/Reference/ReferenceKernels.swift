/// The portable kernels: the definition of every result, and the fallback where no faster copy exists.
enum ReferenceKernels {
  /// y[t, r] = Σ_k W[r, k] x[t, k] for panels of 32-bit or 16-bit floats.
  ///
  /// One fused multiply-add per k, in the order of k, so that neither the batch nor the processor changes a bit.
  static func multiplyFloat(
    _ panel: UnsafeRawPointer, half: Bool, columns: Int, _ x: RowOperand, tokens: Range<Int>,
    into y: UnsafeMutablePointer<Float>, stride: Int, rows: Int
  ) {
    for token in tokens {
      let row = unsafe x.base + token * x.stride
      var sum = Lanes(repeating: 0)
      for k in 0..<columns {
        let weights =
          unsafe half
          ? halves(panel + k * 32) : panel.loadUnaligned(fromByteOffset: k * 64, as: Lanes.self)
        sum = unsafe sum.addingProduct(weights, Lanes(repeating: row[k]))
      }
      for r in 0..<rows { unsafe y[token * stride + r] = sum[r] }
    }
  }

  /// y[t, r] = Σ_g fma(Σ_k∈g w q, scale(w) · scale(x), …): an exact integer sum per group, then one fused
  /// multiply-add, group after group.
  static func multiplyQuantized(
    _ panel: UnsafeRawPointer, format: WeightFormat, _ x: QuantizedActivations,
    into y: UnsafeMutablePointer<Float>, stride: Int, rows: Int
  ) {
    let scales = unsafe panel + x.groups * format.groupByteCount
    for token in 0..<x.tokens {
      var sum = Lanes(repeating: 0)
      for group in 0..<x.groups {
        let index = group * x.tokens + token
        var integers = SIMD16<Int32>(repeating: 0)
        for k in 0..<32 {
          let weights = unsafe column(panel + group * format.groupByteCount, format, k)
          integers &+= unsafe weights &* Int32(x.values[index * 32 + k])
        }
        let scale = unsafe halves(scales + group * 32) * x.scales[index]
        sum.addProduct(Lanes(integers), scale)
      }
      for r in 0..<rows { unsafe y[token * stride + r] = sum[r] }
    }
  }

  /// Quantizes rows `tokens` of `x` to a block.
  static func quantize(_ x: RowOperand, firstToken: Int, columns: Int, into block: QuantizedActivations) {
    for token in 0..<block.tokens {
      let row = unsafe x.base + (firstToken + token) * x.stride
      for group in 0..<block.groups {
        let index = group * block.tokens + token
        let count = min(32, columns - group * 32)
        var peak: Float = 0
        for k in 0..<count { unsafe peak = max(peak, abs(row[group * 32 + k])) }
        // Below 1e-30 the reciprocal would overflow; such a group is silence.
        let factor = peak > 1e-30 ? 127 / peak : 0
        var sum: Int32 = 0
        for k in 0..<32 {
          let scaled = unsafe k < count ? row[group * 32 + k] * factor : 0
          let quantum = Int32(truncatingIfNeeded: Int64((scaled + 12_582_912) - 12_582_912))
          unsafe block.values[index * 32 + k] = Int8(truncatingIfNeeded: quantum)
          sum &+= quantum
        }
        unsafe block.scales[index] = peak > 1e-30 ? peak / 127 : 0
        unsafe block.sums[index] = sum
      }
    }
  }

  /// Element k of a group for all 16 rows of the panel, without the scale.
  @inline(__always)
  static func column(_ group: UnsafeRawPointer, _ format: WeightFormat, _ k: Int) -> SIMD16<Int32> {
    var result = SIMD16<Int32>(repeating: 0)
    for row in 0..<16 { unsafe result[row] = Int32(WeightFormat.quantum(in: group, format, row: row, k: k)) }
    return result
  }

  /// Sixteen 16-bit floats.
  @inline(__always)
  static func halves(_ source: UnsafeRawPointer) -> Lanes {
    let bits = unsafe source.loadUnaligned(as: SIMD16<UInt16>.self)
    var result = Lanes(repeating: 0)
    for lane in 0..<16 { result[lane] = HalfFloat.float(bits[lane]) }
    return result
  }
}
