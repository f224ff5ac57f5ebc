import Foundation
import MioKernels
import Testing

/// Signal-to-noise ratios of the quantized formats, per kind of weights, against a 4-bit block format of equal size.
@Suite struct QuantizationQualityTests {
  enum Weights: CaseIterable {
    /// As trained matrices mostly are.
    case gaussian
    /// Student's t with five degrees of freedom: a few large weights among many small ones.
    case heavyTailed

    func values(_ count: Int) -> [Float] {
      var random = TestGenerator(seed: 21)
      return (0..<count).map { _ in
        let value = Self.gaussian(&random)
        guard self == .heavyTailed else { return Float(value * 0.02) }
        let square = (0..<5).reduce(0.0) { sum, _ in sum + pow(Self.gaussian(&random), 2) }
        return Float(value / (square / 5).squareRoot() * 0.02)
      }
    }

    private static func gaussian(_ random: inout TestGenerator) -> Double {
      (-2 * log(Double.random(in: 1e-12..<1, using: &random))).squareRoot()
        * cos(2 * .pi * Double.random(in: 0..<1, using: &random))
    }
  }

  /// 10 log10(Σ w² / Σ (w - ŵ)²).
  static func decibels(_ original: [Float], _ restored: [Float]) -> Double {
    let signal = original.reduce(0.0) { $0 + Double($1) * Double($1) }
    let noise = zip(original, restored).reduce(0.0) { $0 + pow(Double($1.0) - Double($1.1), 2) }
    return 10 * log10(signal / noise)
  }

  static func decibels(_ format: WeightFormat, _ weights: Weights) -> Double {
    let (rows, columns) = (64, 1024)
    let values = weights.values(rows * columns)
    let matrix = packed(values, rows: rows, columns: columns, format)
    return decibels(values, (0..<rows).flatMap { matrix.row($0) })
  }

  /// The usual uniform format of 4.5 bits: blocks of 32, scale = extreme / -8, values -8...7.
  static func uniformDecibels(_ weights: Weights) -> Double {
    let values = weights.values(64 * 1024)
    var restored: [Float] = []
    for start in stride(from: 0, to: values.count, by: 32) {
      let block = values[start..<start + 32]
      let extreme = block.max { abs($0) < abs($1) } ?? 0
      let scale = HalfFloat.float(HalfFloat.bits(extreme / -8))
      restored += block.map { min(15, ($0 / scale + 8.5).rounded(.down)) - 8 }.map { $0 * scale }
    }
    return decibels(values, restored)
  }

  // Measured: q4 22.74 and 21.50 dB, the uniform format 21.33 and 19.35; q8 45.46 and 43.37 dB.
  @Test func `q4 beats a uniform format of equal size`() {
    #expect(Self.decibels(.q4, .gaussian) > Self.uniformDecibels(.gaussian) + 1.2)
    #expect(Self.decibels(.q4, .heavyTailed) > Self.uniformDecibels(.heavyTailed) + 1.8)
  }

  @Test func `keeps its signal-to-noise ratios`() {
    #expect(Self.decibels(.q4, .gaussian) > 22.6)
    #expect(Self.decibels(.q4, .heavyTailed) > 21.2)
    #expect(Self.decibels(.q8, .gaussian) > 45.2)
    #expect(Self.decibels(.q8, .heavyTailed) > 43)
  }
}
