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
      unsafe kernel(source + row * width, weight.base, epsilon, base + row * width, width)
    }
  }

  /// e^(x_j - max) / Σ e^(x_i - max), row by row. Elements of -infinity become 0.
  package mutating func softmaxRows(on context: KernelContext? = nil) {
    let kernel = unsafe KernelVariant.of(context).table.pointee.softmax
    let base = unsafe base
    Self.splitRows(rows, columns, on: context) { row, width in
      unsafe kernel(base + row * width, width)
    }
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
