import MioKernels

/// A matrix in q4, chosen so that its outputs, not its weights, have the least squared error.
struct CalibratedMatrix {
  /// The bytes of all panels, as the file holds them.
  let bytes: [UInt8]
  /// What they stand for [rows, columns].
  let values: FloatMatrix

  /// Rows that one task takes through all groups.
  private static let rowsPerTask = 128
  /// Columns whose feedback is applied together.
  private static let blockLength = 128

  /// - Parameters:
  ///   - weights: [rows, columns]
  ///   - factor: see ``HessianFactor``; padded to whole groups.
  init(_ weights: FloatMatrix, _ factor: HessianFactor, _ library: OpenBLAS, _ pool: WorkerPool) {
    let (rows, columns) = (weights.rows, weights.columns)
    let values = FloatMatrix(rows: rows, columns: columns)
    let panelByteCount = WeightFormat.q4.panelByteCount(columns: columns)
    let searches = (0..<factor.groupCount).map { GroupSearch(triangle: factor.triangle($0)) }
    var bytes = [UInt8](repeating: 0, count: WeightFormat.q4.byteCount(rows: rows, columns: columns))
    unsafe bytes.withUnsafeMutableBytes { target in
      nonisolated(unsafe) let target = unsafe target
      pool.run(tasks: (rows + Self.rowsPerTask - 1) / Self.rowsPerTask) { task in
        let range = task * Self.rowsPerTask..<min(rows, (task + 1) * Self.rowsPerTask)
        var part = unsafe Part(
          weights, range, factor, library, values,
          panels: UnsafeMutableRawBufferPointer(rebasing: target[(range.lowerBound / 16 * panelByteCount)...]))
        for block in stride(from: 0, to: factor.size, by: Self.blockLength) {
          part.quantize(block..<min(factor.size, block + Self.blockLength), searches)
        }
      }
    }
    self.bytes = bytes
    self.values = values
  }

  /// Some rows on their way through the groups.
  private struct Part {
    let range: Range<Int>
    let factor: HessianFactor
    let library: OpenBLAS
    let values: FloatMatrix
    let panels: UnsafeMutableRawBufferPointer
    let columns: Int
    /// The rows with columns in the order of the factor, feedback applied as far as it is known.
    let work: FloatMatrix
    let errors: FloatMatrix

    init(
      _ weights: FloatMatrix, _ range: Range<Int>, _ factor: HessianFactor, _ library: OpenBLAS, _ values: FloatMatrix,
      panels: UnsafeMutableRawBufferPointer
    ) {
      self.range = range
      self.factor = factor
      self.library = library
      self.values = values
      unsafe self.panels = panels
      columns = weights.columns
      work = FloatMatrix(rows: (range.count + 15) / 16 * 16, columns: factor.size)
      errors = FloatMatrix(rows: work.rows, columns: CalibratedMatrix.blockLength)
      for row in 0..<range.count {
        let (source, target) = unsafe (weights.row(range.lowerBound + row), work.row(row))
        for place in 0..<factor.size where factor.columns[place] < columns {
          unsafe target[place] = source[factor.columns[place]]
        }
      }
    }

    mutating func quantize(_ block: Range<Int>, _ searches: [GroupSearch]) {
      for group in stride(from: block.lowerBound, to: block.upperBound, by: GroupSearch.length) {
        for first in stride(from: 0, to: work.rows, by: 16) {
          let choice = searches[group / GroupSearch.length].choose(load(first, group))
          store(choice, first, group, errorColumn: group - block.lowerBound)
        }
        feedBack(group..<group + GroupSearch.length, block, into: group + GroupSearch.length..<block.upperBound)
      }
      feedBack(block, block, into: block.upperBound..<factor.size)
    }

    /// Changes later columns by the errors of earlier ones.
    private func feedBack(_ sources: Range<Int>, _ block: Range<Int>, into targets: Range<Int>) {
      unsafe library.multiply(
        work.rows, targets.count, sources.count, -1, errors.base + (sources.lowerBound - block.lowerBound), errors.columns,
        factor.upper.row(sources.lowerBound) + targets.lowerBound, factor.size, 1, work.base + targets.lowerBound,
        work.columns)
    }

    private func load(_ first: Int, _ group: Int) -> [GroupSearch.Lanes] {
      (0..<GroupSearch.length).map { k in
        var lanes = GroupSearch.Lanes(repeating: 0)
        for lane in 0..<16 { unsafe lanes[lane] = work.row(first + lane)[group + k] }
        return lanes
      }
    }

    private func store(_ choice: GroupSearch.Choice, _ first: Int, _ place: Int, errorColumn: Int) {
      let group = factor.columns[place] / GroupSearch.length
      let panel = first / 16 * WeightFormat.q4.panelByteCount(columns: columns)
      let groupCount = WeightFormat.q4.storedColumns(columns) / GroupSearch.length
      for k in 0..<GroupSearch.length {
        let column = group * GroupSearch.length + k
        for lane in 0..<16 {
          unsafe errors.row(first + lane)[errorColumn + k] = choice.errors[k][lane]
          guard first + lane < range.count else { continue }
          if column < columns { unsafe values.row(range.lowerBound + first + lane)[column] = choice.values[k][lane] }
        }
      }
      for k in 0..<16 {
        for lane in 0..<16 {
          let byte = choice.codes[k][lane] | choice.codes[k + 16][lane] << 4
          unsafe panels[panel + group * 256 + k / 4 * 64 + lane * 4 + k % 4] = byte
        }
      }
      for lane in 0..<16 {
        let scale = choice.scales[lane]
        let offset = panel + groupCount * 256 + group * 32 + lane * 2
        unsafe panels[offset] = UInt8(truncatingIfNeeded: scale)
        unsafe panels[offset + 1] = UInt8(scale >> 8)
      }
    }
  }
}

/// The upper triangle U of a Hessian's inverse, Uᵀ U, with the groups of columns in descending order of importance, so that
/// the feedback of what matters finds many columns to go to.
final class HessianFactor: Sendable {
  /// Columns, padded to whole groups.
  let size: Int
  /// The column at each place.
  let columns: [Int]
  let upper: FloatMatrix

  var groupCount: Int { size / GroupSearch.length }

  /// - Parameter hessian: Σ x xᵀ over all tokens [columns, columns].
  /// - Throws: `badWeight` if it holds something that is no number.
  init(_ hessian: FloatMatrix, _ library: OpenBLAS) throws(ConversionError) {
    let count = hessian.columns
    size = WeightFormat.q4.storedColumns(count)
    let diagonal = (0..<size).map { $0 < count ? unsafe Double(hessian.row($0)[$0]) : 0 }
    let mean = max(diagonal.reduce(0, +) / Double(count), 1e-30)
    let weights = (0..<size / 32).map { group in diagonal[group * 32..<(group + 1) * 32].reduce(0, +) }
    let order = weights.indices.sorted { (weights[$1], $0) < (weights[$0], $1) }
    columns = order.flatMap { group in group * 32..<(group + 1) * 32 }
    upper = FloatMatrix(rows: size, columns: size)
    let matrix = unsafe UnsafeMutablePointer<Double>.allocate(capacity: size * size)
    defer { unsafe matrix.deallocate() }
    // A hundredth of the mean on the diagonal keeps directions that the tokens never took from being trusted.
    var damping = 0.01
    repeat {
      guard mean.isFinite, damping < 1e6 else {
        throw ConversionError(
          .badWeight, file: "weights", "the activations on the calibration tokens are not finite; convert without --calibrate")
      }
      for row in 0..<size {
        for column in 0..<size {
          let (i, j) = (columns[row], columns[column])
          let value = i < count && j < count ? unsafe Double(hessian.row(i)[j]) : 0
          unsafe matrix[row * size + column] = value + (row == column ? damping * mean : 0)
        }
      }
      damping *= 10
    } while unsafe !library.invertedFactor(matrix, size)
    for row in 0..<size {
      for column in row..<size { unsafe upper.row(row)[column] = Float(matrix[row * size + column]) }
    }
  }

  /// The rows and columns of one group [32, 32].
  func triangle(_ group: Int) -> [Float] {
    let first = group * GroupSearch.length
    return (0..<GroupSearch.length).flatMap { row in
      (0..<GroupSearch.length).map { unsafe upper.row(first + row)[first + $0] }
    }
  }
}
