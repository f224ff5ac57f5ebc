import Foundation

/// The generator xoshiro256++ of Blackman and Vigna, seeded from a number and a name so that every tensor has its own
/// stream whatever the order in which tensors are made.
package struct Xoshiro: RandomNumberGenerator {
  private var state: (UInt64, UInt64, UInt64, UInt64)

  package init(seed: UInt64, name: String) {
    // FNV-1a over the name, then splitmix64 to fill the state.
    var mix = name.utf8.reduce(seed ^ 0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    func next() -> UInt64 {
      mix &+= 0x9E37_79B9_7F4A_7C15
      var z = mix
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      return z ^ (z >> 31)
    }
    state = (next(), next(), next(), next())
  }

  @inline(__always)
  package mutating func next() -> UInt64 {
    func rotate(_ x: UInt64, _ count: UInt64) -> UInt64 { (x << count) | (x >> (64 - count)) }
    let result = rotate(state.0 &+ state.3, 23) &+ state.0
    let shifted = state.1 << 17
    state.2 ^= state.0
    state.3 ^= state.1
    state.1 ^= state.2
    state.0 ^= state.3
    state.2 ^= shifted
    state.3 = rotate(state.3, 45)
    return result
  }
}

/// The standard normal distribution in 65,536 equally likely steps: one 16-bit random number is one sample.
///
/// The tails end at 4.3 standard deviations, which is where the largest of some hundred thousand samples lies.
package struct NormalTable: Sendable {
  package let values: [Float]

  package init() {
    values = (0..<65536).map { Float(Self.quantile((Double($0) + 0.5) / 65536)) }
  }

  /// The inverse of the normal distribution function: a start within 4e-4 (Abramowitz and Stegun 1964, 26.2.23), then
  /// Newton steps on `erfc`.
  private static func quantile(_ p: Double) -> Double {
    if p > 0.5 { return -quantile(1 - p) }
    let t = (-2 * log(p)).squareRoot()
    let fraction = (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)))
    var x = fraction - t
    for _ in 0..<3 {
      let error = 0.5 * erfc(-x / 2.0.squareRoot()) - p
      x -= error / (exp(-x * x / 2) / (2 * Double.pi).squareRoot())
    }
    return x
  }
}
