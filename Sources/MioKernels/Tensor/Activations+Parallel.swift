import CMioKernels

// Row operations of networks with many rows per pass: each is one sweep over memory, and the rows are shared by the
// threads. A row's result is that of the plain forms.
extension Activations {
  /// Overwrites `self` with the layer norm of every row of `x`; the shape becomes that of x.
  package mutating func layerNormalize(
    _ x: borrowing Activations, weight: WeightVector, bias: WeightVector, epsilon: Float, on context: KernelContext
  ) {
    precondition(
      weight.count == x.columns && bias.count == x.columns, "norm weight and bias need one element per column")
    reshape(rows: x.rows, columns: x.columns)
    unsafe layerNormalize(from: x.base, weight: weight, bias: bias, epsilon: epsilon, on: context)
  }

  private mutating func layerNormalize(
    from source: UnsafePointer<Float>, weight: WeightVector, bias: WeightVector, epsilon: Float,
    on context: KernelContext?
  ) {
    let target = unsafe base
    let kernel = unsafe KernelVariant.of(context).table.pointee.layer_normalize
    forEachRow(on: context) { row, width in
      unsafe kernel(source + row * width, weight.base, bias.base, epsilon, target + row * width, width)
    }
  }

  /// (x_j - mean) / sqrt(variance + epsilon) · weight_j + bias_j, row by row, in place; the variance is the mean square
  /// deviation.
  package mutating func layerNormalize(
    weight: WeightVector, bias: WeightVector, epsilon: Float, on context: KernelContext? = nil
  ) {
    precondition(weight.count == columns && bias.count == columns, "norm weight and bias need one element per column")
    unsafe layerNormalize(from: base, weight: weight, bias: bias, epsilon: epsilon, on: context)
  }

  /// x + bias in every row.
  package mutating func add(bias: WeightVector, on context: KernelContext? = nil) {
    precondition(bias.count == columns, "a vector of \(bias.count) does not fit \(columns) columns")
    let base = unsafe base
    forEachRow(on: context) { row, width in
      unsafe Self.combine(base + row * width, bias.base, count: width) { $0 + $1 }
    }
  }

  /// x + (other + bias), the sum of a residual branch with the bias of its last product.
  package mutating func add(_ other: borrowing Activations, bias: WeightVector, on context: KernelContext) {
    precondition(rows == other.rows && columns == other.columns, "the two operands differ in shape")
    precondition(bias.count == columns, "a vector of \(bias.count) does not fit \(columns) columns")
    let (target, source) = unsafe (base, other.base)
    forEachRow(on: context) { row, width in
      for start in stride(from: 0, to: width, by: 16) {
        let count = min(16, width - start)
        let (to, from) = unsafe (target + row * width + start, source + row * width + start)
        let sum = unsafe Self.load(to, count) + (Self.load(from, count) + Self.load(bias.base + start, count))
        unsafe Self.store(sum, to, count)
      }
    }
  }

  /// GELU(x + bias) with the error function.
  package mutating func gelu(bias: WeightVector, on context: KernelContext) {
    precondition(bias.count == columns, "a vector of \(bias.count) does not fit \(columns) columns")
    let base = unsafe base
    let kernel = unsafe context.variant.table.pointee.gelu_bias
    forEachRow(on: context) { row, width in
      unsafe kernel(base + row * width, bias.base, width)
    }
  }

  func forEachRow(on context: KernelContext?, _ body: (_ row: Int, _ width: Int) -> Void) {
    Self.splitRows(rows, columns, on: context, body)
  }

  /// Writes the first `count` lanes.
  @inline(__always)
  static func store(_ lanes: Lanes, _ target: UnsafeMutablePointer<Float>, _ count: Int) {
    if count == 16 {
      unsafe UnsafeMutableRawPointer(target).storeBytes(of: lanes, as: Lanes.self)
    } else {
      for lane in 0..<count { unsafe target[lane] = lanes[lane] }
    }
  }
}
