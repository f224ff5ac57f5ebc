import Foundation
import MioTestSupport
import Testing

/// What a file says about the speech of its model: the characters it was taught, the longest word, the silent end.
@Suite struct SpokenTextTests {
  /// The small checkpoint with settings of its own, packed once.
  private static let packed = Swift.Result { () throws -> (TemporaryFolder, String) in
    let folder = try TemporaryFolder()
    let checkpoint = folder.url.appendingPathComponent("checkpoint")
    try FileManager.default.copyItem(at: Goldens.speech("tiny-mio"), to: checkpoint)
    let settings = #"{"mio_lite": {"characters": "abcdefghijklmnopqrstuvwxyz .,", "letters_per_word": 12, "silence_level": 100}}"#
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

  @Test func `a run of letters that is no word is refused`() throws {
    let result = try speak("well " + String(repeating: "a", count: 10_000))
    #expect(result.status == 2)
    #expect(result.notes.contains("10000 characters"))
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
}
