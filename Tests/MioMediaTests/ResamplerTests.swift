import Foundation
import MioMedia
import MioTestSupport
import Testing

@Suite struct ResamplerTests {
  /// Name of an oracle clip: `{rate}_{samples}`.
  static let clips = [
    "44100_4410", "44100_3001", "22050_2205", "22050_1999", "48000_4801", "8000_801", "24000_2400", "11025_1103",
    "96000_4803", "16000_500",
  ]

  /// Max abs. The reference evaluates its filter in single precision, which moves its output by up to 1e-5.
  static let tolerance: Float = 3e-5

  static func clip(_ name: String) throws -> (rate: Int, input: [Float], output: [Float]) {
    let goldens = try GoldenTensors(Goldens.speech("expected/resample.safetensors"))
    let rate = Int(name.prefix { $0 != "_" }) ?? 0
    return (rate, try goldens.floats("\(name)/in"), try goldens.floats("\(name)/out"))
  }

  @Test(arguments: clips) func `agrees with the reference`(name: String) throws {
    let clip = try Self.clip(name)
    let output = Resampler.resample(clip.input, from: clip.rate, to: 16_000)
    #expect(output.count == clip.output.count)
    #expect(largestDifference(output, clip.output) < Self.tolerance)
  }

  @Test(arguments: clips) func `gives the same bits however the clip is cut`(name: String) throws {
    let clip = try Self.clip(name)
    let whole = Resampler.resample(clip.input, from: clip.rate, to: 16_000)
    var resampler = Resampler(from: clip.rate, to: 16_000)
    for block in [1, 13, 500, 4096] {
      var output: [Float] = []
      for start in stride(from: 0, to: clip.input.count, by: block) {
        output += resampler.push(Array(clip.input[start..<min(start + block, clip.input.count)]))
      }
      output += resampler.finish()
      #expect(output == whole, "blocks of \(block)")
    }
  }

  @Test(arguments: [
    (1_000, 0), (1_000, 1), (7_919, 3), (44_100, 1), (768_000, 1), (767_999, 100), (16_000, 0), (192_000, 11),
  ])
  func `gives ceil(n b / a) samples of any clip`(rate: Int, count: Int) {
    let output = Resampler.resample([Float](repeating: 0.5, count: count), from: rate, to: 16_000)
    #expect(output.count == (count * 16_000 + rate - 1) / rate)
  }

  @Test(arguments: [(44_100, 16_000), (8_000, 16_000), (16_000, 44_100), (31_337, 16_000)])
  func `matches the formula evaluated tap by tap`(from: Int, to: Int) {
    var generator = SystemRandomNumberGenerator()
    let seed = UInt64.random(in: 0...UInt64.max, using: &generator)
    var state = seed
    let input: [Float] = (0..<300).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Float(Int32(truncatingIfNeeded: state >> 32)) / 2_147_483_648
    }
    let output = Resampler.resample(input, from: from, to: to)
    let expected = Self.formula(input, from: from, to: to)
    #expect(largestDifference(output, expected) < 1e-6, "seed \(seed)")
  }

  static func formula(_ x: [Float], from: Int, to: Int) -> [Float] {
    var (u, v) = (from, to)
    while v != 0 { (u, v) = (v, u % v) }
    let (a, b) = (from / u, to / u)
    let base = Double(min(a, b)) * 0.99
    let width = Int((6 * Double(a) / base).rounded(.up))
    return (0..<((x.count * b + a - 1) / a)).map { m in
      let (q, j) = (m / b, m % b)
      var sum = 0.0
      for i in -width..<(width + a) where x.indices.contains(q * a + i) {
        let t = min(max((Double(i) / Double(a) - Double(j) / Double(b)) * base, -6), 6)
        let sinc = t == 0 ? 1 : sin(.pi * t) / (.pi * t)
        let cosine = cos(.pi * t / 12)
        sum += cosine * cosine * sinc * base / Double(a) * Double(x[q * a + i])
      }
      return Float(sum)
    }
  }

  @Test func `keeps a tone's frequency and level`() {
    let tone = { (rate: Int, count: Int) in (0..<count).map { Float(sin(2 * .pi * 440 * Double($0) / Double(rate))) } }
    let output = Resampler.resample(tone(44_100, 44_100), from: 44_100, to: 16_000)
    let expected = tone(16_000, 16_000)
    #expect(largestDifference(Array(output[100..<15_900]), Array(expected[100..<15_900])) < 2e-3)
  }
}
