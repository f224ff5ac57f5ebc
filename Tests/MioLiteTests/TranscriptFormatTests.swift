import Foundation
import MioTestSupport
import Testing

/// Transcripts in the forms that other programs read.
@Suite struct TranscriptFormatTests {
  private let folder: TemporaryFolder
  init() throws {
    folder = try TemporaryFolder()
    for (name, text) in [("a", "hello"), ("b", "good morning"), ("c", "seven")] {
      let said = try Program.run(["tts", text, "--seed", "1", "-q", "--raw"])
      let silence = Array(repeating: UInt8(0), count: 2 * 16_000)
      try Data(BadInput.wave(said.output + silence)).write(to: folder.url.appendingPathComponent("\(name).wav"))
    }
  }

  private func asr(_ arguments: String...) throws -> Program.Result { try Program.run(["asr"] + arguments, in: folder.url) }

  @Test func `subtitles have numbers, times and words`() throws {
    let srt = try asr("a.wav", "--format", "srt")
    #expect(srt.status == 0, "\(srt.notes)")
    #expect(try srt.text.wholeMatch(of: /1\n00:00:\d\d,\d{3} --> 00:00:\d\d,\d{3}\nhello\n\n/) != nil, "\(srt.text)")
    let vtt = try asr("a.wav", "--format", "vtt")
    #expect(try vtt.text.wholeMatch(of: /WEBVTT\n\n00:00:\d\d\.\d{3} --> 00:00:\d\d\.\d{3}\nhello\n\n/) != nil, "\(vtt.text)")
  }

  @Test func `tables and JSON have the same times`() throws {
    let tsv = try asr("b.wav", "--format", "tsv").text.split(separator: "\n").map { $0.split(separator: "\t") }
    #expect(tsv.first == ["start", "end", "text"] && tsv.count == 2 && tsv[1][2] == "good morning", "\(tsv)")
    let json = try asr("b.wav", "--format", "json").json
    let segment = try #require((json["segments"] as? [[String: Any]])?.first)
    for (key, value) in [("start", tsv[1][0]), ("end", tsv[1][1])] {
      #expect(try abs(#require(segment[key] as? Double) * 1000 - #require(Double(value))) <= 0.5)
    }
    #expect(try asr("b.wav", "--json").output == asr("b.wav", "--format", "json").output)
    #expect(try asr("b.wav", "--format", "text").text == "good morning\n")
  }

  @Test func `several files are one text`() throws {
    let srt = try asr("a.wav", "none.wav", "c.wav", "--format", "srt")
    #expect(srt.status == 2 && srt.text.contains("hello\n\n2\n") && srt.text.hasSuffix("seven\n\n"), "\(srt.text)")
    let vtt = try asr("a.wav", "c.wav", "--format", "vtt")
    #expect(vtt.text.hasPrefix("WEBVTT\n\nNOTE a.wav\n\n00:") && vtt.text.contains("\n\nNOTE c.wav\n\n00:"), "\(vtt.text)")
    #expect(vtt.text.split(separator: "WEBVTT").count == 1)
    #expect(try asr("a.wav", "c.wav", "--format", "tsv").text.split(separator: "\n").count == 3)
    #expect(try asr("none.wav", "--format", "vtt").text.isEmpty)
  }

  @Test func `unknown formats and contradictions are refused`() throws {
    #expect(try asr("a.wav", "--format", "docx").status == 2)
    #expect(try asr("a.wav", "--json", "--format", "srt").status == 2)
  }
}
