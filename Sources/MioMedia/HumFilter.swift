#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Butterworth filters of eighth order: what lies below 65 Hz, the hum of the mains and rumble, or above 85 Hz, where voices begin.
package struct HumFilter: Sendable {
  package enum Band: Sendable {
    case below, above
  }

  /// One biquad (R. Bristow-Johnson, "Cookbook formulae for audio EQ biquad filter coefficients"), in transposed direct form II.
  private struct Section: Sendable {
    private let b0, b1, b2, a1, a2: Double
    private var (first, second) = (0.0, 0.0)

    init(_ band: Band, quality: Double, sampleRateHz: Int) {
      let angle = 2 * Double.pi * min((band == .below ? 65 : 85) / Double(sampleRateHz), 0.45)
      let (c, alpha) = (cos(angle), sin(angle) / (2 * quality))
      let (side, middle) = band == .below ? ((1 - c) / 2, 1 - c) : ((1 + c) / 2, -(1 + c))
      (b0, b1, b2) = (side / (1 + alpha), middle / (1 + alpha), side / (1 + alpha))
      (a1, a2) = (-2 * c / (1 + alpha), (1 - alpha) / (1 + alpha))
    }

    mutating func filter(_ x: Double) -> Double {
      let y = b0 * x + first
      first = b1 * x - a1 * y + second
      second = b2 * x - a2 * y
      return y
    }
  }

  private var sections: [Section]

  package init(_ band: Band, sampleRateHz: Int) {
    sections = [0.509_796, 0.601_345, 0.899_976, 2.562_915].map { Section(band, quality: $0, sampleRateHz: sampleRateHz) }
  }

  package mutating func filter(_ sample: Double) -> Double {
    var value = sample
    for index in sections.indices { value = sections[index].filter(value) }
    return value
  }

  package mutating func filter(_ samples: [Float]) -> [Float] { samples.map { Float(filter(Double($0))) } }
}
