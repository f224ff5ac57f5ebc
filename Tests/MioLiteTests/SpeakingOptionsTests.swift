import Foundation
import MioTestSupport
import Testing

/// Voices, speed, forms and times of `tts`.
@Suite struct SpeakingOptionsTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func speak(_ arguments: String..., environment: [String: String] = [:]) throws -> Program.Result {
    try Program.run(["tts"] + arguments + ["--seed", "1"], environment: environment, in: folder.url)
  }

  @Test func `speed changes the length and not the words`() throws {
    let normal = try speak("this is a test", "--raw").output.count
    for speed in [0.5, 0.8, 1.5] {
      let result = try speak("this is a test", "--speed", "\(speed)", "-o", "out.wav")
      #expect(result.status == 0, "\(result.notes)")
      let count = try folder.bytes("out.wav").count - 44
      #expect(abs(Double(count) * speed - Double(normal)) < 2000)
    }
    #expect(try speak("this is a test", "--speed", "1", "--raw").output.count == normal)
    #expect(try speak("this is a test", "--speed", "1.25", "-o", "out.wav").status == 0)
    #expect(try Program.run(["asr", "out.wav"], in: folder.url).text == "this is a test\n")
  }

  @Test func `bad speeds and voices are refused`() throws {
    let cases = [
      (["--speed", "0"], "0.25"), (["--speed", "9"], "0.25"), (["--voice", "nobody"], "nobody"),
      (["--voice", "none.wav"], "none.wav"), (["--voice", "bad.voice"], "bad.voice"), (["--voice-text", "a"], "--voice"),
      (["--timings", "times.doc"], "times.doc"),
    ]
    for content in ["", "{}", #"{"codes":[[1],[]],"text":"a"}"#, #"{"codes":[[99999]],"text":"a"}"#] {
      try Data(content.utf8).write(to: folder.url.appendingPathComponent("bad.voice"))
      for (arguments, words) in cases {
        let result = try Program.run(["tts", "hello", "--raw"] + arguments, in: folder.url)
        #expect(result.status == 2 && result.output.isEmpty, "\(arguments): \(result.notes)")
        #expect(result.notes.contains(words) || content.contains("99999"), "\(arguments): \(result.notes)")
      }
    }
  }

  @Test(arguments: ["mp3", "opus"]) func `the suffix chooses compressed forms`(suffix: String) throws {
    let result = try speak("this is a test", "-o", "out.\(suffix)")
    #expect(result.status == 0, "\(result.notes)")
    #expect(try folder.bytes("out.\(suffix)").count < 12_000)
    #expect(try Program.run(["asr", "out.\(suffix)"], in: folder.url).text == "this is a test\n")
  }

  @Test func `times of what is said are those of the sound`() throws {
    let text = "This is the first one. And this is the second."
    let sound = try speak(text, "--timings", "times.tsv", "-o", "out.wav")
    #expect(sound.status == 0, "\(sound.notes)")
    let lines = try String(decoding: folder.bytes("times.tsv"), as: UTF8.self).split(separator: "\n").map {
      $0.split(separator: "\t")
    }
    #expect(lines.count == 3 && lines[1][2] == "This is the first one." && lines[1][0] == "0" && lines[2][0] == lines[1][1])
    let milliseconds = try (folder.bytes("out.wav").count - 44) / 32
    #expect(abs((Int(lines[2][1]) ?? 0) - milliseconds) <= 1)
    for suffix in ["srt", "vtt", "json"] {
      #expect(try speak(text, "--timings", "times.\(suffix)", "--raw").output.count == folder.bytes("out.wav").count - 44)
      #expect(try String(decoding: folder.bytes("times.\(suffix)"), as: UTF8.self).contains("And this is the second."))
    }
  }

  @Test func `a voice is made once and spoken in by name`() throws {
    let model = ["-m", try PackedModel.standard]
    let sound = Goldens.speech("expected/audio/reference_output.wav").path
    let environment = ["HOME": folder.url.path]
    let made = try Program.run(
      ["voice", "make", sound, "-o", "kim", "--text", "some words"] + model, environment: environment, in: folder.url)
    #expect(made.status == 0, "\(made.notes)")
    #expect(try Program.run(["voice", "list"], environment: environment).text == "kim\n")
    let few = ["--max-tokens", "60", "--raw", "--seed", "1"] + model
    func spoken(_ arguments: [String]) throws -> [UInt8] {
      let result = try Program.run(["tts", "hello there"] + arguments + few, environment: environment, in: folder.url)
      #expect(result.status == 0 && !result.output.isEmpty, "\(result.notes)")
      return result.output
    }
    let plain = try spoken([])
    let kim = try spoken(["--voice", "kim"])
    #expect(kim != plain)
    #expect(try spoken(["--voice", sound, "--voice-text", "some words"]) == kim)
    #expect(try spoken(["--voice", ".local/share/mio-lite/voices/kim.voice"]) == kim)
    // A voice of another model is refused.
    let other = try Program.run(["tts", "hello", "--voice", "kim", "--raw"], environment: environment)
    #expect(other.status == 2 && other.output.isEmpty, "\(other.notes)")
  }
}
