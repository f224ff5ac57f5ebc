import MioKernels

/// A small deterministic generator (SplitMix64), so that a failing case can be repeated.
struct TestGenerator: RandomNumberGenerator {
  var state: UInt64
  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// Roughly Gaussian: the sum of twelve uniform numbers.
  mutating func gaussians(_ count: Int, scale: Float = 1) -> [Float] {
    (0..<count).map { _ in (0..<12).reduce(-6 as Float) { sum, _ in sum + Float.random(in: 0..<1, using: &self) } * scale }
  }
}

/// A matrix packed from row-major floats, with its own memory.
func packed(_ values: [Float], rows: Int, columns: Int, _ format: WeightFormat) -> PackedMatrix {
  let storage = OwnedBytes(byteCount: format.byteCount(rows: rows, columns: columns))
  unsafe values.withUnsafeBufferPointer {
    unsafe PackedMatrix.pack($0, rows: rows, columns: columns, format: format, into: storage.bytes)
  }
  return unsafe PackedMatrix(
    format: format, rows: rows, columns: columns, bytes: UnsafeRawBufferPointer(storage.bytes), owner: storage)
}

extension PackedMatrix {
  /// Row `row` as floats.
  func row(_ row: Int) -> [Float] {
    var result = [Float](repeating: 0, count: columns)
    unsafe result.withUnsafeMutableBufferPointer { unsafe copyRow(row, into: $0) }
    return result
  }
}
