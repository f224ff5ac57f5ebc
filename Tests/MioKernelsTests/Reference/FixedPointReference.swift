import CMioKernels
import MioKernels

/// Kernels of 16-bit fixed-point numbers: the definition of every result.
enum FixedPointReference {
  private static let limit = Float(MIO_FIXED_LIMIT)

  /// See `mio_fix_rows`.
  static func fixRows(
    _ x: mio_float_rows, _ stride: Int, _ values: UnsafeMutablePointer<Int16>, _ scales: UnsafeMutablePointer<Float>
  ) {
    for row in unsafe 0..<x.rows {
      let source = unsafe x.base + row * x.stride
      for (index, first) in unsafe Swift.stride(from: 0, to: x.columns, by: 64).enumerated() {
        let position = row * stride + index
        var group = SIMD64<Float>(repeating: 0)
        for part in Swift.stride(from: 0, to: 64, by: 16) where unsafe first + part < x.columns {
          let value = unsafe mapped(x, source, first + part)
          for lane in 0..<16 { group[part + lane] = value[lane] }
        }
        unsafe fix(group, values + position * 64, &scales[position])
      }
    }
  }

  /// See `mio_scale_rows`.
  static func scaleRows(_ x: mio_float_rows, _ y: UnsafeMutablePointer<Float>) {
    for row in unsafe 0..<x.rows {
      for column in unsafe Swift.stride(from: 0, to: x.columns, by: 16) {
        let value = unsafe mapped(x, x.base + row * x.stride, column)
        unsafe VectorMath.store(value, y + row * x.columns + column, min(16, x.columns - column))
      }
    }
  }

  private static func mapped(_ x: mio_float_rows, _ source: UnsafePointer<Float>, _ column: Int) -> Lanes {
    let count = unsafe min(16, x.columns - column)
    var value = unsafe VectorMath.load(source + column, count)
    if let factor = unsafe x.factor {
      value = unsafe value * VectorMath.load(factor + column, count) + VectorMath.load(x.offset + column, count)
    }
    if unsafe x.activates != 0 { value = value * VectorMath.sigmoid(value) }
    return value
  }

  static func fix(_ x: SIMD64<Float>, _ values: UnsafeMutablePointer<Int16>, _ scale: inout Float) {
    var peakBits: UInt32 = 0
    for k in 0..<64 { peakBits = max(peakBits, x[k].bitPattern & 0x7FFF_FFFF) }
    let peak = Float(bitPattern: peakBits)
    let silent = peak <= 1e-30
    let factor = silent ? 0 : limit / peak
    for k in 0..<64 { unsafe values[k] = quantum(x[k], factor) }
    scale = silent ? 0 : peak / limit
  }

  /// Adding 1.5 · 2^23 rounds and leaves the integer in the low bits.
  private static func quantum(_ x: Float, _ factor: Float) -> Int16 {
    Int16(truncatingIfNeeded: (x * factor + 12_582_912).bitPattern &- 0x4B40_0000)
  }

  /// See `mio_fix_group`.
  static func fixGroup(
    _ sources: UnsafePointer<UnsafePointer<UInt16>?>, _ factors: UnsafePointer<Float>, _ sourceCount: Int, _ count: Int,
    _ values: UnsafeMutablePointer<Int16>, _ scales: UnsafeMutablePointer<Float>
  ) {
    unsafe fixPanelGroup(values, scales) { row in
      var column = SIMD64<Float>(repeating: 0)
      for k in 0..<count {
        for i in 0..<sourceCount {
          guard let source = unsafe sources[i] else { continue }
          let value = unsafe HalfFloat.float(source[k * 16 + row]) * factors[i]
          column[k] = i == 0 ? value : column[k] + value
        }
      }
      return column
    }
  }

  /// See `mio_fix_columns`.
  static func fixColumns(
    _ x: UnsafePointer<Float>, _ stride: Int, _ rows: Int, _ count: Int, _ values: UnsafeMutablePointer<Int16>,
    _ scales: UnsafeMutablePointer<Float>
  ) {
    unsafe fixPanelGroup(values, scales) { row in
      var column = SIMD64<Float>(repeating: 0)
      if row < count {
        for k in 0..<rows { unsafe column[k] = x[k * stride + row] }
      }
      return column
    }
  }

  private static func fixPanelGroup(
    _ values: UnsafeMutablePointer<Int16>, _ scales: UnsafeMutablePointer<Float>, _ row: (Int) -> SIMD64<Float>
  ) {
    for index in 0..<16 {
      let column = row(index)
      var peakBits: UInt32 = 0
      for k in 0..<64 { peakBits = max(peakBits, column[k].bitPattern & 0x7FFF_FFFF) }
      let peak = Float(bitPattern: peakBits)
      let factor = peak > 1e-30 ? limit / peak : 0
      for k in 0..<64 { unsafe values[k / 2 * 32 + index * 2 + k % 2] = quantum(column[k], factor) }
      unsafe scales[index] = peak > 1e-30 ? peak / limit : 0
    }
  }

  /// See `mio_multiply_fixed`.
  static func multiply(_ weights: mio_fixed_panels, _ x: mio_fixed_rows, _ y: mio_fixed_target) {
    for panel in unsafe 0..<weights.panel_count {
      for token in unsafe 0..<x.count {
        let target = unsafe y.base + Int(y.index_map[token]) * y.stride + panel * 16
        let count = unsafe max(0, min(16, y.columns - panel * 16))
        var sum = unsafe y.adds != 0 ? VectorMath.load(target, count) : Lanes(repeating: 0)
        if let bias = unsafe y.bias { sum += unsafe VectorMath.load(bias + panel * 16, count) }
        for group in unsafe 0..<weights.groups {
          let position = unsafe Int(x.starts[token]) + group / x.run_groups * x.run_stride + group % x.run_groups
          let base = unsafe weights.values + (panel * weights.groups + group) * 1024
          var integers = SIMD16<Int32>(repeating: 0)
          for k in 0..<64 {
            let value = unsafe Int32(x.values[position * 64 + k])
            for row in 0..<16 {
              integers[row] &+= unsafe Int32(base[k / 2 * 32 + row * 2 + k % 2]) &* value
            }
          }
          let scale = unsafe UnsafeRawPointer(weights.scales + (panel * weights.groups + group) * 16)
            .loadUnaligned(as: Lanes.self)
          sum = unsafe sum.addingProduct(Lanes(integers), scale * x.scales[position])
        }
        unsafe VectorMath.store(sum, target, count)
      }
    }
  }
}
