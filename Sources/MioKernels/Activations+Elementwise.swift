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

  /// Combines every row with the same vector.
  @inline(__always)
  mutating func combineRows(_ vector: WeightVector, _ function: (Lanes, Lanes) -> Lanes) {
    precondition(vector.count == columns, "a vector of \(vector.count) does not fit \(columns) columns")
    for row in 0..<rows { unsafe Self.combine(base + row * columns, vector.base, count: columns, function) }
  }

  /// x + other.
  package mutating func add(_ other: borrowing Activations) { combine(other) { $0 + $1 } }

  /// x + bias in every row.
  package mutating func add(bias: WeightVector) { combineRows(bias) { $0 + $1 } }

  /// x · other, element by element.
  package mutating func multiply(by other: borrowing Activations) { combine(other) { $0 * $1 } }

  /// x · factor.
  package mutating func scale(by factor: Float) { transform { $0 * factor } }

  /// silu(gate) · x, the SwiGLU product.
  package mutating func swiglu(gatedBy gate: borrowing Activations) {
    combine(gate) { up, gate in gate * VectorMath.sigmoid(gate) * up }
  }

  /// x > 0 ? x : e^x - 1.
  package mutating func elu() {
    transform { x in VectorMath.expMinusOne(x).replacing(with: x, where: x .> 0) }
  }

  /// x + sin²(αx) / (α + 1e-9), α per column.
  package mutating func snake(alpha: WeightVector) {
    combineRows(alpha) { x, alpha in x + VectorMath.sineSquared(alpha * x) / (alpha + 1e-9) }
  }

  /// x Φ(x), Φ from the error function.
  package mutating func gelu() {
    transform { x in 0.5 * x * (1 + VectorMath.erf(x * 0.707106781186547524)) }
  }

  /// x / (1 + e^-x).
  package mutating func silu() { transform { x in x * VectorMath.sigmoid(x) } }

  /// max(x, 0).
  package mutating func relu() { transform { x in x.replacing(with: 0, where: x .< 0) } }

  /// 1 / (1 + e^-x).
  package mutating func sigmoid() { transform { x in VectorMath.sigmoid(x) } }

  /// Hyperbolic tangent.
  package mutating func tanh() { transform { x in VectorMath.tanh(x) } }

  /// One step of an LSTM cell: `self` [N, H] becomes the new hidden state, `cell` [N, H] the new cell state.
  ///
  /// - Parameter gates: [N, 4H], the sums `W x + U h + b` in the order input, forget, candidate, output.
  package mutating func lstmStep(gates: borrowing Activations, cell: inout Activations) {
    precondition(
      gates.rows == rows && gates.columns == 4 * columns && cell.rows == rows && cell.columns == columns,
      "LSTM gates need four times the columns of the state, and the same rows")
    for row in 0..<rows {
      let (z, c, h) = unsafe (gates.base + row * 4 * columns, cell.base + row * columns, base + row * columns)
      for start in stride(from: 0, to: columns, by: 16) {
        let count = min(16, columns - start)
        let input = unsafe VectorMath.sigmoid(Self.load(z + start, count))
        let forget = unsafe VectorMath.sigmoid(Self.load(z + columns + start, count))
        let candidate = unsafe VectorMath.tanh(Self.load(z + 2 * columns + start, count))
        let output = unsafe VectorMath.sigmoid(Self.load(z + 3 * columns + start, count))
        let state = unsafe forget * Self.load(c + start, count) + input * candidate
        let hidden = output * VectorMath.tanh(state)
        for lane in 0..<count { unsafe (c[start + lane], h[start + lane]) = (state[lane], hidden[lane]) }
      }
    }
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
