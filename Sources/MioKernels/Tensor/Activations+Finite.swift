extension Activations {
  /// Whether every element is a number: neither infinite nor not-a-number.
  package var isFinite: Bool { Self.isFinite(UnsafeBufferPointer(start: base, count: rows * columns)) }

  /// Whether every element is a number of at most that magnitude.
  package func isWithin(_ largest: Float) -> Bool {
    guard largest < .greatestFiniteMagnitude else { return isFinite }
    let (count, whole) = (rows * columns, rows * columns & ~15)
    for start in stride(from: 0, to: whole, by: 16) {
      let lanes = unsafe UnsafeRawPointer(base + start).loadUnaligned(as: SIMD16<Float>.self)
      if any(.!(lanes .<= largest) .| .!(lanes .>= -largest)) { return false }
    }
    return unsafe (whole..<count).allSatisfy { unsafe abs(base[$0]) <= largest }
  }

  /// The same for some columns of a row.
  package func isFinite(row: Int, _ columns: Range<Int>) -> Bool {
    unsafe Self.isFinite(UnsafeBufferPointer(rebasing: self.row(row)[columns]))
  }

  /// Whether every number of a list is one.
  package static func areFinite(_ numbers: [Float]) -> Bool {
    unsafe numbers.withUnsafeBufferPointer { unsafe isFinite($0) }
  }

  /// A number times zero is zero, anything else is not a number, and stays it in a sum: no branch for each element.
  private static func isFinite(_ numbers: UnsafeBufferPointer<Float>) -> Bool {
    guard let base = numbers.baseAddress else { return true }
    var sum = SIMD16<Float>()
    let whole = numbers.count & ~15
    for start in stride(from: 0, to: whole, by: 16) {
      sum += unsafe UnsafeRawPointer(base + start).loadUnaligned(as: SIMD16<Float>.self) * 0
    }
    guard sum == SIMD16<Float>() else { return false }
    return unsafe numbers[whole...].allSatisfy(\.isFinite)
  }
}
