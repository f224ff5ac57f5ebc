import Foundation
import MioKernels
import Testing

@Suite struct ActivationsTests {
  /// Every size meets whole vectors and tails.
  static let sizes = [1, 2, 15, 16, 17, 33, 100]

  static let points: [Float] =
    stride(from: -90, through: 90, by: 0.37).map { Float($0) } + [
      0, -0.0, 1e-30, -1e-30, 1e-6, -1e-6, 0.001, -0.001, 0.5, -0.5, 0.62, 0.63, -87.2, -88, -1000, 1000, 88.3,
    ]

  /// Largest error relative to max(|expected|, floor).
  static func error(floor: Double = 1e-37, _ expected: (Double) -> Double, _ apply: (inout Activations) -> Void) -> Double {
    var x = Activations(rows: 1, columns: points.count, values: points)
    apply(&x)
    return zip(x.values, points).map { value, point in
      let truth = expected(Double(point))
      return abs(Double(value) - truth) / max(abs(truth), floor)
    }.max() ?? 0
  }

  @Test func `elementary functions are within 1e-6 of the truth`() {
    #expect(Self.error(Foundation.tanh) { $0.tanh() } < 1e-6)
    // e^x is held at e^88.37, so results below 1e-28 are only small.
    #expect(Self.error(floor: 1e-30, { 1 / (1 + Foundation.exp(-$0)) }) { $0.sigmoid() } < 1e-6)
    #expect(Self.error(floor: 1e-28, { $0 / (1 + Foundation.exp(-$0)) }) { $0.silu() } < 1e-6)
    #expect(Self.error({ $0 > 0 ? $0 : Foundation.expm1($0) }) { $0.elu() } < 1e-6)
    // Far on the negative side the error function cancels against 1: absolute there.
    #expect(Self.error(floor: 1, { 0.5 * $0 * (1 + Foundation.erf($0 / 2.0.squareRoot())) }) { $0.gelu() } < 1e-6)
  }

  @Test func `snake follows its formula`() {
    let alpha = Self.points.indices.map { Float($0 % 7) * 0.9 + 0.1 }
    var x = Activations(rows: 2, columns: Self.points.count, values: Self.points + Self.points)
    x.snake(alpha: WeightVector(alpha))
    for (index, point) in Self.points.enumerated() {
      let a = Double(alpha[index])
      let sine = Foundation.sin(Double(alpha[index] * point))
      let truth = Double(point) + sine * sine / (a + 1e-9)
      #expect(abs(Double(x[0, index]) - truth) < 1e-6 * max(1, abs(truth)) + 2e-6 / a)
      #expect(x[1, index] == x[0, index])
    }
  }

  @Test(arguments: sizes)
  func `normalizes rows`(columns: Int) {
    var random = TestGenerator(seed: UInt64(columns))
    let (values, weight, bias) = (random.gaussians(3 * columns), random.gaussians(columns), random.gaussians(columns))
    var rms = Activations(rows: 3, columns: columns)
    rms.rmsNormalize(
      Activations(rows: 3, columns: columns, values: values), weight: WeightVector(weight), epsilon: 1e-5)
    var layer = Activations(rows: 3, columns: columns, values: values)
    layer.layerNormalize(weight: WeightVector(weight), bias: WeightVector(bias), epsilon: 1e-5)
    for row in 0..<3 {
      let x = values[row * columns..<(row + 1) * columns].map { Double($0) }
      let mean = x.reduce(0, +) / Double(columns)
      let square = x.map { $0 * $0 }.reduce(0, +) / Double(columns)
      let variance = x.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / Double(columns)
      for column in 0..<columns {
        let r = x[column] / (square + 1e-5).squareRoot() * Double(weight[column])
        let l = (x[column] - mean) / (variance + 1e-5).squareRoot() * Double(weight[column]) + Double(bias[column])
        #expect(abs(Double(rms[row, column]) - r) < 2e-6 * max(1, abs(r)))
        #expect(abs(Double(layer[row, column]) - l) < 1e-5 * max(1, abs(l)))
      }
    }
  }

  @Test(arguments: sizes)
  func `softmax rows sum to one and masked elements are zero`(columns: Int) {
    var random = TestGenerator(seed: UInt64(columns))
    var values = random.gaussians(2 * columns, scale: 4)
    if columns > 2 { values[1] = -.infinity }
    var x = Activations(rows: 2, columns: columns, values: values)
    x.softmaxRows()
    for row in 0..<2 {
      let exponentials = (0..<columns).map { Foundation.exp(Double(values[row * columns + $0])) }
      let sum = exponentials.reduce(0, +)
      for column in 0..<columns { #expect(abs(Double(x[row, column]) - exponentials[column] / sum) < 1e-6) }
    }
    if columns > 2 { #expect(x[0, 1] == 0) }
  }

  @Test(arguments: sizes)
  func `combines element by element at every tail length`(columns: Int) {
    var random = TestGenerator(seed: UInt64(columns))
    let (a, b, bias) = (random.gaussians(3 * columns), random.gaussians(3 * columns), random.gaussians(columns))
    func activations(_ values: [Float]) -> Activations { Activations(rows: 3, columns: columns, values: values) }
    var x = activations(a)
    x.add(activations(b))
    #expect(x.values == zip(a, b).map { $0 + $1 })
    x = activations(a)
    x.multiply(by: activations(b))
    #expect(x.values == zip(a, b).map { $0 * $1 })
    x = activations(a)
    x.add(bias: WeightVector(bias))
    #expect(x.values == a.indices.map { a[$0] + bias[$0 % columns] })
    x = activations(a)
    x.swiglu(gatedBy: activations(b))
    var silu = activations(b)
    silu.silu()
    for (index, value) in x.values.enumerated() { #expect(value == silu.values[index] * a[index]) }
  }

  @Test(arguments: sizes)
  func `steps an LSTM cell`(width: Int) {
    var random = TestGenerator(seed: UInt64(width))
    let (gates, state) = (random.gaussians(4 * width, scale: 2), random.gaussians(width))
    var hidden = Activations(rows: 1, columns: width)
    var cell = Activations(rows: 1, columns: width, values: state)
    hidden.lstmStep(gates: Activations(rows: 1, columns: 4 * width, values: gates), cell: &cell)
    func sigmoid(_ x: Float) -> Double { 1 / (1 + Foundation.exp(-Double(x))) }
    for i in 0..<width {
      let c =
        sigmoid(gates[width + i]) * Double(state[i]) + sigmoid(gates[i])
        * Foundation.tanh(Double(gates[2 * width + i]))
      #expect(abs(Double(cell[0, i]) - c) < 1e-6 * max(1, abs(c)))
      #expect(abs(Double(hidden[0, i]) - sigmoid(gates[3 * width + i]) * Foundation.tanh(c)) < 1e-6)
    }
  }

  @Test func `copies rows`() {
    let source = Activations(rows: 3, columns: 2, values: [1, 2, 3, 4, 5, 6])
    var target = Activations(rows: 4, columns: 2)
    target.copyRows(1..<3, from: source, to: 2)
    #expect(target.values == [0, 0, 0, 0, 3, 4, 5, 6])
    target.copyRows(from: source)
    #expect(target.rows == 3 && target.values == source.values)
  }

  @Test func `converts 16-bit floats exactly and rounds to nearest even`() {
    for bits in UInt16.min...UInt16.max where bits & 0x7C00 != 0x7C00 {
      #expect(HalfFloat.bits(HalfFloat.float(bits)) == bits)
    }
    #expect(HalfFloat.float(0x3C00) == 1 && HalfFloat.float(0xC000) == -2 && HalfFloat.float(1) == 0x1p-24)
    #expect(HalfFloat.float(0x7C00) == .infinity && HalfFloat.float(0x7E00).isNaN)
    #expect(HalfFloat.bits(1 + 0x1p-11) == 0x3C00 && HalfFloat.bits(1 + 0x3p-11) == 0x3C02)
    #expect(HalfFloat.bits(1e9) == 0x7BFF && HalfFloat.bits(-.infinity) == 0xFBFF && HalfFloat.bits(0x1p-25) == 0)
    #expect(HalfFloat.bits(0x1.8p-24) == 2 && HalfFloat.bits(65519) == 0x7BFF && HalfFloat.bits(65505) == 0x7BFF)
  }
}
