/// Whether the kernels of all variants that this machine can run give the bits of the definition.
package enum KernelSelfTest {
  /// Variants whose products differ from those of the portable one; empty if all is well.
  package static func failures() -> [KernelVariant] {
    let pool = WorkerPool(threads: 1)
    let formats: [WeightFormat] = [.q4, .q8, .f16, .f32]
    let weights = formats.map { SelfTestWeights(format: $0) }
    func results(_ variant: KernelVariant) -> [[UInt32]] {
      let choice = KernelChoice(fewRows: variant, manyRows: variant, streaming: .preferred)
      let context = KernelContext(pool: pool, choice: choice)
      return weights.flatMap { weights in [1, 9].map { weights.product(rows: $0, on: context) } }
    }
    guard let portable = KernelVariant.available.first else { return [] }
    let expected = results(portable)
    return KernelVariant.available.dropFirst().filter { results($0) != expected }
  }
}

/// A matrix of random numbers [70, 100], packed by the portable definition.
@safe
private final class SelfTestWeights: @unchecked Sendable {
  private static let (rows, columns) = (70, 100)
  private let format: WeightFormat
  private let bytes: UnsafeMutableRawBufferPointer

  init(format: WeightFormat) {
    self.format = format
    unsafe bytes = .allocate(byteCount: format.byteCount(rows: Self.rows, columns: Self.columns), alignment: 64)
    Self.numbers(Self.rows * Self.columns).withUnsafeBufferPointer { numbers in
      unsafe PackedMatrix.pack(
        numbers, rows: Self.rows, columns: Self.columns, format: format, into: bytes, variant: KernelVariant.available[0])
    }
  }

  deinit { unsafe bytes.deallocate() }

  func product(rows count: Int, on context: KernelContext) -> [UInt32] {
    let matrix = unsafe PackedMatrix(
      format: format, rows: Self.rows, columns: Self.columns, bytes: UnsafeRawBufferPointer(bytes), owner: self)
    let x = Activations(rows: count, columns: Self.columns, values: Self.numbers(count * Self.columns))
    var y = Activations(rows: count, columns: Self.rows)
    matrix.apply(x, into: &y, on: context)
    return y.values.map(\.bitPattern)
  }

  /// Numbers in -1...1 that look random and are always the same.
  private static func numbers(_ count: Int) -> [Float] {
    var state: UInt32 = 1
    return (0..<count).map { _ in
      state = state &* 1_664_525 &+ 1_013_904_223
      return Float(Int32(bitPattern: state)) * 0x1p-31
    }
  }
}
