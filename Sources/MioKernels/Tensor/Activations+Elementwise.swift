/// Sixteen floats: the unit in which every row operation works, on every instruction set.
package typealias Lanes = SIMD16<Float>

extension Activations {
  /// Applies `function` to all elements, sixteen at a time; the tail is computed in padded lanes.
  @inline(__always)
  mutating func transform(_ function: (Lanes) -> Lanes) {
    let whole = count & ~15
    let raw = unsafe UnsafeMutableRawPointer(base)
    for index in stride(from: 0, to: whole, by: 16) {
      let value = unsafe raw.loadUnaligned(fromByteOffset: index * 4, as: Lanes.self)
      unsafe raw.storeBytes(of: function(value), toByteOffset: index * 4, as: Lanes.self)
    }
    guard whole < count else { return }
    var tail = Lanes(repeating: 0)
    for index in whole..<count { unsafe tail[index - whole] = base[index] }
    tail = function(tail)
    for index in whole..<count { unsafe base[index] = tail[index - whole] }
  }

  /// Combines element by element with a buffer of the same shape.
  @inline(__always)
  mutating func combine(_ other: borrowing Activations, _ function: (Lanes, Lanes) -> Lanes) {
    precondition(rows == other.rows && columns == other.columns, "the two operands differ in shape")
    unsafe Self.combine(base, other.base, count: count, function)
  }

  @inline(__always)
  static func combine(
    _ target: UnsafeMutablePointer<Float>, _ operand: UnsafePointer<Float>, count: Int, _ function: (Lanes, Lanes) -> Lanes
  ) {
    let whole = count & ~15
    let (to, from) = unsafe (UnsafeMutableRawPointer(target), UnsafeRawPointer(operand))
    for index in stride(from: 0, to: whole, by: 16) {
      let a = unsafe to.loadUnaligned(fromByteOffset: index * 4, as: Lanes.self)
      let b = unsafe from.loadUnaligned(fromByteOffset: index * 4, as: Lanes.self)
      unsafe to.storeBytes(of: function(a, b), toByteOffset: index * 4, as: Lanes.self)
    }
    guard whole < count else { return }
    var (a, b) = (Lanes(repeating: 0), Lanes(repeating: 0))
    for index in whole..<count { unsafe (a[index - whole], b[index - whole]) = (target[index], operand[index]) }
    a = function(a, b)
    for index in whole..<count { unsafe target[index] = a[index - whole] }
  }

  /// x · other, element by element.
  package mutating func multiply(by other: borrowing Activations) { combine(other) { $0 * $1 } }

  /// x · factor.
  package mutating func scale(by factor: Float) { transform { $0 * factor } }

  /// silu(gate) · x, the SwiGLU product.
  package mutating func swiglu(gatedBy gate: borrowing Activations, on context: KernelContext? = nil) {
    precondition(rows == gate.rows && columns == gate.columns, "the two operands differ in shape")
    let kernel = unsafe KernelVariant.of(context).table.pointee.swiglu
    let (x, y) = unsafe (base, gate.base)
    Self.split(count, on: context) { part in
      unsafe kernel(x + part.lowerBound, y + part.lowerBound, part.count)
    }
  }

  /// x + sin²(αx) / (α + 1e-9), α per column.
  package mutating func snake(alpha: WeightVector, on context: KernelContext? = nil) {
    precondition(alpha.count == columns, "a vector of \(alpha.count) does not fit \(columns) columns")
    let kernel = unsafe KernelVariant.of(context).table.pointee.snake
    let base = unsafe base
    Self.splitRows(rows, columns, on: context) { row, width in
      unsafe kernel(base + row * width, alpha.base, width)
    }
  }

  /// x > 0 ? x : e^x - 1.
  package mutating func elu(on context: KernelContext? = nil) {
    unsafe map(KernelVariant.of(context).table.pointee.elu, on: context)
  }

  /// x Φ(x), Φ from the error function.
  package mutating func gelu(on context: KernelContext? = nil) {
    unsafe map(KernelVariant.of(context).table.pointee.gelu, on: context)
  }

  /// x / (1 + e^-x).
  package mutating func silu(on context: KernelContext? = nil) {
    unsafe map(KernelVariant.of(context).table.pointee.silu, on: context)
  }

  /// max(x, 0).
  package mutating func relu() { transform { x in x.replacing(with: 0, where: x .< 0) } }

  /// 1 / (1 + e^-x).
  package mutating func sigmoid(on context: KernelContext? = nil) {
    unsafe map(KernelVariant.of(context).table.pointee.sigmoid, on: context)
  }

  /// Hyperbolic tangent.
  package mutating func tanh(on context: KernelContext? = nil) {
    unsafe map(KernelVariant.of(context).table.pointee.tanh, on: context)
  }

  /// One step of an LSTM cell: `self` [N, H] becomes the new hidden state, `cell` [N, H] the new cell state.
  ///
  /// - Parameter gates: [N, 4H], the sums `W x + U h + b` in the order input, forget, candidate, output.
  package mutating func lstmStep(
    gates: borrowing Activations, cell: inout Activations, on context: KernelContext? = nil
  ) {
    precondition(
      gates.rows == rows && gates.columns == 4 * columns && cell.rows == rows && cell.columns == columns,
      "LSTM gates need four times the columns of the state, and the same rows")
    let kernel = unsafe KernelVariant.of(context).table.pointee.lstm_step
    for row in 0..<rows {
      let (z, c, h) = unsafe (gates.base + row * 4 * columns, cell.base + row * columns, base + row * columns)
      unsafe kernel(z, c, h, columns)
    }
  }

  // MARK: - Sharing the work

  /// Elements that one task takes: enough to outweigh handing it out.
  static let taskElements = 1 << 14

  /// Calls `body` for parts of `0..<count`, on the threads of `context` if there is one.
  static func split(_ count: Int, on context: KernelContext?, _ body: (Range<Int>) -> Void) {
    guard let context, count > taskElements else { return body(0..<count) }
    context.pool.run(tasks: (count + taskElements - 1) / taskElements) { task in
      body(task * taskElements..<min(count, (task + 1) * taskElements))
    }
  }

  /// Calls `body` for every row, on the threads of `context` if there is one.
  static func splitRows(
    _ rows: Int, _ width: Int, on context: KernelContext?, _ body: (_ row: Int, _ width: Int) -> Void
  ) {
    guard let context else {
      for row in 0..<rows { body(row, width) }
      return
    }
    let perTask = max(1, taskElements / max(width, 1))
    context.pool.run(tasks: (rows + perTask - 1) / perTask) { task in
      for row in (task * perTask)..<min(rows, (task + 1) * perTask) { body(row, width) }
    }
  }

  /// Applies a kernel to all elements.
  private mutating func map(
    _ kernel: @convention(c) (UnsafeMutablePointer<Float>?, Int) -> Void, on context: KernelContext?
  ) {
    let base = unsafe base
    Self.split(count, on: context) { part in unsafe kernel(base + part.lowerBound, part.count) }
  }

  /// Up to sixteen floats; missing lanes are 0.
  @inline(__always)
  static func load(_ source: UnsafePointer<Float>, _ count: Int) -> Lanes {
    if count == 16 { return unsafe UnsafeRawPointer(source).loadUnaligned(as: Lanes.self) }
    var lanes = Lanes(repeating: 0)
    for lane in 0..<count { unsafe lanes[lane] = source[lane] }
    return lanes
  }
}
