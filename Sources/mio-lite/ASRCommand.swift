import ArgumentParser
import MioLite

/// `asr AUDIO...`: transcribes.
struct ASRCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "asr", abstract: "Transcribe sound of any format, rate, channel count and length.",
    discussion: "MIO's own settings for transcripts: beam search with 5 beams (infer.py and table 11 of the paper).")

  @Argument(help: "Sound files; '-' reads standard input.", completion: .file())
  var audio: [String]

  @Flag(help: "Print JSON with the times of every segment.")
  var json = false

  @OptionGroup var model: ModelOptions
  @OptionGroup var sampling: SamplingFlags
  @OptionGroup var common: CommonOptions

  private struct Segment: Encodable {
    let start: Double
    let end: Double
    let text: String
  }

  private struct Transcript: Encodable {
    let file: String
    let text: String
    let segments: [Segment]
  }

  func validate() throws {
    if audio.isEmpty { throw ValidationError("name a sound file, or '-' for standard input") }
  }

  func run() async throws {
    let opened = try model.open()
    let options = TranscriptionOptions(sampling: sampling.sampling(draws: false, quiet: common.quiet))
    for path in audio {
      try await Interrupts.during { cancellation in
        var segments: [Segment] = []
        for try await segment in cancellation.stopping(opened.transcription(of: Input.source(path), options: options)) {
          if let missing = segment.shortfall { Output.note("mio-lite: \(path): \(missing)") }
          segments.append(Segment(start: segment.start, end: segment.end, text: segment.text))
          if !json && !segment.text.isEmpty { try Output.write((segments.count > 1 ? " " : "") + segment.text) }
        }
        if json {
          let text = segments.map(\.text).filter { !$0.isEmpty }.joined(separator: " ")
          try Output.json(Transcript(file: path, text: text, segments: segments))
        } else {
          try Output.line("")
        }
      }
    }
  }
}
