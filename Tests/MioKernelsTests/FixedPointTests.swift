import MioKernels
import Testing

@Suite struct FixedPointTests {
  /// Rows, columns, operand rows.
  static let shapes = [
    (1, 1, 1), (16, 64, 6), (17, 65, 13), (33, 200, 5), (64, 320, 300), (100, 96, 11), (130, 700, 7), (20, 588, 257),
  ]

  private func product(
    _ weights: [Float], _ x: [Float], bias: [Float], start: [Float], shape: (Int, Int, Int), on context: KernelContext
  ) -> [Float] {
    let (rows, columns, count) = shape
    let matrix = packed(weights, rows: rows, columns: columns, .f16)
    var y = Activations(rows: count, columns: rows, values: start)
    matrix.applyFixed(
      Activations(rows: count, columns: columns, values: x), bias: WeightVector(bias), adds: true, into: &y, on: context)
    return y.values
  }

  /// Each operand is rounded by at most half of 1/5792 of the largest of its group, and weights to 16-bit floats before.
  @Test(arguments: shapes) func `products agree with double precision`(shape: (Int, Int, Int)) {
    var random = TestGenerator(seed: 21)
    let (rows, columns, count) = shape
    let (weights, x) = (random.gaussians(rows * columns), random.gaussians(count * columns))
    let (bias, start) = (random.gaussians(rows), random.gaussians(count * rows))
    let y = product(weights, x, bias: bias, start: start, shape: shape, on: KernelContext(threads: 2))
    let bound = (0.5 / 5792 + 0x1p-12) * 5.0 * 5.0 * 2
    for t in 0..<count {
      for r in 0..<rows {
        let exact = (0..<columns).reduce(Double(start[t * rows + r]) + Double(bias[r])) {
          $0 + Double(weights[r * columns + $1]) * Double(x[t * columns + $1])
        }
        #expect(abs(Double(y[t * rows + r]) - exact) < bound * Double(columns).squareRoot() + 1e-5)
      }
    }
  }

  @Test(arguments: shapes) func `products are the same on every variant and number of threads`(shape: (Int, Int, Int)) {
    var random = TestGenerator(seed: 22)
    let (rows, columns, count) = shape
    // Largest magnitudes of both signs in some rows, so that sums reach their limits.
    let weights = random.gaussians(rows * columns).enumerated().map { $0.offset / columns % 3 == 0 ? 60000 : $0.element }
    let x = random.gaussians(count * columns).enumerated().map { $0.offset / columns % 2 == 0 ? -3e4 : $0.element }
    let (bias, start) = (random.gaussians(rows), random.gaussians(count * rows))
    let definition = KernelContext(threads: 1, variant: .reference)
    let reference = product(weights, x, bias: bias, start: start, shape: shape, on: definition)
    for variant in KernelVariant.available {
      let context = KernelContext(threads: 3, variant: variant)
      let y = product(weights, x, bias: bias, start: start, shape: shape, on: context)
      #expect(y == reference, "\(variant)")
    }
  }

  struct Case: CustomTestStringConvertible {
    let channels: Int, outputs: Int, height: Int, width: Int, images: Int
    var stride = 1
    var doubles = false
    var testDescription: String { "\(channels) to \(outputs), \(images) x \(height) x \(width), stride \(stride), \(doubles)" }
  }

  static let convolutions = [
    Case(channels: 4, outputs: 20, height: 5, width: 7, images: 1),
    Case(channels: 64, outputs: 32, height: 12, width: 12, images: 2),
    Case(channels: 96, outputs: 16, height: 9, width: 6, images: 2, stride: 2),
    Case(channels: 70, outputs: 17, height: 4, width: 3, images: 2, doubles: true),
    Case(channels: 70, outputs: 17, height: 6, width: 4, images: 2),
    Case(channels: 512, outputs: 16, height: 60, width: 120, images: 1),
  ]

  private func convolve(
    _ shape: Case, _ format: WeightFormat, adds: Bool = false, on context: KernelContext
  ) -> [Float] {
    var random = TestGenerator(seed: 23)
    let deviation = 1 / Float(9 * shape.channels).squareRoot()
    let weights = random.gaussians(shape.outputs * 9 * shape.channels, scale: deviation)
    let convolution = Convolution2d(
      weight: packed(weights, rows: shape.outputs, columns: 9 * shape.channels, format),
      bias: WeightVector(random.gaussians(shape.outputs)), stride: shape.stride, doubles: shape.doubles)
    let pixels = shape.images * shape.height * shape.width
    let x = Activations(rows: pixels, columns: shape.channels, values: random.gaussians(pixels * shape.channels))
    var norm: ChannelScaling?
    if shape.channels % 2 == 0, shape.images == 2 {
      let group = GroupNormalization(
        groupCount: 2, epsilon: 1e-5, weight: WeightVector(random.gaussians(shape.channels)),
        bias: WeightVector(random.gaussians(shape.channels)))
      norm = group.scaling(of: x, images: shape.images, activates: true, on: context)
    }
    let outputs = shape.images * convolution.outputLength(shape.height) * convolution.outputLength(shape.width)
    var y = Activations(rows: outputs, columns: shape.outputs)
    y.fill(0.5)
    convolution.forward(
      x, height: shape.height, width: shape.width, scaling: norm, adds: adds, into: &y, on: context)
    return y.values
  }

  @Test(arguments: convolutions, [false, true])
  func `convolutions agree with those of 32-bit floats`(shape: Case, adds: Bool) {
    let context = KernelContext(threads: 2)
    let (fixed, float) = (convolve(shape, .f16, adds: adds, on: context), convolve(shape, .f32, adds: adds, on: context))
    #expect(zip(fixed, float).allSatisfy { abs($0 - $1) < 5e-3 })
  }

  @Test(arguments: convolutions.dropLast()) func `convolutions are the same on every variant`(shape: Case) {
    let reference = convolve(shape, .f16, on: KernelContext(threads: 1, variant: .reference))
    for variant in KernelVariant.available {
      #expect(convolve(shape, .f16, on: KernelContext(threads: 2, variant: variant)) == reference, "\(variant)")
    }
  }
}
