/// Makes speech faster or slower without changing its pitch.
///
/// Pieces of 40 ms are laid closer together or further apart than they were, and fade over into each other for 20 ms (WSOLA;
/// W. Verhelst and M. Roelands, ICASSP 1993): each is taken from within 15 ms of where it should come from, where it goes on best
/// from the one before.
package enum TimeStretch {
  /// How many times as fast speech can be made.
  package static let speeds: ClosedRange<Double> = 0.25...4

  /// - Parameters:
  ///   - samples: mono.
  ///   - speed: within ``speeds``; 2 takes half the time, 1 changes nothing.
  /// - Returns: as many samples as there were, divided by the speed.
  package static func stretched(_ samples: [Float], speed: Double, sampleRateHz: Int) -> [Float] {
    precondition(speeds.contains(speed), "speech cannot be made \(speed) times as fast")
    let count = Int((Double(samples.count) / speed).rounded())
    if speed == 1 { return samples }
    if count == 0 { return [] }
    let fade = max(8, sampleRateHz / 50)
    let (piece, reach) = (2 * fade, sampleRateHz * 15 / 1000)
    // The last pieces are completed by silence.
    let padded = samples + Array(repeating: 0, count: 2 * piece + reach)
    var result = Array(padded.prefix(piece))
    result.reserveCapacity(count + piece)
    var expected = piece - fade  // where the piece laid last goes on
    while result.count < count + fade {
      let laid = result.count - fade
      let ideal = min(Int((Double(laid) * speed).rounded()), samples.count)
      let from = likeliest(padded, max(0, ideal - reach)...ideal + reach, like: expected, length: fade)
      for index in 0..<fade {
        let share = (Float(index) + 0.5) / Float(fade)
        result[laid + index] += share * (padded[from + index] - result[laid + index])
      }
      result += padded[from + fade..<from + piece]
      expected = from + piece - fade
    }
    return Array(result.prefix(count))
  }

  /// The start of the stretch that is most like another one; of equals the first.
  private static func likeliest(_ samples: [Float], _ starts: ClosedRange<Int>, like other: Int, length: Int) -> Int {
    unsafe samples.withUnsafeBufferPointer { samples in
      var (best, bestValue) = (starts.lowerBound, -Float.infinity)
      for start in starts {
        var (product, energy) = (SIMD8<Float>.zero, SIMD8<Float>.zero)
        for index in stride(from: 0, to: length - 7, by: 8) {
          let (a, b) = unsafe (octet(samples, other + index), octet(samples, start + index))
          product += a * b
          energy += b * b
        }
        let value = product.sum() / (energy.sum() + 1e-9).squareRoot()
        if value > bestValue { (best, bestValue) = (start, value) }
      }
      return best
    }
  }

  private static func octet(_ samples: UnsafeBufferPointer<Float>, _ start: Int) -> SIMD8<Float> {
    unsafe UnsafeRawPointer(samples.baseAddress! + start).loadUnaligned(as: SIMD8<Float>.self)
  }
}
