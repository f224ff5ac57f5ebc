import MioKernels
import Testing

/// Every instruction-set variant of this machine against the definition, bit by bit.
@Suite struct KernelVariantTests {
  static let variants = KernelVariant.available
  static let rowCounts = [1, 15, 16, 17, 33, 64, 100]
  static let columnCounts = [1, 5, 31, 32, 33, 64, 96, 160, 200, 300]
  static let tokenCounts = [1, 2, 3, 4, 5, 6, 7, 8, 12, 13, 17, 64, 70]

  enum Pattern: CaseIterable {
    case gaussian, zeros, extremes, sparse

    func values(_ count: Int, _ random: inout TestGenerator) -> [Float] {
      switch self {
      case .gaussian: random.gaussians(count)
      case .zeros: [Float](repeating: 0, count: count)
      // Largest magnitudes of both signs, so that integer sums reach their limits.
      case .extremes: (0..<count).map { _ in Bool.random(using: &random) ? 60000 : -60000 }
      case .sparse: random.gaussians(count).enumerated().map { $0.offset % 37 == 0 ? $0.element * 1e-3 : 0 }
      }
    }
  }

  @Test(arguments: WeightFormat.allCases, Pattern.allCases)
  func `equals the definition bit by bit`(format: WeightFormat, pattern: Pattern) {
    var random = TestGenerator(seed: 11)
    let reference = KernelContext(threads: 1, variant: KernelVariant.reference)
    let contexts = Self.variants.map { KernelContext(threads: 2, variant: $0) }
    for rows in Self.rowCounts {
      for columns in Self.columnCounts {
        let matrix = packed(pattern.values(rows * columns, &random), rows: rows, columns: columns, format)
        for tokens in Self.tokenCounts where rows < 50 || tokens < 8 {
          let x = Activations(rows: tokens, columns: columns, values: pattern.values(tokens * columns, &random))
          var expected = Activations(rows: tokens, columns: rows)
          matrix.apply(x, into: &expected, on: reference)
          for context in contexts {
            var y = Activations(rows: tokens, columns: rows)
            matrix.apply(x, into: &y, on: context)
            #expect(y.values == expected.values, "\(context.variant), \(rows) x \(columns), \(tokens) tokens")
          }
        }
      }
    }
  }

  @Test(arguments: [WeightFormat.q8, .q4])
  func `gives the same bits however weights are read`(format: WeightFormat) {
    var random = TestGenerator(seed: 12)
    let streamings = [1, 2, 4].flatMap { panels in
      [(0, false), (3, true), (12, false), (64, true)].map {
        WeightStreaming(panels: panels, groupsAhead: $0.0, isPastCaches: $0.1)
      }
    }
    for (rows, columns) in [(16, 32), (100, 160), (336, 1024)] {
      let matrix = packed(random.gaussians(rows * columns), rows: rows, columns: columns, format)
      for tokens in [1, 2, 3, 4, 5, 8, 9, 70] {
        let x = Activations(rows: tokens, columns: columns, values: random.gaussians(tokens * columns))
        var expected = Activations(rows: tokens, columns: rows)
        matrix.apply(x, into: &expected, on: KernelContext(threads: 1, variant: KernelVariant.reference))
        for variant in Self.variants {
          for streaming in streamings {
            var y = Activations(rows: tokens, columns: rows)
            matrix.apply(x, into: &y, on: KernelContext(threads: 2, variant: variant, streaming: streaming))
            #expect(y.values == expected.values, "\(variant), \(streaming), \(rows) x \(columns), \(tokens) tokens")
          }
        }
      }
    }
  }

  @Test func `reads how weights are to be read, and refuses anything else`() {
    for text in ["1:0", "2:12", "4:64:nta"] { #expect(WeightStreaming(parsing: text)?.description == text) }
    for text in ["", "2", "3:12", "2:65", "2:-1", "2:12:t0", "2:12:nta:", ":12", "99999999999999999999:1"] {
      #expect(WeightStreaming(parsing: text) == nil, "\(text)")
    }
  }

  @Test(arguments: variants)
  func `does not trap on infinities and shows them in the result`(variant: KernelVariant) {
    let context = KernelContext(threads: 1, variant: variant)
    for format in WeightFormat.allCases {
      let matrix = packed([Float](repeating: 1, count: 16 * 64), rows: 16, columns: 64, format)
      for bad in [Float.infinity, .nan] {
        var values = [Float](repeating: 1, count: 64)
        values[5] = bad
        var y = Activations(rows: 1, columns: 16)
        matrix.apply(Activations(rows: 1, columns: 64, values: values), into: &y, on: context)
        #expect(y.values.allSatisfy { !$0.isFinite }, "\(format)")
      }
    }
  }

  @Test(arguments: variants, Pattern.allCases)
  func `packs to the same bytes`(variant: KernelVariant, pattern: Pattern) {
    var random = TestGenerator(seed: 12)
    func bytes(_ values: [Float], _ rows: Int, _ columns: Int, _ format: WeightFormat, _ variant: KernelVariant) -> [UInt8] {
      var bytes = [UInt8](repeating: 0xAA, count: format.byteCount(rows: rows, columns: columns))
      unsafe values.withUnsafeBufferPointer { values in
        unsafe bytes.withUnsafeMutableBytes {
          unsafe PackedMatrix.pack(values, rows: rows, columns: columns, format: format, into: $0, variant: variant)
        }
      }
      return bytes
    }
    for format in WeightFormat.allCases {
      for (rows, columns) in [(1, 1), (15, 33), (16, 64), (33, 200), (40, 96)] {
        let values = pattern.values(rows * columns, &random)
        let expected = bytes(values, rows, columns, format, KernelVariant.reference)
        #expect(bytes(values, rows, columns, format, variant) == expected, "\(format), \(rows) x \(columns)")
      }
    }
  }

  /// The packers look up between which thresholds a weight lies; here weights lie on them and a few steps of a float beside.
  @Test(arguments: variants)
  func `packs weights at the borders of levels to the same bytes`(variant: KernelVariant) {
    let middles = zip(WeightFormat.q4Levels, WeightFormat.q4Levels.dropFirst()).map { (Float($0) + Float($1)) / 2 }
    let extents = (0..<12).map { 50 + 2.5 * Float($0) }
    let borders = middles.flatMap { middle in extents.map { middle / $0 } }.filter { abs($0) < 1 }
    for (peak, steps) in [(Float(1), -2...2), (-1, -1...1), (0.37, -1...1)] {
      for step in steps {
        let weights = borders.map { border in
          peak * Float(bitPattern: UInt32(Int(border.bitPattern) + step)) * (step % 2 == 0 ? 1 : -1)
        }
        // Groups of the largest magnitude and 31 borders.
        let rows = stride(from: 0, to: weights.count, by: 31).map { start in
          let group = [peak] + weights[start..<min(weights.count, start + 31)]
          return group + Array(repeating: 0, count: 32 - group.count)
        }
        let values = rows.flatMap { $0 }
        func bytes(_ variant: KernelVariant) -> [UInt8] {
          var bytes = [UInt8](repeating: 0, count: WeightFormat.q4.byteCount(rows: rows.count, columns: 32))
          unsafe values.withUnsafeBufferPointer { values in
            unsafe bytes.withUnsafeMutableBytes {
              unsafe PackedMatrix.pack(
                values, rows: rows.count, columns: 32, format: .q4, into: $0, variant: variant)
            }
          }
          return bytes
        }
        #expect(bytes(variant) == bytes(.reference), "peak \(peak), step \(step)")
      }
    }
  }

  /// Every row function, by name.
  enum RowFunction: CaseIterable {
    case elu, silu, sigmoid, tanh, gelu, softmax, swiglu, snake, rmsNormalize, lstmStep

    /// Applies the function to [3, width] numbers; `other` has four times the columns.
    func apply(_ x: [Float], _ other: [Float], width: Int, on context: KernelContext) -> [Float] {
      var x = Activations(rows: 3, columns: width, values: x)
      let vector = WeightVector(other[..<width].map { abs($0) })
      switch self {
      case .elu: x.elu(on: context)
      case .silu: x.silu(on: context)
      case .sigmoid: x.sigmoid(on: context)
      case .tanh: x.tanh(on: context)
      case .gelu: x.gelu(on: context)
      case .softmax: x.softmaxRows(on: context)
      case .swiglu:
        x.swiglu(gatedBy: Activations(rows: 3, columns: width, values: Array(other[..<(3 * width)])), on: context)
      case .snake: x.snake(alpha: vector, on: context)
      case .rmsNormalize: x.rmsNormalize(weight: vector, epsilon: 1e-5, on: context)
      case .lstmStep:
        var cell = Activations(rows: 3, columns: width, values: x.values)
        x.lstmStep(gates: Activations(rows: 3, columns: 4 * width, values: other), cell: &cell, on: context)
        return x.values + cell.values
      }
      return x.values
    }
  }

  @Test(arguments: RowFunction.allCases)
  func `row functions equal their definition bit by bit at every tail length`(function: RowFunction) {
    var random = TestGenerator(seed: 13)
    let reference = KernelContext(threads: 1, variant: KernelVariant.reference)
    for width in [1, 2, 15, 16, 17, 31, 100, 9000] {
      var (x, other) = (random.gaussians(3 * width, scale: 3), random.gaussians(12 * width, scale: 2))
      x.replaceSubrange(0..<1, with: [width % 2 == 0 ? 100 : -100])
      other[0] = 0
      let expected = function.apply(x, other, width: width, on: reference).map(\.bitPattern)
      for variant in Self.variants {
        let values = function.apply(x, other, width: width, on: KernelContext(threads: 2, variant: variant))
        #expect(values.map(\.bitPattern) == expected, "\(variant), width \(width)")
      }
    }
  }
}
