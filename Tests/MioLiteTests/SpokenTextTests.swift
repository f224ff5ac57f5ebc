import Foundation
import MioTestSupport
import Testing

/// What a file says about the speech of its model: the characters it was taught, the longest word, the silent end, the longest
/// recording.
@Suite struct SpokenTextTests {
  /// The small checkpoint with settings of its own, packed once.
  private static let packed = Swift.Result {
    try pack(
      #""characters": "abcdefghijklmnopqrstuvwxyz .,", "letters_per_word": 12, "silence_level": 100, "seconds_per_window": 3"#)
  }

  private static func pack(_ own: String) throws -> (TemporaryFolder, String) {
    let folder = try TemporaryFolder()
    let checkpoint = folder.url.appendingPathComponent("checkpoint")
    try FileManager.default.copyItem(at: Goldens.speech("tiny-mio"), to: checkpoint)
    let settings = #"{"mio_lite": {\#(own)}}"#
    try Data(settings.utf8).write(to: checkpoint.appendingPathComponent("generation_config.json"))
    let result = try Program.run(["convert", checkpoint.path, "-o", folder.path("limited.mio"), "-q"])
    #expect(result.status == 0, "\(result.notes)")
    return (folder, folder.path("limited.mio"))
  }

  private func speak(_ text: String, model: String? = nil) throws -> Program.Result {
    try Program.run(
      ["tts", text, "--raw", "--seed", "2", "--max-tokens", "402", "-m", model ?? Self.packed.get().1])
  }

  @Test func `other characters are replaced by known ones or left out, with a note`() throws {
    let plain = try speak("a cafe, and so on")
    #expect(plain.status == 0, "\(plain.notes)")
    #expect(!plain.notes.contains("left out"))
    let accented = try speak("a café, and so on")
    #expect(accented.output == plain.output)
    #expect(!accented.notes.contains("left out"))
    let mixed = try speak("a café, 你 and so on")
    #expect(mixed.output == plain.output)
    #expect(mixed.notes.contains("left out") && mixed.notes.contains("你"))
  }

  @Test(arguments: ["你好", "… 123"]) func `a text without known letters is refused`(text: String) throws {
    let result = try speak(text)
    #expect(result.status == 2)
    #expect(result.notes.contains("nothing to say"))
    #expect(result.output.isEmpty)
  }

  @Test func `a run of letters that is no word is left out, with a note`() throws {
    let run = String(repeating: "a", count: 10_000)
    let result = try speak("well " + run)
    let plain = try speak("well")
    #expect(result.status == 0 && result.output == plain.output)
    #expect(result.notes.contains("10000 characters"))
    let alone = try speak(run)
    #expect(alone.status == 2 && alone.notes.contains("10000 characters"))
  }

  @Test func `silence at the end is left out, but for 60 ms`() throws {
    // The untrained model never gets as loud as that, so all of its speech is silence.
    let whole = try speak("a cafe, and so on", model: PackedModel.standard)
    let cut = try speak("a cafe, and so on")
    #expect(cut.output.count == 2 * 960)
    #expect(whole.output.count > cut.output.count && whole.output.starts(with: cut.output))
  }

  @Test func `a file without such settings speaks everything`() throws {
    let result = try speak("你好", model: PackedModel.standard)
    #expect(result.status == 0, "\(result.notes)")
    #expect(!result.output.isEmpty && !result.notes.contains("left out"))
  }

  private struct Transcript: Decodable {
    struct Segment: Decodable {
      let start: Double
      let end: Double
    }
    let segments: [Segment]
  }

  /// The windows of a sentence said three times within 6 seconds, each cut off after `pause` seconds, before silence.
  private func windows(model: String, pause: Double) throws -> [Transcript.Segment] {
    let folder = try TemporaryFolder()
    let rate = 16_000
    let sentence = try Program.run(["tts", "good morning to you all my friends", "--seed", "2", "--raw"]).output
    try #require(sentence.count > 2 * 2 * rate, "a sentence of more than 2 seconds")
    let spoken = 2 * Int(pause * Double(rate))
    let samples = (0..<3).flatMap { _ in sentence.prefix(spoken) + [UInt8](repeating: 0, count: 4 * rate - spoken) }
    try Data(BadInput.wave(samples, rate: UInt32(rate))).write(to: folder.url.appendingPathComponent("a.wav"))
    let result = try Program.run(["asr", "--json", folder.path("a.wav"), "-m", model, "--beams", "1", "--max-tokens", "2"])
    #expect(result.status == 0, "\(result.notes)")
    return try JSONDecoder().decode(Transcript.self, from: Data(result.output)).segments
  }

  @Test func `a recording is cut in its pauses into windows of the length that the model knows`() throws {
    // Pauses of 0.2 s are cut only where the window would become too long.
    let cut = try windows(model: Self.packed.get().1, pause: 1.8)
    #expect(cut.count == 3)
    #expect((1.7...2).contains(cut[0].end) && (3.7...4).contains(cut[1].end))
    #expect(cut.map(\.start) == [0] + cut.dropLast().map(\.end))
    let whole = try windows(model: PackedModel.standard, pause: 1.8)
    #expect(whole.count == 1 && whole[0].start == 0 && abs(whole[0].end - 5.9) < 0.1, "\(whole)")
  }

  @Test func `what is between words is left out`() throws {
    let cut = try windows(model: PackedModel.standard, pause: 1.4)
    #expect(cut.count == 3)
    for (index, segment) in cut.enumerated() {
      #expect(abs(segment.start - Double(2 * index)) < 0.1 && abs(segment.end - Double(2 * index) - 1.45) < 0.1, "\(segment)")
    }
  }

  @Test(arguments: ["1", "61", "1e300"]) func `a file with impossible windows is refused`(_ seconds: String) throws {
    let (folder, model) = try Self.pack("\"seconds_per_window\": \(seconds)")
    let sound = Goldens.speech("expected/audio/reference_output.wav").path
    let result = try Program.run(["asr", sound, "-m", model])
    #expect(result.status == 2 && result.notes.contains("seconds_per_window"), "\(result.notes)")
    withExtendedLifetime(folder) {}
  }
}
