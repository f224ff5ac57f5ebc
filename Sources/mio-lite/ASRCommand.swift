import ArgumentParser
import Foundation
import MioLite

/// `asr AUDIO...`: transcribes.
struct ASRCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "asr", abstract: "Transcribe sound of any format, rate, channel count and length.",
    discussion: "MIO's own settings for transcripts: beam search with 5 beams (infer.py and table 11 of the paper).")

  @Argument(help: "Sound files; '-', or nothing and a pipe, reads standard input.", completion: .file())
  var audio: [String] = []

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
    if audio.isEmpty && isatty(STDIN_FILENO) == 1 { throw ValidationError("name a sound file, or '-' for standard input") }
  }

  func run() async throws {
    let opened = try model.open()
    try opened.require(task: .speechRecognition)
    let options = TranscriptionOptions(sampling: sampling.sampling(draws: false, quiet: common.quiet))
    let paths = audio.isEmpty ? ["-"] : audio
    var failures = Failures()
    for path in paths {
      try await failures.collecting(of: paths.count) { try await transcribe(path, opened, options) }
    }
    try failures.check()
  }

  private func transcribe(_ path: String, _ opened: Model, _ options: TranscriptionOptions) async throws {
    var segments: [Segment] = []
    do {
      try await Interrupts.during { cancellation in
        for try await segment in cancellation.stopping(opened.transcription(of: Input.source(path), options: options)) {
          if let missing = segment.shortfall { Output.note("mio-lite: \(path): \(missing)") }
          segments.append(Segment(start: segment.start, end: segment.end, text: segment.text))
          if !json && !segment.text.isEmpty { try Output.write((segments.count > 1 ? " " : "") + segment.text) }
        }
      }
    } catch {
      // What was heard until then stays heard.
      if !segments.isEmpty { try? finish(path, segments) }
      throw error
    }
    try finish(path, segments)
  }

  private func finish(_ path: String, _ segments: [Segment]) throws {
    guard json else { return try Output.line("") }
    let text = segments.map(\.text).filter { !$0.isEmpty }.joined(separator: " ")
    try Output.json(Transcript(file: PathText.shown(path), text: text, segments: segments))
  }
}
