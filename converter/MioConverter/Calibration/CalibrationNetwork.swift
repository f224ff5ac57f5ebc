import Foundation
import MioKernels

/// What the language model computes between its matrices, in 32-bit floats, for many sequences at once.
///
/// The same as `LanguageModel` computes; here every matrix comes and goes, so that only one is in memory at a time.
struct CalibrationNetwork {
  let width: Int  // E
  let innerWidth: Int  // F
  let headCount: Int  // H
  let kvHeadCount: Int  // K
  let headWidth: Int  // D
  let normEpsilon: Float
  let ropeTheta: Double
  let library: OpenBLAS
  let pool: WorkerPool
  /// Rows of each sequence in the matrices of activations.
  let sequences: [Range<Int>]

  /// Rows that one task multiplies; fixed, so that results do not depend on the number of threads.
  private static let rowsPerTask = 256
  private static let columnsPerTask = 512

  /// y [N, rows] = x [N, columns] wᵀ, added to what is there if asked for.
  func multiply(_ x: FloatMatrix, _ w: FloatMatrix, into y: FloatMatrix, adding: Bool = false) {
    pool.run(tasks: (x.rows + Self.rowsPerTask - 1) / Self.rowsPerTask) { task in
      let first = task * Self.rowsPerTask
      unsafe library.multiply(
        min(Self.rowsPerTask, x.rows - first), w.rows, w.columns, 1, x.row(first), x.columns, w.base, w.columns,
        bIsTransposed: true, adding ? 1 : 0, y.row(first), y.columns)
    }
  }

  /// Σ x xᵀ over all rows [columns, columns].
  func hessian(of x: FloatMatrix) -> FloatMatrix {
    let result = FloatMatrix(rows: x.columns, columns: x.columns)
    pool.run(tasks: (x.columns + Self.columnsPerTask - 1) / Self.columnsPerTask) { task in
      let first = task * Self.columnsPerTask
      let count = min(Self.columnsPerTask, x.columns - first)
      // The lower part; what lies above follows.
      unsafe library.multiply(
        count, first + count, x.rows, 1, x.base + first, x.columns, aIsTransposed: true, x.base, x.columns, 0,
        result.row(first), x.columns)
    }
    for row in 0..<x.columns {
      for column in row + 1..<max(row + 1, x.columns) { unsafe result.row(row)[column] = result.row(column)[row] }
    }
    return result
  }

  private func forEachRow(_ count: Int, _ body: (Int) -> Void) {
    pool.run(tasks: (count + Self.rowsPerTask - 1) / Self.rowsPerTask) { task in
      for row in task * Self.rowsPerTask..<min(count, (task + 1) * Self.rowsPerTask) { body(row) }
    }
  }

  func normalize(_ x: FloatMatrix, _ weight: [Float], into y: FloatMatrix) {
    forEachRow(x.rows) { row in
      let (source, target) = unsafe (x.row(row), y.row(row))
      var sum: Float = 0
      for column in 0..<x.columns { unsafe sum += source[column] * source[column] }
      let factor = 1 / (sum / Float(x.columns) + normEpsilon).squareRoot()
      for column in 0..<x.columns { unsafe target[column] = source[column] * factor * weight[column] }
    }
  }

  /// Turns queries or keys [N, heads * D] by their positions, first half against second half.
  func rotate(_ x: FloatMatrix) {
    let half = headWidth / 2
    let frequencies = (0..<half).map { 1 / pow(ropeTheta, Double(2 * $0) / Double(headWidth)) }
    pool.run(tasks: sequences.count) { index in
      let range = sequences[index]
      for row in range {
        for k in 0..<half {
          let angle = Double(row - range.lowerBound) * frequencies[k]
          let (cosine, sine) = (Float(cos(angle)), Float(sin(angle)))
          for head in 0..<x.columns / headWidth {
            let pair = unsafe x.row(row) + head * headWidth + k
            let (a, b) = unsafe (pair[0], pair[half])
            unsafe pair[0] = a * cosine - b * sine
            unsafe pair[half] = b * cosine + a * sine
          }
        }
      }
    }
  }

  /// Causal attention of q [N, H D] over k and v [N, K D], within each sequence.
  func attend(_ q: FloatMatrix, _ k: FloatMatrix, _ v: FloatMatrix, into y: FloatMatrix) {
    let (d, share) = (headWidth, headCount / kvHeadCount)
    pool.run(tasks: sequences.count) { index in
      let (first, count) = (sequences[index].lowerBound, sequences[index].count)
      let scores = FloatMatrix(rows: count, columns: count)
      for head in 0..<headCount {
        let (own, shared) = (head * d, head / share * d)
        unsafe library.multiply(
          count, count, d, 1 / Float(d).squareRoot(), q.row(first) + own, q.columns, k.row(first) + shared, k.columns,
          bIsTransposed: true, 0, scores.base, count)
        for row in 0..<count { unsafe Self.softmax(scores.row(row), seen: row + 1, of: count) }
        unsafe library.multiply(
          count, d, count, 1, scores.base, count, v.row(first) + shared, v.columns, 0, y.row(first) + own, y.columns)
      }
    }
  }

  private static func softmax(_ scores: UnsafeMutablePointer<Float>, seen: Int, of count: Int) {
    var peak = -Float.infinity
    for index in 0..<seen { unsafe peak = max(peak, scores[index]) }
    var sum: Float = 0
    for index in 0..<seen {
      unsafe scores[index] = exp(scores[index] - peak)
      unsafe sum += scores[index]
    }
    for index in 0..<seen { unsafe scores[index] /= sum }
    for index in seen..<max(seen, count) { unsafe scores[index] = 0 }
  }

  /// gate = silu(gate) * up
  func gate(_ gate: FloatMatrix, by up: FloatMatrix) {
    forEachRow(gate.rows) { row in
      let (g, u) = unsafe (gate.row(row), up.row(row))
      for column in 0..<gate.columns { unsafe g[column] = g[column] / (1 + exp(-g[column])) * u[column] }
    }
  }
}
