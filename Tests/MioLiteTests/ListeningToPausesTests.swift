import Foundation
import MioLite
import MioLiteDemo
import MioTestSupport
import Testing

/// What is written down of recordings as people have them: with pauses, silence and noise, at any level.
@Suite struct ListeningToPausesTests {
  private static let phrases = ["good morning", "this is a test", "seven", "monday", "september"]

  /// The demo model, and what it says.
  private static let spoken = Task {
    let model = try DemoModel.open()
    var recordings: [Audio] = []
    for phrase in phrases {
      recordings.append(try await model.speak(phrase, options: SpeechOptions(sampling: Sampling(seed: 1))))
    }
    return (model, recordings)
  }

  private func transcript(_ samples: [Float]) async throws -> Transcript {
    try await Self.spoken.value.0.transcribe(Audio(samples: samples, sampleRateHz: 16_000))
  }

  private func silence(_ seconds: Double) -> [Float] { Array(repeating: 0, count: Int(seconds * 16_000)) }

  @Test(arguments: [0.5, 0.7, 1, 1.3, 2, 3.1, 5, 8]) func `no words are lost or added at pauses`(pause: Double) async throws {
    let recordings = try await Self.spoken.value.1
    var samples: [Float] = []
    var starts: [Double] = []
    for recording in recordings {
      if !samples.isEmpty { samples += silence(pause) }
      starts.append(Double(samples.count) / 16_000)
      samples += recording.samples
    }
    let transcript = try await transcript(samples)
    #expect(transcript.text == Self.phrases.joined(separator: " "))
    #expect(transcript.segments.count == Self.phrases.count)
    for (segment, start) in zip(transcript.segments, starts) { #expect(abs(segment.start - start) < 0.2) }
    for (segment, next) in zip(transcript.segments, transcript.segments.dropFirst()) { #expect(segment.end <= next.start) }
  }

  @Test func `silence around speech changes nothing`() async throws {
    let recording = try await Self.spoken.value.1[1].samples
    for (before, after) in [(3.0, 0.0), (0, 3), (7, 7)] {
      #expect(try await transcript(silence(before) + recording + silence(after)).text == "this is a test")
    }
  }

  @Test(arguments: [-50, -30, -15, -6, 6, 12]) func `the level does not matter`(decibels: Int) async throws {
    let recordings = try await Self.spoken.value.1
    let factor = Float(pow(10, Double(decibels) / 20))
    for (phrase, recording) in zip(Self.phrases, recordings) {
      #expect(try await transcript(recording.samples.map { $0 * factor }).text == phrase)
    }
  }

  @Test(arguments: [50.0, 60.0], [0.01, 0.02, 0.1]) func `the hum of the mains does not matter`(pitch: Double, level: Double)
    async throws
  {
    let recordings = try await Self.spoken.value.1
    for (phrase, recording) in zip(Self.phrases, recordings).prefix(3) {
      let samples = recording.samples.enumerated().map { index, sample in
        sample + Float(level * sin(2 * Double.pi * pitch * Double(index) / 16_000))
      }
      #expect(try await transcript(samples).text == phrase)
    }
  }

  @Test(arguments: [Float(0.005), -0.05]) func `an offset does not matter`(offset: Float) async throws {
    let recordings = try await Self.spoken.value.1
    for (phrase, recording) in zip(Self.phrases, recordings) {
      #expect(try await transcript(recording.samples.map { $0 + offset }).text == phrase)
      #expect(try await transcript(recording.samples.map { ($0 + offset) * 32767 }).text == phrase)
    }
  }

  @Test(arguments: [1, 2, 50, 159, 160, 319, 320]) func `a clip too short for a word has no words`(count: Int) async throws {
    let clip = (0..<count).map { Float($0 * 7919 % 101) / 101 - 0.5 }
    #expect(try await transcript(clip).segments.isEmpty)
  }

  @Test func `silence and noise have no words, and the program says so`() async throws {
    var state: UInt32 = 1
    let noise = (0..<64_000).map { _ in
      state = state &* 1_664_525 &+ 1_013_904_223
      return Float(state >> 8) / Float(1 << 23) - 1
    }
    for level: Float in [0, 0.001, 0.1, 1] {
      #expect(try await transcript(noise.map { $0 * level }).segments.isEmpty)
      #expect(try await transcript(silence(1) + noise[..<16_000].map { $0 * level } + silence(1)).segments.isEmpty)
    }
    let folder = try TemporaryFolder()
    let file = folder.path("noise.wav")
    try Audio(samples: noise, sampleRateHz: 16_000).write(to: URL(fileURLWithPath: file))
    let result = try Program.run(["asr", file])
    #expect(result.status == 0 && result.text == "\n")
    #expect(result.notes.contains("no speech"))
  }

  /// Numbers in -1...1 that are the same in every run.
  private struct Randomness {
    var state: UInt32

    mutating func next() -> Float {
      state = state &* 1_664_525 &+ 1_013_904_223
      return Float(state >> 8) / Float(1 << 23) - 1
    }

    mutating func next(_ range: ClosedRange<Float>) -> Float {
      range.lowerBound + (range.upperBound - range.lowerBound) * (next() + 1) / 2
    }
  }

  /// Sounds that come and go, as speech does, and are none.
  private static func noise(_ kind: String, _ random: inout Randomness) -> [Float] {
    var samples = [Float](repeating: 0, count: 6 * 16_000)
    func add(_ sound: [Float], at start: Int) {
      for (index, sample) in sound.enumerated() where start + index < samples.count { samples[start + index] += sample }
    }
    func tone(_ frequency: (Int) -> Float, _ count: Int, harmonics: Int, _ envelope: (Int) -> Float) -> [Float] {
      var phase: Float = 0
      return (0..<count).map { index in
        phase += frequency(index) / 16_000
        let sum = (1...harmonics).reduce(Float(0)) { $0 + sin(2 * .pi * phase * Float($1)) / Float($1) }
        return sum * envelope(index)
      }
    }
    var position = 0
    while position < samples.count {
      switch kind {
      case "typing":
        add((0..<480).map { random.next() * exp(-Float($0) / 80) }, at: position)
        position += Int(random.next(2000...7000))
      case "melody":
        let note = [261.6, 293.7, 329.6, 392, 440][Int(random.next(0...4.99))] as Float
        add(tone({ _ in note }, 8000, harmonics: 6) { exp(-Float($0) / 5000) * min(1, Float($0) / 80) }, at: position)
        position += [2667, 5333][Int(random.next(0...1.99))]
      default:
        let low = [697, 770, 852][Int(random.next(0...2.99))] as Float
        add(tone({ _ in low }, 2400, harmonics: 1) { _ in 0.5 }, at: position)
        add(tone({ _ in 1336 }, 2400, harmonics: 1) { _ in 0.5 }, at: position)
        position += 4000
      }
    }
    return samples
  }

  /// Lost words are worse than a bird that is taken for one.
  @Test func `short words of every reading are speech`() throws {
    let folder = try TemporaryFolder()
    for seed in 1...12 {
      _ = try Program.run(["tts", "hello world", "--seed", "\(seed)", "-o", folder.path("\(seed).wav"), "-q"])
    }
    let result = try Program.run(["asr"] + (1...12).map { folder.path("\($0).wav") })
    #expect(result.text == String(repeating: "hello world\n", count: 12), "\(result.notes)")
  }

  @Test(arguments: ["typing", "melody", "dialing"]) func `what comes and goes need not be speech`(
    kind: String
  ) async throws {
    var random = Randomness(state: 7)
    for level: Float in [0.02, 0.3] {
      let noise = Self.noise(kind, &random).map { $0 * level + random.next() * 0.0003 }
      #expect(try await transcript(noise).segments.isEmpty, "\(kind) at \(level)")
    }
  }

  @Test func `what is done to the sound is said on request`() async throws {
    let folder = try TemporaryFolder()
    let file = folder.path("quiet.wav")
    let quiet = try await Self.spoken.value.1[0].samples.map { $0 * 0.1 + 0.01 }
    try Audio(samples: quiet, sampleRateHz: 16_000).write(to: URL(fileURLWithPath: file))
    let told = try Program.run(["asr", "-v", file])
    #expect(told.text == "good morning\n")
    #expect(told.notes.contains("offset") && told.notes.contains("speech is raised by"), "\(told.notes)")
    #expect(try Program.run(["asr", file]).notes.isEmpty)
  }
}
