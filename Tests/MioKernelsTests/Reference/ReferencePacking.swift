import MioKernels

/// Weights to panels: the definition that the packers repeat bit by bit. Lanes are the rows of a panel.
enum ReferencePacking {
  /// Packs up to 16 rows of `columns` floats each, one after the other, into one panel of zeros.
  static func pack(
    _ rows: UnsafeBufferPointer<Float>, columns: Int, format: WeightFormat, into panel: UnsafeMutableRawPointer
  ) {
    let groups = (columns + 31) / 32
    for group in 0..<groups {
      let x = unsafe load(rows, columns: columns, group: group)
      let bytes = unsafe panel + group * format.groupByteCount
      let scales = unsafe panel + groups * format.groupByteCount + group * 32
      switch format {
      case .f32:
        for k in 0..<min(32, columns - group * 32) {
          unsafe (panel + (group * 32 + k) * 64).storeBytes(of: x[k], as: Lanes.self)
        }
      case .f16: for k in 0..<min(32, columns - group * 32) { unsafe store(halves(x[k]), at: panel + (group * 32 + k) * 32) }
      case .q8: unsafe store(packQ8(x, into: bytes), at: scales)
      case .q4: unsafe store(packQ4(x, into: bytes), at: scales)
      }
    }
  }

  /// The 32 columns of a group; missing rows and columns are 0.
  private static func load(_ rows: UnsafeBufferPointer<Float>, columns: Int, group: Int) -> [Lanes] {
    (0..<32).map { k in
      var column = Lanes(repeating: 0)
      guard group * 32 + k < columns else { return column }
      for row in 0..<rows.count / columns { column[row] = unsafe rows[row * columns + group * 32 + k] }
      return column
    }
  }

  /// Multiples of half(max |x| / 127), rounded to nearest even. Returns the scales.
  private static func packQ8(_ x: [Lanes], into group: UnsafeMutableRawPointer) -> SIMD16<UInt16> {
    let scale = halves(peak(x) / 127)
    let factor = reciprocal(floats(scale), least: 0)
    for k in 0..<32 {
      let shifted = unsafe unsafeBitCast(x[k] * factor + 12_582_912, to: SIMD16<Int32>.self)
      let quantum = pointwiseMin(pointwiseMax(shifted &- 0x4B40_0000, -127 &* SIMD16(repeating: 1)), SIMD16(repeating: 127))
      for row in 0..<16 {
        unsafe (group + k / 4 * 64 + row * 4 + k % 4).storeBytes(of: Int8(truncatingIfNeeded: quantum[row]), as: Int8.self)
      }
    }
    return scale
  }

  /// Nearest levels at the best scale. Returns the scales.
  private static func packQ4(_ x: [Lanes], into group: UnsafeMutableRawPointer) -> SIMD16<UInt16> {
    let scale = halves(bestScale(x))
    let factor = reciprocal(floats(scale), least: 0)
    for k in 0..<16 {
      let (low, high) = (nearestIndex(x[k] * factor), nearestIndex(x[k + 16] * factor))
      for row in 0..<16 {
        unsafe (group + k / 4 * 64 + row * 4 + k % 4).storeBytes(of: low[row] | high[row] << 4, as: UInt8.self)
      }
    }
    return scale
  }

  /// The scale of least squared error among those that fit 24 trial assignments of levels.
  ///
  /// A trial lays the largest magnitude on ±50, 52.5 … 77.5 and takes the nearest levels q. With a = Σ u q and b = Σ q²
  /// the best scale for that assignment is a / b, and it leaves the squared error Σ u² - a² / b.
  private static func bestScale(_ x: [Lanes]) -> Lanes {
    let peak = peak(x)
    let inverse = reciprocal(peak, least: 1e-30)
    var (best, scale) = (Lanes(repeating: 0), Lanes(repeating: 0))
    for trial in 0..<24 {
      let extent = (50 + 2.5 * Float(trial / 2)) * (trial % 2 == 0 ? 1 : -1)
      var (a, b) = (Lanes(repeating: 0), Lanes(repeating: 0))
      for k in 0..<32 {
        let u = x[k] * inverse
        let q = nearestLevel(u * extent)
        a += u * q
        b += q * q
      }
      let score = a * a / b
      let better = score .> best
      best.replace(with: score, where: better)
      scale.replace(with: a / b, where: better)
    }
    return peak * scale
  }

  /// The level nearest to v; the upper one only beyond the middle.
  private static func nearestLevel(_ v: Lanes) -> Lanes {
    var level = Lanes(repeating: Float(WeightFormat.q4Levels[0]))
    for index in 1..<16 {
      level.replace(with: Float(WeightFormat.q4Levels[index]), where: v .> middles[index - 1])
    }
    return level
  }

  private static func nearestIndex(_ v: Lanes) -> SIMD16<UInt8> {
    var result = SIMD16<UInt8>(repeating: 0)
    for index in 1..<16 {
      for row in 0..<16 where v[row] > middles[index - 1] { result[row] = UInt8(index) }
    }
    return result
  }

  /// Halfway between neighbouring levels.
  private static let middles = (0..<15).map { Float(WeightFormat.q4Levels[$0] + WeightFormat.q4Levels[$0 + 1]) / 2 }

  private static func peak(_ x: [Lanes]) -> Lanes {
    var peak = SIMD16<UInt32>(repeating: 0)
    for column in x { peak = unsafe pointwiseMax(peak, unsafeBitCast(column, to: SIMD16<UInt32>.self) & 0x7FFF_FFFF) }
    return unsafe unsafeBitCast(peak, to: Lanes.self)
  }

  /// 1 / x, or 0 where x <= least; x is not negative in q8, of either sign in q4.
  private static func reciprocal(_ x: Lanes, least: Float) -> Lanes {
    let magnitude = x.replacing(with: 0 - x, where: x .< 0)
    return Lanes(repeating: 0).replacing(with: 1 / x, where: magnitude .> least)
  }

  private static func halves(_ x: Lanes) -> SIMD16<UInt16> {
    var result = SIMD16<UInt16>(repeating: 0)
    for lane in 0..<16 { result[lane] = HalfFloat.bits(x[lane]) }
    return result
  }

  private static func floats(_ halves: SIMD16<UInt16>) -> Lanes {
    var result = Lanes(repeating: 0)
    for lane in 0..<16 { result[lane] = HalfFloat.float(halves[lane]) }
    return result
  }

  private static func store(_ halves: SIMD16<UInt16>, at target: UnsafeMutableRawPointer) {
    unsafe target.storeBytes(of: halves, as: SIMD16<UInt16>.self)
  }
}
