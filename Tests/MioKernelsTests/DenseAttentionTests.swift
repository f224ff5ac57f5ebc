import Foundation
import MioKernels
import Testing

@Suite struct DenseAttentionTests {
  /// One case: queries, keys, heads, width of a head.
  struct Shape: CustomTestStringConvertible {
    let queries: Int, keys: Int, heads: Int, width: Int
    var isCausal = false
    var batch = 1
    var testDescription: String {
      "\(queries) queries, \(keys) keys, \(heads) x \(width)\(isCausal ? ", causal" : ""), batch \(batch)"
    }
  }

  static let shapes = [
    Shape(queries: 1, keys: 1, heads: 1, width: 1), Shape(queries: 3, keys: 17, heads: 2, width: 5),
    Shape(queries: 257, keys: 257, heads: 2, width: 88), Shape(queries: 97, keys: 77, heads: 2, width: 64),
    Shape(queries: 100, keys: 700, heads: 1, width: 40),
    Shape(queries: 32, keys: 32, heads: 2, width: 64, isCausal: true),
    Shape(queries: 600, keys: 600, heads: 1, width: 16, isCausal: true),
    Shape(queries: 50, keys: 33, heads: 3, width: 8, batch: 2), Shape(queries: 5, keys: 300, heads: 1, width: 512),
  ]

  /// The formula in double precision.
  private func expected(_ shape: Shape, _ q: [Float], _ k: [Float], _ v: [Float]) -> [Float] {
    let width = shape.heads * shape.width
    var y = [Float](repeating: 0, count: shape.batch * shape.queries * width)
    for row in 0..<(shape.batch * shape.queries) {
      let (entry, t) = (row / shape.queries, row % shape.queries)
      for head in 0..<shape.heads {
        let first = head * shape.width
        let visible = shape.isCausal ? t + 1 : shape.keys
        let scores = (0..<visible).map { p in
          (0..<shape.width).reduce(0.0) { sum, d in
            sum + Double(q[row * width + first + d]) * Double(k[(entry * shape.keys + p) * width + first + d])
          } / Double(shape.width).squareRoot()
        }
        let peak = scores.max() ?? 0
        let weights = scores.map { exp($0 - peak) }
        let total = weights.reduce(0, +)
        for d in 0..<shape.width {
          let sum = (0..<visible).reduce(0.0) { sum, p in
            sum + weights[p] * Double(v[(entry * shape.keys + p) * width + first + d])
          }
          y[row * width + first + d] = Float(sum / total)
        }
      }
    }
    return y
  }

  private func operands(_ shape: Shape) -> (q: [Float], k: [Float], v: [Float]) {
    var generator = TestGenerator(seed: 5)
    let width = shape.heads * shape.width
    let (queries, keys) = (shape.batch * shape.queries * width, shape.batch * shape.keys * width)
    return (generator.gaussians(queries, scale: 2), generator.gaussians(keys, scale: 2), generator.gaussians(keys))
  }

  private func attend(_ shape: Shape, isFixedPoint: Bool = false, on context: KernelContext) -> [Float] {
    let (q, k, v) = operands(shape)
    let width = shape.heads * shape.width
    let attention = DenseAttention(
      headCount: shape.heads, headWidth: shape.width, isCausal: shape.isCausal, isFixedPoint: isFixedPoint)
    var y = Activations(rows: shape.batch * shape.queries, columns: width)
    attention.forward(
      queries: Activations(rows: shape.batch * shape.queries, columns: width, values: q),
      keys: Activations(rows: shape.batch * shape.keys, columns: width, values: k),
      values: Activations(rows: shape.batch * shape.keys, columns: width, values: v), batch: shape.batch, into: &y,
      on: context)
    return y.values
  }

  /// Rounding of scores of some 20 (2e-6 each) moves the weights by as much, relatively; measured 4e-6.
  @Test(arguments: shapes) func `agrees with the formula in double precision`(shape: Shape) {
    let (q, k, v) = operands(shape)
    let difference = zip(attend(shape, on: KernelContext(threads: 2)), expected(shape, q, k, v)).reduce(0) {
      max($0, ($1.0 - $1.1).magnitude)
    }
    #expect(difference < 2e-5, "\(difference)")
  }

  /// Scores of some 20 are rounded to some 1e-3 of their operands' products.
  @Test(arguments: shapes) func `agrees with the formula in fixed point, too`(shape: Shape) {
    let (q, k, v) = operands(shape)
    let values = attend(shape, isFixedPoint: true, on: KernelContext(threads: 2))
    let difference = zip(values, expected(shape, q, k, v)).reduce(0) { max($0, ($1.0 - $1.1).magnitude) }
    #expect(difference < 2e-2, "\(difference)")
  }

  @Test(arguments: shapes, [false, true])
  func `gives the same bits on every variant and number of threads`(shape: Shape, isFixedPoint: Bool) {
    let definition = KernelContext(threads: 1, variant: .reference)
    let reference = attend(shape, isFixedPoint: isFixedPoint, on: definition)
    for variant in KernelVariant.available {
      let context = KernelContext(threads: 3, variant: variant)
      #expect(attend(shape, isFixedPoint: isFixedPoint, on: context) == reference, "\(variant)")
    }
  }

  @Test func `reads queries, keys and values side by side in one buffer`() {
    let shape = Shape(queries: 40, keys: 40, heads: 2, width: 24)
    let (q, k, v) = operands(shape)
    let rows = (0..<40).flatMap { row in [q, k, v].flatMap { $0[(row * 48)..<((row + 1) * 48)] } }
    let fused = Activations(rows: 40, columns: 144, values: rows)
    var y = Activations(rows: 40, columns: 48)
    let context = KernelContext(threads: 2)
    DenseAttention(headCount: 2, headWidth: 24).forward(
      queries: fused, keys: fused, values: fused, columns: .init(query: 0, key: 48, value: 96), into: &y, on: context)
    #expect(y.values == attend(shape, on: context))
  }
}
