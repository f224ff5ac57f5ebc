extension Activations {
  /// x_j · weight_j / sqrt(mean(x²) + epsilon), row by row.
  package mutating func rmsNormalize(weight: WeightVector, epsilon: Float, on context: KernelContext? = nil) {
    unsafe rmsNormalize(from: base, weight: weight, epsilon: epsilon, on: context)
  }

  /// Overwrites `self` with the RMS norm of `x`.
  package mutating func rmsNormalize(
    _ x: borrowing Activations, weight: WeightVector, epsilon: Float, on context: KernelContext? = nil
  ) {
    reshape(rows: x.rows, columns: x.columns)
    unsafe rmsNormalize(from: x.base, weight: weight, epsilon: epsilon, on: context)
  }

  private mutating func rmsNormalize(
    from source: UnsafePointer<Float>, weight: WeightVector, epsilon: Float, on context: KernelContext?
  ) {
    precondition(weight.count == columns, "a norm weight of \(weight.count) does not fit \(columns) columns")
    let kernel = unsafe KernelVariant.of(context).table.pointee.rms_normalize
    let base = unsafe base
    Self.splitRows(rows, columns, on: context) { row, width in
      let (x, y) = unsafe (source + row * width, base + row * width)
      if let kernel = unsafe kernel { return unsafe kernel(x, weight.base, epsilon, y, width) }
      let scale = unsafe 1 / (Self.sumOfSquares(x, width, minus: 0) / Float(width) + epsilon).squareRoot()
      for start in stride(from: 0, to: width, by: 16) {
        let count = min(16, width - start)
        unsafe Self.store(Self.load(x + start, count) * scale * Self.load(weight.base + start, count), y + start, count)
      }
    }
  }

  /// (x_j - mean) / sqrt(variance + epsilon) · weight_j + bias_j, row by row; the variance is the mean square deviation.
  package mutating func layerNormalize(weight: WeightVector, bias: WeightVector, epsilon: Float) {
    precondition(weight.count == columns && bias.count == columns, "norm weight and bias need one element per column")
    for row in 0..<rows {
      let x = unsafe base + row * columns
      let mean = unsafe Self.sum(x, columns) / Float(columns)
      let scale = unsafe 1 / (Self.sumOfSquares(x, columns, minus: mean) / Float(columns) + epsilon).squareRoot()
      unsafe Self.combine(x, weight.base, count: columns) { ($0 - mean) * scale * $1 }
      unsafe Self.combine(x, bias.base, count: columns) { $0 + $1 }
    }
  }

  /// e^(x_j - max) / Σ e^(x_i - max), row by row. Elements of -infinity become 0.
  package mutating func softmaxRows(on context: KernelContext? = nil) {
    let kernel = unsafe KernelVariant.of(context).table.pointee.softmax
    let base = unsafe base
    Self.splitRows(rows, columns, on: context) { row, width in
      if let kernel = unsafe kernel { return unsafe kernel(base + row * width, width) }
      unsafe Self.softmax(base + row * width, width)
    }
  }

  private static func softmax(_ x: UnsafeMutablePointer<Float>, _ width: Int) {
    var peak = -Float.infinity
    for column in 0..<width { peak = unsafe x[column] > peak ? x[column] : peak }
    if peak == -Float.infinity { peak = 0 }
    var sum = Lanes(repeating: 0)
    for start in stride(from: 0, to: width, by: 16) {
      let count = min(16, width - start)
      unsafe store(VectorMath.exp(load(x + start, count) - peak), x + start, count)
      sum += unsafe load(x + start, count)
    }
    let scale = 1 / VectorMath.sum(sum)
    for column in 0..<width { unsafe x[column] *= scale }
  }

  /// Copies all rows of `source`; the shape of `self` becomes that of `source`.
  package mutating func copyRows(from source: borrowing Activations) {
    reshape(rows: source.rows, columns: source.columns)
    unsafe base.update(from: source.base, count: source.count)
  }

  /// Copies rows `range` of `source` to the rows from `row` on; both have the same columns.
  package mutating func copyRows(_ range: Range<Int>, from source: borrowing Activations, to row: Int = 0) {
    precondition(columns == source.columns, "row copies need equal columns")
    precondition(
      range.lowerBound >= 0 && range.upperBound <= source.rows && row >= 0 && row + range.count <= rows,
      "row copy out of range")
    unsafe (base + row * columns).update(from: source.base + range.lowerBound * columns, count: range.count * columns)
  }

  static func sum(_ x: UnsafePointer<Float>, _ count: Int) -> Float {
    var sum = Lanes(repeating: 0)
    for start in stride(from: 0, to: count, by: 16) { sum += unsafe load(x + start, min(16, count - start)) }
    return VectorMath.sum(sum)
  }

  /// Σ (x - mean)².
  static func sumOfSquares(_ x: UnsafePointer<Float>, _ count: Int, minus mean: Float) -> Float {
    var sum = Lanes(repeating: 0)
    for start in stride(from: 0, to: count, by: 16) {
      let length = min(16, count - start)
      var deviation = unsafe load(x + start, length) - mean
      for lane in length..<16 { deviation[lane] = 0 }
      sum += deviation * deviation
    }
    return VectorMath.sum(sum)
  }
}

extension Activations {
  /// A copy of a vector, cut into rows.
  package init(rows: Int, copying vector: WeightVector) {
    self.init(rows: rows, columns: vector.count / rows)
    unsafe _ = elements.update(from: vector.elements)
  }

  /// Moves the rows with the given ascending indexes to the front and drops the others.
  package mutating func keepRows(_ indexes: [Int]) {
    for (row, index) in indexes.enumerated() where row != index {
      _ = unsafe self.row(row).update(fromContentsOf: self.row(index))
    }
    reshape(rows: indexes.count)
  }
}
