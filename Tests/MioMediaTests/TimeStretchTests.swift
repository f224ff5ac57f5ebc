import MioMedia
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

@Suite struct TimeStretchTests {
  private static let rate = 16_000

  private static func tone(_ hertz: Double, seconds: Double) -> [Float] {
    (0..<Int(seconds * Double(rate))).map { Float(0.5 * sin(2 * .pi * hertz * Double($0) / Double(rate))) }
  }

  /// Rises through zero, per second.
  private static func pitch(_ samples: ArraySlice<Float>) -> Double {
    Double(zip(samples, samples.dropFirst()).count { $0 < 0 && $1 >= 0 }) * Double(rate) / Double(samples.count)
  }

  @Test(arguments: [0.25, 0.5, 0.8, 1.25, 2, 4]) func `changes the length and keeps the pitch`(speed: Double) {
    let samples = Self.tone(220, seconds: 2)
    let stretched = TimeStretch.stretched(samples, speed: speed, sampleRateHz: Self.rate)
    #expect(stretched.count == Int((Double(samples.count) / speed).rounded()))
    let middle = stretched[stretched.count / 8..<stretched.count * 7 / 8]
    #expect(abs(Self.pitch(middle) - 220) < 5)
    let loudest = middle.map(abs).max() ?? 0
    #expect((0.45...0.55).contains(loudest))
  }

  @Test func `a speed of 1 changes nothing`() {
    let samples = Self.tone(220, seconds: 0.1)
    #expect(TimeStretch.stretched(samples, speed: 1, sampleRateHz: Self.rate) == samples)
  }

  @Test(arguments: [0, 1, 2, 100, 320, 641]) func `short sounds keep their share`(count: Int) {
    for speed in [0.25, 0.9, 3] {
      let stretched = TimeStretch.stretched(Array(repeating: 0.25, count: count), speed: speed, sampleRateHz: Self.rate)
      #expect(stretched.count == Int((Double(count) / speed).rounded()))
      #expect(stretched.allSatisfy { abs($0) <= 0.26 })
    }
  }
}
