/// A reproducible stream of random numbers: xoshiro256** 1.0, its state filled by SplitMix64.
///
/// Every generated sequence owns one stream, chosen by (seed, number). What a sequence draws therefore does not
/// depend on the batch it runs in, on the order of admission or on the number of threads.
///
/// Blackman and Vigna, "Scrambled linear pseudorandom number generators", ACM TOMS 47 (2021), and the public-domain C
/// sources at prng.di.unimi.it.
package struct RandomStream: RandomNumberGenerator, Hashable, Sendable {
  private var s0: UInt64
  private var s1: UInt64
  private var s2: UInt64
  private var s3: UInt64

  package init(seed: UInt64, number: UInt64 = 0) {
    // The number passes through the mixer once, so that streams 0, 1, 2 ... of one seed share no state words.
    var numbers = SplitMix64(state: number)
    var words = SplitMix64(state: seed ^ numbers.next())
    (s0, s1, s2, s3) = (words.next(), words.next(), words.next(), words.next())
    if s0 | s1 | s2 | s3 == 0 { s0 = 1 }  // the one forbidden state
  }

  package mutating func next() -> UInt64 {
    let product = s1 &* 5
    let result = ((product << 7) | (product >> 57)) &* 9
    let shifted = s1 << 17
    s2 ^= s0
    s3 ^= s1
    s1 ^= s2
    s0 ^= s3
    s2 ^= shifted
    s3 = (s3 << 45) | (s3 >> 19)
    return result
  }

  /// A number in 0..<1 with 53 random bits.
  package mutating func uniform() -> Double {
    Double(next() >> 11) * 0x1p-53
  }

  private struct SplitMix64 {
    var state: UInt64

    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var z = state
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      return z ^ (z >> 31)
    }
  }
}
