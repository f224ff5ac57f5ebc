// Row moves that the codec's layers need. The pointers stay inside each function; the preconditions bound them.
extension Activations {
  /// Appends all rows of `source`, which has the same columns.
  package mutating func appendRows(of source: borrowing Activations) {
    let start = rows
    reshape(rows: start + source.rows)
    copyRows(0..<source.rows, from: source, to: start)
  }

  /// Forgets the first `count` rows and moves the others up.
  package mutating func dropFirstRows(_ count: Int) {
    precondition(count >= 0 && count <= rows, "cannot drop \(count) of \(rows) rows")
    guard count > 0 else { return }
    let kept = unsafe UnsafeBufferPointer(rebasing: elements[(count * columns)...])
    if let target = unsafe elements.baseAddress, let source = kept.baseAddress {
      // Source and target may overlap; update(from:) moves them correctly.
      unsafe target.update(from: source, count: kept.count)
    }
    reshape(rows: rows - count)
  }

  /// Copies one of its own rows to another place.
  package mutating func copyRow(_ source: Int, to target: Int) {
    let from = unsafe UnsafeBufferPointer(row(source))
    unsafe _ = row(target).update(from: from)
  }

  /// Becomes a single column [n, 1].
  package mutating func setColumn(_ values: ArraySlice<Float>) {
    reshape(rows: values.count, columns: 1)
    _ = unsafe elements.update(fromContentsOf: values)
  }

  package mutating func clearRow(_ index: Int) { unsafe row(index).update(repeating: 0) }

  /// Adds row `index` of `other`, as wide, to the only row.
  package mutating func addRow(_ index: Int, of other: borrowing Activations) {
    precondition(rows == 1 && columns == other.columns, "adding a row needs a single row of the same width")
    let (target, source) = unsafe (row(0), other.row(index))
    for column in 0..<columns { unsafe target[column] += source[column] }
  }

  /// Copies all rows of `source` into the columns from `column` on.
  package mutating func copyColumns(of source: borrowing Activations, to column: Int) {
    precondition(
      rows == source.rows && column >= 0 && column + source.columns <= columns, "the columns do not fit the target")
    for index in 0..<rows {
      let (target, source) = unsafe (row(index), UnsafeBufferPointer(source.row(index)))
      unsafe _ = target[column..<(column + source.count)].update(from: source)
    }
  }

  /// Row t becomes the `taps` rows t, t + step, t + 2 step ... of `source`, side by side: the operand of a dilated
  /// convolution.
  package mutating func gatherWindows(of source: borrowing Activations, taps: Int, step: Int, count: Int) {
    reshape(rows: count, columns: taps * source.columns)
    for index in 0..<count {
      for tap in 0..<taps {
        let (target, from) = unsafe (row(index), UnsafeBufferPointer(source.row(index + tap * step)))
        let start = tap * source.columns
        unsafe _ = target[start..<(start + from.count)].update(from: from)
      }
    }
  }

  /// The middle of a transposed convolution whose kernel is twice its stride s: adds the overlapping halves.
  ///
  /// `products` [T, 2 s C] holds for every frame the 2 s output rows that it contributes to; the first s of them
  /// overlap the second s of the frame before. `self` becomes [T s, C]:
  /// `products[t][..<s C] + products[t - 1][s C...] + bias`.
  ///
  /// - Parameter carry: [1, s C], the second half of the frame before the first; becomes that of the last.
  package mutating func overlapAdd(_ products: borrowing Activations, carry: inout Activations, bias: WeightVector) {
    let half = carry.columns
    let stride = half / bias.count
    precondition(products.columns == 2 * half && half == stride * bias.count, "the halves do not fit the products")
    reshape(rows: products.rows * stride, columns: bias.count)
    let offsets = unsafe bias.elements
    for frame in 0..<products.rows {
      let target = unsafe elements.baseAddress! + frame * half
      let first = unsafe products.row(frame).baseAddress!
      let second = unsafe frame == 0 ? carry.row(0).baseAddress! : products.row(frame - 1).baseAddress! + half
      for row in 0..<stride {
        for channel in 0..<bias.count {
          let index = row * bias.count + channel
          unsafe target[index] = first[index] + second[index] + offsets[channel]
        }
      }
    }
    if products.rows > 0 {
      let last = unsafe products.row(products.rows - 1)
      unsafe _ = carry.row(0).update(from: UnsafeBufferPointer(rebasing: last[half...]))
    }
  }
}

extension Activations {
  /// Adds the rows `range` of `x` [T, H], twice side by side, to all rows [n, 2H].
  package mutating func addTwice(_ x: borrowing Activations, rows range: Range<Int>) {
    precondition(rows == range.count && columns == 2 * x.columns, "adding twice needs rows twice as wide")
    for index in range {
      let (target, source) = unsafe (row(index - range.lowerBound), x.row(index))
      for column in 0..<x.columns {
        unsafe target[column] += source[column]
        unsafe target[column + x.columns] += source[column]
      }
    }
  }
}

// Rows as vectors: what the quantizer computes.
extension Activations {
  /// Subtracts the only row of `other` from one row.
  package mutating func subtract(_ other: borrowing Activations, fromRow index: Int) {
    precondition(other.rows == 1 && other.columns == columns, "subtracting needs a single row of the same width")
    let (target, source) = unsafe (row(index), other.row(0))
    for column in 0..<columns { unsafe target[column] -= source[column] }
  }

  /// Adds the only row of `other` to one row.
  package mutating func add(_ other: borrowing Activations, toRow index: Int) {
    precondition(other.rows == 1 && other.columns == columns, "adding needs a single row of the same width")
    let (target, source) = unsafe (row(index), other.row(0))
    for column in 0..<columns { unsafe target[column] += source[column] }
  }

  /// |x|² of a row, in double precision.
  package borrowing func squaredNorm(row index: Int) -> Double {
    var sum = 0.0
    forEach(row: index) { _, value in sum += Double(value) * Double(value) }
    return sum
  }

  /// |x - y|² of a row and the only row of `other`, in double precision.
  package borrowing func squaredDistance(row index: Int, to other: borrowing Activations) -> Double {
    precondition(other.rows == 1 && other.columns == columns, "a distance needs a single row of the same width")
    let (x, y) = unsafe (row(index), other.row(0))
    var sum = 0.0
    for column in 0..<columns {
      let difference = unsafe Double(x[column]) - Double(y[column])
      sum += difference * difference
    }
    return sum
  }

  /// The element of a row with the smallest score, the first among equals.
  package borrowing func smallest(row index: Int, score: (Int, Float) -> Float) -> (column: Int, score: Float) {
    var best = (column: 0, score: Float.infinity)
    forEach(row: index) { column, value in
      let score = score(column, value)
      if score < best.score { best = (column, score) }
    }
    return best
  }

  package borrowing func forEach(row index: Int, _ body: (Int, Float) -> Void) {
    let values = unsafe row(index)
    for column in 0..<columns { unsafe body(column, values[column]) }
  }
}
