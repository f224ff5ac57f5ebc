import Foundation
import MioMedia
import Testing

/// What is done to sound before it is listened to: channels, offsets, levels, and where there may be speech.
@Suite struct ListeningTests {
  private static let rate = 16_000

  /// Syllables of a voice of 120 Hz: a fifth of a second each, with pauses of a tenth.
  static func syllables(seconds: Double, level: Float = 0.1) -> [Float] {
    (0..<Int(seconds * Double(rate))).map { index in
      let second = Double(index) / Double(rate)
      let place = second.truncatingRemainder(dividingBy: 0.3)
      guard place < 0.2 else { return 0 }
      let pulse = (1...8).reduce(0.0) { $0 + sin(2 * .pi * 120 * Double($1) * second) / Double($1) }
      return level * Float(pulse * sin(.pi * place / 0.2))
    }
  }

  /// Numbers without pattern in -1...1.
  static func noise(seconds: Double, seed: UInt64 = 1) -> [Float] {
    var state = seed
    return (0..<Int(seconds * Double(rate))).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Float(Int64(bitPattern: state) >> 40) / Float(1 << 23)
    }
  }

  private func mix(_ channels: [[Float]]) -> ListeningMix {
    var survey = SoundSurvey(channelCount: channels.count, sampleRateHz: Self.rate)
    survey.push(channels[0].indices.flatMap { index in channels.map { $0[index] } }[...])
    return survey.mix
  }

  @Test func `equal channels are mixed to their mean, and nothing is said`() {
    let voice = Self.syllables(seconds: 2)
    #expect(mix([voice]).isPlain)
    #expect(mix([voice, voice]).isPlain)
    #expect(mix([voice, voice.map { $0 * 0.5 }]).isPlain)
  }

  @Test func `of channels that cancel each other, the louder one is heard`() {
    let voice = Self.syllables(seconds: 2)
    for factor: Float in [-1, -0.8] {
      var chosen = mix([voice.map { $0 * factor }, voice])
      #expect(chosen.gains == (factor == -1 ? [1, 0] : [0, 1]))
      #expect(chosen.remarks.count == 1 && chosen.remarks[0].contains("2 channels"))
    }
  }

  @Test(arguments: 0..<6) func `silent channels do not make the others quiet`(live: Int) {
    let voice = Self.syllables(seconds: 2)
    let hiss = Self.noise(seconds: 2).map { $0 * 1e-4 }
    let channels = (0..<6).map { $0 == live ? voice : hiss }
    var chosen = mix(channels)
    #expect(chosen.gains == (0..<6).map { $0 == live ? 1 : 0 })
    let heard = chosen.mixedDown(voice.indices.flatMap { index in channels.map { $0[index] } }[...])
    #expect(heard == voice)
  }

  @Test(arguments: [Float(0.005), -0.005, 0.3]) func `an offset is removed, the asymmetry of a voice is not`(offset: Float) {
    let voice = zip(Self.syllables(seconds: 2), Self.noise(seconds: 2)).map { ($0 > 0 ? $0 * 1.3 : $0) + $1 * 1e-4 }
    #expect(mix([voice]).isPlain)
    let chosen = mix([voice.map { $0 + offset }])
    #expect(abs(chosen.offsets[0] - offset) < 1e-4)
    #expect(chosen.remarks.count == 1 && chosen.remarks[0].contains("offset"))
  }

  @Test(arguments: [Float(32767), 8_388_607, 2_147_483_647]) func `integers in floats are scaled`(range: Float) {
    let voice = Self.syllables(seconds: 2)
    let peak = voice.map(abs).max() ?? 1
    let chosen = mix([voice.map { $0 / peak * range }])
    #expect(abs(chosen.gains[0] * range - 1) < 0.01)
  }

  @Test(arguments: [Float(-50), -15, 12]) func `speech is brought to its level, however loud it is`(decibels: Float) {
    let voice = Self.syllables(seconds: 2) + [Float](repeating: 0, count: 32_000)
    let wanted = SpeechLevel(wanted: -20, tolerance: 1.5)
    let usual = wanted.applied(to: voice, sampleRateHz: Self.rate)
    let factor = Float(pow(10, Double(decibels) / 20))
    let other = wanted.applied(to: usual.map { $0 * factor }, sampleRateHz: Self.rate)
    #expect(wanted.gain(for: usual, sampleRateHz: Self.rate).factor == 1)
    #expect(zip(usual, other).allSatisfy { abs($0 - $1) < 1e-4 })
    #expect(wanted.gain(for: [0, 0, 0], sampleRateHz: Self.rate).factor == 1)
  }

  private func verdicts(_ samples: [Float], block: Int = .max) -> [VoiceActivity.Verdict] {
    var activity = VoiceActivity(sampleRateHz: Self.rate)
    var verdicts: [VoiceActivity.Verdict] = []
    var start = 0
    while start < samples.count {
      let end = samples.count - start < block ? samples.count : start + block
      verdicts += activity.push(Array(samples[start..<end]))
      start = end
    }
    return verdicts + activity.finish()
  }

  @Test(arguments: [1, 77, 160, 4096]) func `however a stream is cut, the verdicts are the same`(block: Int) {
    let samples = Self.syllables(seconds: 1.5) + Self.noise(seconds: 1).map { $0 * 0.01 } + Self.syllables(seconds: 2)
    let whole = verdicts(samples)
    #expect(verdicts(samples, block: block) == whole)
    #expect(whole.count == 450)
  }

  @Test func `syllables stand out of silence and of noise, at any level`() {
    let voice = [Float](repeating: 0, count: 32_000) + Self.syllables(seconds: 3) + [Float](repeating: 0, count: 32_000)
    for level: Float in [1, 0.1, 0.001] {
      for hiss: Float in [0, 0.01] {
        let noise = Self.noise(seconds: 7)
        let found = verdicts(zip(voice, noise).map { ($0 + $1 * hiss) * level }).map(\.isSpeech)
        #expect(found[..<195].allSatisfy { !$0 } && found[505..<660].allSatisfy { !$0 })
        #expect(found[200..<500].count { $0 } > 150)
      }
    }
  }

  @Test func `noise, tones and hums are steady`() {
    for level: Float in [1, 0.01] {
      #expect(verdicts(Self.noise(seconds: 6).map { $0 * level })[10...].allSatisfy { !$0.isSpeech })
      for frequency in [50.0, 440] {
        let tone = (0..<6 * Self.rate).map { level * Float(sin(2 * .pi * frequency * Double($0) / Double(Self.rate))) }
        #expect(verdicts(tone)[50..<550].allSatisfy { !$0.isSpeech })
      }
    }
  }
}
