import MioKernels

/// Chooses codes and scales of one group of 32 columns for 16 rows at a time, with error feedback inside the group.
///
/// Rounding column k leaves an error e; what it does to the outputs is undone, as far as possible, by changing the columns
/// after it by -e U[k, j] / U[k, k], where the inverse of the Hessian is Uᵀ U. The loss of a scale is the sum of
/// (e / U[k, k])² over the group, which is its share of the squared error of the outputs.
///
/// Frantar et al. 2023, "GPTQ", arXiv:2210.17323; here the scale is searched with the feedback running.
struct GroupSearch {
  typealias Lanes = SIMD16<Float>
  static let length = WeightFormat.groupLength

  /// What was chosen for 16 rows.
  struct Choice {
    /// 16-bit floats.
    var scales = SIMD16<UInt16>(repeating: 0)
    /// Index of the level of each column.
    var codes: [SIMD16<UInt8>] = Array(repeating: SIMD16(repeating: 0), count: GroupSearch.length)
    /// What each column stands for.
    var values: [Lanes] = Array(repeating: Lanes(repeating: 0), count: GroupSearch.length)
    /// e / U[k, k] of each column.
    var errors: [Lanes] = Array(repeating: Lanes(repeating: 0), count: GroupSearch.length)
  }

  /// Rows of U of the group, [32, 32], and 1 / U[k, k].
  private let triangle: [Float]
  private let inverses: [Float]

  init(triangle: [Float]) {
    self.triangle = triangle
    inverses = (0..<Self.length).map { 1 / triangle[$0 * Self.length + $0] }
  }

  /// - Parameter columns: the 32 columns, feedback of all groups before applied.
  func choose(_ columns: [Lanes]) -> Choice {
    var peak = Lanes(repeating: 0)
    for column in columns { peak = pointwiseMax(peak, column.replacing(with: 0 - column, where: column .< 0)) }
    var best = Lanes(repeating: 0)
    var least = Lanes(repeating: .infinity)
    func attempt(_ scale: Lanes) {
      let scale = Self.rounded(scale)
      let loss = loss(columns, scale)
      let better = loss .< least
      best.replace(with: scale, where: better)
      least.replace(with: loss, where: better)
    }
    // The largest magnitude is laid on ±50, 52.5 ... 77.5, then the neighbourhood of the best is looked through.
    for trial in 0..<24 {
      let extent = (50 + 2.5 * Float(trial / 2)) * (trial % 2 == 0 ? 1 : -1)
      attempt(peak / extent)
    }
    // Weights that were trained with their 4 bits lie on levels already, the largest on one of the outer ones (55 was tried).
    for extent in [Float(64), -64, 51, -51, 42, -42, 40, -40] { attempt(peak / extent) }
    for step in [Float(0.02), 0.01, 0.005] {
      let middle = best
      attempt(middle * (1 - step))
      attempt(middle * (1 + step))
    }
    return choice(columns, best)
  }

  private static func rounded(_ scale: Lanes) -> Lanes {
    var result = scale
    for lane in 0..<16 { result[lane] = HalfFloat.float(HalfFloat.bits(scale[lane])) }
    return result
  }

  private static func reciprocal(_ scale: Lanes) -> Lanes {
    (1 / scale).replacing(with: 0, where: scale .== 0)
  }

  private func loss(_ columns: [Lanes], _ scale: Lanes) -> Lanes {
    let factor = Self.reciprocal(scale)
    var sum = Lanes(repeating: 0)
    return unsafe withUnsafeTemporaryAllocation(of: Lanes.self, capacity: Self.length) { x in
      for k in 0..<Self.length { unsafe x[k] = columns[k] }
      unsafe triangle.withUnsafeBufferPointer { triangle in
        for k in 0..<Self.length {
          let value = unsafe x[k]
          let error = (value - Self.nearest(value * factor) * scale) * inverses[k]
          sum += error * error
          for j in k + 1..<max(k + 1, Self.length) { unsafe x[j] -= error * triangle[k * Self.length + j] }
        }
      }
      return sum
    }
  }

  private func choice(_ columns: [Lanes], _ scale: Lanes) -> Choice {
    let factor = Self.reciprocal(scale)
    var x = columns
    var choice = Choice()
    for lane in 0..<16 { choice.scales[lane] = HalfFloat.bits(scale[lane]) }
    for k in 0..<Self.length {
      let level = Self.nearest(x[k] * factor)
      for lane in 0..<16 { choice.codes[k][lane] = Self.indexes[Int(level[lane]) + 64] }
      choice.values[k] = level * scale
      choice.errors[k] = (x[k] - choice.values[k]) * inverses[k]
      for j in k + 1..<max(k + 1, Self.length) { x[j] -= choice.errors[k] * triangle[k * Self.length + j] }
    }
    return choice
  }

  /// The level nearest to v; the upper one only beyond the middle, as the packer does it.
  @inline(__always)
  private static func nearest(_ v: Lanes) -> Lanes {
    var level = Lanes(repeating: -64)
    level.replace(with: -51, where: v .> -57.5)
    level.replace(with: -40, where: v .> -45.5)
    level.replace(with: -32, where: v .> -36)
    level.replace(with: -24, where: v .> -28)
    level.replace(with: -17, where: v .> -20.5)
    level.replace(with: -11, where: v .> -14)
    level.replace(with: -5, where: v .> -8)
    level.replace(with: 0, where: v .> -2.5)
    level.replace(with: 6, where: v .> 3)
    level.replace(with: 12, where: v .> 9)
    level.replace(with: 18, where: v .> 15)
    level.replace(with: 25, where: v .> 21.5)
    level.replace(with: 33, where: v .> 29)
    level.replace(with: 42, where: v .> 37.5)
    level.replace(with: 55, where: v .> 48.5)
    return level
  }

  /// The index of the level -64 + i, where there is one.
  private static let indexes: [UInt8] = {
    var indexes = [UInt8](repeating: 0, count: 120)
    for (index, level) in WeightFormat.q4Levels.enumerated() { indexes[Int(level) + 64] = UInt8(index) }
    return indexes
  }()
}
