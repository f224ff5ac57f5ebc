import CMioKernels

// Row operations of networks over images, shared by the threads. A row's result does not depend on the others.
extension Activations {
  /// x + other.
  package mutating func add(_ other: borrowing Activations, on context: KernelContext? = nil) {
    precondition(rows == other.rows && columns == other.columns, "the two operands differ in shape")
    let (target, source) = unsafe (base, other.base)
    forEachRow(on: context) { row, width in
      unsafe Self.combine(target + row * width, source + row * width, count: width) { $0 + $1 }
    }
  }

  /// Adds row n of `vectors` [N, C] to all rows of part n: `self` [N P, C] is cut into N equal parts.
  package mutating func add(toParts vectors: borrowing Activations, on context: KernelContext) {
    precondition(
      vectors.columns == columns && vectors.rows > 0 && rows % vectors.rows == 0, "the vectors do not fit the parts")
    let (target, source, length) = unsafe (base, vectors.base, rows / vectors.rows)
    forEachRow(on: context) { row, width in
      unsafe Self.combine(target + row * width, source + row / length * width, count: width) { $0 + $1 }
    }
  }

  /// Overwrites `self` [T, F] with the gated product `a gelu(g)` of rows [T, 2F] that hold a and g side by side.
  package mutating func geglu(_ x: borrowing Activations, on context: KernelContext) {
    precondition(x.columns % 2 == 0, "gated rows need an even number of columns")
    reshape(rows: x.rows, columns: x.columns / 2)
    let (target, source) = unsafe (base, x.base)
    let kernel = unsafe context.variant.table.pointee.geglu
    forEachRow(on: context) { row, width in
      let from = unsafe source + row * 2 * width
      unsafe kernel(from, from + width, target + row * width, width)
    }
  }

  /// Copies all rows of `x` into the columns from `column` on.
  package mutating func copyColumns(of x: borrowing Activations, to column: Int, on context: KernelContext) {
    precondition(rows == x.rows && column >= 0 && column + x.columns <= columns, "the columns do not fit the target")
    let (target, source, count) = unsafe (base + column, x.base, x.columns)
    forEachRow(on: context) { row, width in
      unsafe (target + row * width).update(from: source + row * count, count: count)
    }
  }
}
