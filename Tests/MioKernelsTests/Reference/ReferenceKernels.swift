import CMioKernels
import MioKernels

/// Products of matrices: the definition of every result.
enum ReferenceKernels {
  /// See `mio_multiply_float`.
  static func multiplyFloat(_ weights: mio_panels, half: Bool, _ x: mio_rows, _ y: mio_target) {
    for panel in unsafe 0..<weights.panel_count {
      let base = unsafe UnsafeRawPointer(weights.base + panel * weights.panel_bytes)
      for token in unsafe 0..<x.count {
        let row = unsafe x.base + token * x.stride
        var sum = Lanes(repeating: 0)
        for k in unsafe 0..<weights.length {
          let column = unsafe half ? halves(base + k * 32) : (base + k * 64).loadUnaligned(as: Lanes.self)
          sum = unsafe sum.addingProduct(column, Lanes(repeating: row[k]))
        }
        unsafe store(sum, y, token: token, panel: panel)
      }
    }
  }

  /// See `mio_multiply_quantized`.
  static func multiplyQuantized(_ weights: mio_panels, format: WeightFormat, _ x: mio_quantized_rows, _ y: mio_target) {
    for panel in unsafe 0..<weights.panel_count {
      let base = unsafe UnsafeRawPointer(weights.base + panel * weights.panel_bytes)
      let scales = unsafe base + x.groups * format.groupByteCount
      for token in unsafe 0..<x.tokens {
        var sum = Lanes(repeating: 0)
        for group in unsafe 0..<x.groups {
          let index = unsafe group * x.tokens + token
          var integers = SIMD16<Int32>(repeating: 0)
          for k in 0..<32 {
            let column = unsafe quanta(base + group * format.groupByteCount, format, k)
            integers &+= unsafe column &* Int32(x.values[index * 32 + k])
          }
          let scale = unsafe halves(scales + group * 32) * x.scales[index]
          sum = sum.addingProduct(Lanes(integers), scale)
        }
        unsafe store(sum, y, token: token, panel: panel)
      }
    }
  }

  /// See `mio_quantize_rows`.
  static func quantize(_ x: mio_rows, first: Int, columns: Int, _ y: mio_quantized_rows) {
    for token in unsafe 0..<y.tokens {
      let row = unsafe x.base + (first + token) * x.stride
      for group in unsafe 0..<y.groups {
        let count = min(32, columns - group * 32)
        var values = SIMD32<Float>(repeating: 0)
        for k in 0..<count { values[k] = unsafe row[group * 32 + k] }
        unsafe quantize(values, y, index: group * y.tokens + token)
      }
    }
  }

  private static func quantize(_ values: SIMD32<Float>, _ y: mio_quantized_rows, index: Int) {
    // Magnitudes order like their bits, and a NaN beats everything.
    var peakBits: UInt32 = 0
    for k in 0..<32 { peakBits = max(peakBits, values[k].bitPattern & 0x7FFF_FFFF) }
    let peak = Float(bitPattern: peakBits)
    // Below 1e-30 the reciprocal would overflow; such a group is silence.
    let silent = peak <= 1e-30
    let factor = silent ? 0 : 127 / peak
    var sum: Int32 = 0
    for k in 0..<32 {
      // Adding 1.5 · 2^23 rounds and leaves the integer in the low bits.
      let quantum = Int8(truncatingIfNeeded: (values[k] * factor + 12_582_912).bitPattern &- 0x4B40_0000)
      unsafe y.values[index * 32 + k] = quantum
      sum &+= Int32(quantum)
    }
    unsafe y.scales[index] = silent ? 0 : peak / 127
    unsafe y.corrections[index] = -64 &* sum
  }

  private static func store(_ sum: Lanes, _ y: mio_target, token: Int, panel: Int) {
    let first = panel * WeightFormat.panelRows
    for row in unsafe 0..<max(0, min(16, y.columns - first)) { unsafe y.base[token * y.stride + first + row] = sum[row] }
  }

  /// Element k of a group for all 16 rows of the panel, without the scale.
  @inline(__always)
  static func quanta(_ group: UnsafeRawPointer, _ format: WeightFormat, _ k: Int) -> SIMD16<Int32> {
    var result = SIMD16<Int32>(repeating: 0)
    for row in 0..<16 { result[row] = unsafe Int32(WeightFormat.quantum(in: group, format, row: row, k: k)) }
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
