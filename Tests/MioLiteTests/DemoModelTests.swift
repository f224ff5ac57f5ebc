import Foundation
import MioTestSupport
import Testing

/// What the shipped model can do, through the program and with the file's own settings.
@Suite struct DemoModelTests {
  /// Said and written down again.
  private static let texts = ["good morning", "this is a test", "seven", "monday", "september"]

  @Test func `writes down what it says`() throws {
    let folder = try TemporaryFolder()
    for (index, text) in Self.texts.enumerated() {
      let result = try Program.run(["tts", text, "--seed", "1", "-o", folder.path("\(index).wav")])
      #expect(result.status == 0, "\(result.notes)")
    }
    let result = try Program.run(["asr"] + Self.texts.indices.map { folder.path("\($0).wav") })
    #expect(result.status == 0, "\(result.notes)")
    #expect(result.text.split(separator: "\n").map(String.init) == Self.texts)
  }

  @Test func `speech of many seeds has the length that the words take`() throws {
    for seed in 1...8 {
      let result = try Program.run(["tts", "good morning", "--seed", "\(seed)", "--raw"])
      let seconds = Double(result.output.count) / 2 / 16_000
      #expect((0.5...1.1).contains(seconds), "seed \(seed): \(seconds) s")
    }
  }

  @Test func `refuses what it was not taught to say`() throws {
    for (text, words) in [("你好", "nothing to say"), (String(repeating: "a", count: 10_000), "10000 characters")] {
      let result = try Program.run(["tts", "-", "--raw"], input: Array(text.utf8))
      #expect(result.status == 2)
      #expect(result.notes.contains(words))
      #expect(result.output.isEmpty)
    }
  }

  /// With the demo model, and with one that hands its voice from segment to segment.
  @Test(arguments: [nil, "standard"]) func `the best of several takes is the same however it is found`(model: String?) throws {
    let choice = model == nil ? [] : ["-m", try PackedModel.standard, "--max-tokens", "200"]
    func speech(_ seed: Int, _ options: String...) throws -> [UInt8] {
      let text = "Hello there, my friend. This is a second sentence; and a third one."
      let result = try Program.run(["tts", text, "--seed", "\(seed)", "--raw"] + options + choice)
      #expect(result.status == 0, "\(result.notes)")
      return result.output
    }
    let best = try (1...3).map { try speech($0, "--takes", "4", "-t", "1", "--parallel", "1") }
    #expect(try (1...3).map { try speech($0, "--takes", "4", "-t", "2", "--parallel", "8") } == best)
    #expect(try (1...3).map { try speech($0, "--takes", "1") } != best)
  }

  @Test func `takes fit a small context`() throws {
    let call = ["tts", "This is a test.", "--seed", "1", "--raw", "--takes", "3", "--context", "224", "--parallel", "1"]
    let result = try Program.run(call)
    #expect(result.status == 0, "\(result.notes)")
    #expect(!result.output.isEmpty)
  }

  @Test func `speaks a paragraph whole, with pauses`() throws {
    let text = """
      Good morning. My name is MIO. I am a small model. Can you hear me? The sky is blue and the grass is green. \
      See you tomorrow.
      """
    let result = try Program.run(["tts", text, "--seed", "1", "--raw"])
    #expect(result.status == 0, "\(result.notes)")
    #expect(pauses(in: result.output, longerThan: 0.25) >= 5)
    let seconds = Double(result.output.count) / 2 / 16_000
    #expect((8...14).contains(seconds), "\(seconds) s")
  }

  /// Stretches of near silence between sounds in raw 16-bit samples of 16 kHz.
  private func pauses(in bytes: [UInt8], longerThan seconds: Double) -> Int {
    var (count, silent) = (0, 0)
    for index in stride(from: 0, to: bytes.count - 1, by: 2) {
      if abs(Int(Int16(truncatingIfNeeded: Int(bytes[index]) | Int(bytes[index + 1]) << 8))) < 330 {
        silent += 1
      } else {
        if Double(silent) > seconds * 16_000 { count += 1 }
        silent = 0
      }
    }
    return count
  }
}
