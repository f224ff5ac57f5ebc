import MioKernels
import Testing

@Suite struct PackedMatrixTests {
  static let rowCounts = [1, 15, 16, 17, 33]
  static let columnCounts = [1, 7, 31, 32, 33, 64, 96, 160, 200]
  static let tokenCounts = [1, 2, 3, 5, 8, 17, 70]

  /// Half a unit in the last place of what a format keeps, relative to the largest magnitude of a group.
  static func roundTripBound(_ format: WeightFormat) -> Float {
    switch format {
    case .f32: 0
    case .f16: 0x1p-11
    // Half a step of 1/127, and the scale rounded to 11 bits.
    case .q8: 0.5 / 127 + 0x1p-11
    // The scale of least squared error may clip the largest value: 78 against the last value, 55, with room for the refit.
    case .q4: 0.35
    }
  }

  @Test(arguments: WeightFormat.allCases, rowCounts)
  func `returns every element as it was packed`(format: WeightFormat, rows: Int) {
    var random = TestGenerator(seed: UInt64(rows))
    for columns in Self.columnCounts {
      let values = random.gaussians(rows * columns)
      let matrix = packed(values, rows: rows, columns: columns, format)
      for row in 0..<rows {
        let original = Array(values[row * columns..<(row + 1) * columns])
        for (index, pair) in zip(matrix.row(row), original).enumerated() {
          let group = original[index / 32 * 32..<min(columns, index / 32 * 32 + 32)]
          let peak = group.map(abs).max() ?? 0
          #expect(abs(pair.0 - pair.1) <= Self.roundTripBound(format) * peak, "row \(row), column \(index)")
        }
      }
    }
  }

  /// Relative to Σ |w x|: float rounding of each product and sum, or half a step of the activations' 8 bits.
  static func productBound(_ format: WeightFormat, columns: Int) -> Float {
    switch format {
    case .f32, .f16: Float(columns) * 0x1p-24
    case .q8, .q4: 0.5 / 127 + 0x1p-20
    }
  }

  @Test(arguments: WeightFormat.allCases, rowCounts)
  func `agrees with a product in double precision`(format: WeightFormat, rows: Int) {
    var random = TestGenerator(seed: UInt64(100 + rows))
    let context = KernelContext(threads: 2)
    for columns in Self.columnCounts {
      let matrix = packed(random.gaussians(rows * columns), rows: rows, columns: columns, format)
      let weights = (0..<rows).map { matrix.row($0) }
      for tokens in Self.tokenCounts {
        let values = random.gaussians(tokens * columns)
        let x = Activations(rows: tokens, columns: columns, values: values)
        var y = Activations(rows: tokens, columns: rows)
        matrix.apply(x, into: &y, on: context)
        for t in 0..<tokens {
          for r in 0..<rows {
            var (sum, allowance) = (0.0, 0.0)
            for start in stride(from: 0, to: columns, by: 32) {
              let group = start..<min(start + 32, columns)
              let peak = group.map { abs(values[t * columns + $0]) }.max() ?? 0
              for k in group {
                sum += Double(weights[r][k]) * Double(values[t * columns + k])
                let size = format == .f32 || format == .f16 ? abs(values[t * columns + k]) : peak
                allowance += Double(abs(weights[r][k]) * size)
              }
            }
            #expect(abs(Double(y[t, r]) - sum) <= allowance * Double(Self.productBound(format, columns: columns)))
          }
        }
      }
    }
  }

  @Test(arguments: WeightFormat.allCases)
  func `gives a row the same bits in any batch and on any number of threads`(format: WeightFormat) {
    var random = TestGenerator(seed: 7)
    let (rows, columns, tokens) = (100, 96, 130)
    let matrix = packed(random.gaussians(rows * columns), rows: rows, columns: columns, format)
    let values = random.gaussians(tokens * columns)
    var whole = Activations(rows: tokens, columns: rows)
    matrix.apply(Activations(rows: tokens, columns: columns, values: values), into: &whole, on: KernelContext(threads: 1))
    for threads in [1, 2, 3, 8] {
      let context = KernelContext(threads: threads)
      var y = Activations(rows: tokens, columns: rows)
      matrix.apply(Activations(rows: tokens, columns: columns, values: values), into: &y, on: context)
      #expect(y.values == whole.values)
      for count in [1, 2, 3, 4, 5, 6, 7, 9, 12, 16, 63] {
        var part = Activations(rows: count, columns: rows)
        let x = Activations(rows: count, columns: columns, values: Array(values[columns..<(count + 1) * columns]))
        matrix.apply(x, into: &part, on: context)
        #expect(part.values == Array(whole.values[rows..<(count + 1) * rows]))
      }
    }
  }

  @Test(arguments: WeightFormat.allCases)
  func `multiplies overlapping windows as it multiplies copied rows`(format: WeightFormat) {
    var random = TestGenerator(seed: 8)
    let (rows, columns, stride, count) = (20, 70, 10, 19)
    let matrix = packed(random.gaussians(rows * columns), rows: rows, columns: columns, format)
    let x = Activations(rows: 1, columns: 250, values: random.gaussians(250))
    let copies = (0..<count).flatMap { Array(x.values[$0 * stride..<$0 * stride + columns]) }
    let context = KernelContext(threads: 2)
    var windows = Activations(rows: count, columns: rows)
    var expected = Activations(rows: count, columns: rows)
    matrix.apply(windowsOf: x, stride: stride, count: count, into: &windows, on: context)
    matrix.apply(Activations(rows: count, columns: columns, values: copies), into: &expected, on: context)
    #expect(windows.values == expected.values)
  }

  @Test(arguments: WeightFormat.allCases)
  func `computes the asked rows and leaves distant ones alone`(format: WeightFormat) {
    var random = TestGenerator(seed: 9)
    let (rows, columns) = (130, 64)
    let matrix = packed(random.gaussians(rows * columns), rows: rows, columns: columns, format)
    let x = Activations(rows: 3, columns: columns, values: random.gaussians(3 * columns))
    let context = KernelContext(threads: 2)
    var all = Activations(rows: 3, columns: rows)
    var some = Activations(rows: 3, columns: rows)
    some.fill(-1)
    matrix.apply(x, into: &all, on: context)
    matrix.apply(x, rows: [100..<130, 18..<20, 3..<3, 19..<35], into: &some, on: context)
    for t in 0..<3 {
      for r in 0..<rows {
        let computed = (16..<48).contains(r) || r >= 96
        #expect(some[t, r] == (computed ? all[t, r] : -1))
      }
    }
  }

  @Test(arguments: WeightFormat.allCases)
  func `keeps zeros, and extremes without overflow`(format: WeightFormat) {
    let context = KernelContext(threads: 1)
    let zero = packed([Float](repeating: 0, count: 17 * 64), rows: 17, columns: 64, format)
    var y = Activations(rows: 2, columns: 17)
    zero.apply(Activations(rows: 2, columns: 64, values: [Float](repeating: 3e30, count: 128)), into: &y, on: context)
    #expect(y.values.allSatisfy { $0 == 0 })
    let large = packed((0..<17 * 64).map { $0 % 2 == 0 ? 1000 : -1000 }, rows: 17, columns: 64, format)
    large.apply(
      Activations(rows: 2, columns: 64, values: (0..<128).map { $0 % 2 == 0 ? 1e6 : -1e6 }), into: &y, on: context)
    #expect(y.values.allSatisfy { abs($0 - 6.4e10) < 6.4e10 * Self.roundTripBound(format) + 1e6 })
    large.apply(Activations(rows: 2, columns: 64), into: &y, on: context)
    #expect(y.values.allSatisfy { $0 == 0 })
  }
}
