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

  @Option(
    name: [.customLong("format"), .customLong("output-format")],
    help: "How transcripts are printed: text, or with the times of every segment; tsv has milliseconds.")
  var format: TranscriptFormat?

  @Flag(help: "The same as --format json.")
  var json = false

  @OptionGroup var verbosity: VerboseFlag
  @OptionGroup var model: ModelOptions
  @OptionGroup var sampling: SamplingFlags
  @OptionGroup var common: CommonOptions

  func validate() throws {
    if audio.isEmpty && isatty(STDIN_FILENO) == 1 { throw ValidationError("name a sound file, or '-' for standard input") }
    if json, let format, format != .json { throw ValidationError("--json and --format \(format.rawValue) differ; give one") }
  }

  func run() async throws {
    let opened = try model.open()
    try opened.require(task: .speechRecognition)
    let sampling = sampling.sampling(draws: false, quiet: common.quiet)
    let paths = audio.isEmpty ? ["-"] : audio
    var failures = Failures()
    var transcripts = TranscriptWriter(json ? .json : format ?? .text, fileCount: paths.count)
    for path in paths {
      try await failures.collecting(of: paths.count) {
        let options = TranscriptionOptions(sampling: sampling, report: verbosity.report(about: path))
        try await transcribe(path, opened, options, into: &transcripts)
      }
    }
    try transcripts.end()
    try failures.check()
  }

  private func transcribe(
    _ path: String, _ opened: Model, _ options: TranscriptionOptions, into transcripts: inout TranscriptWriter
  ) async throws {
    transcripts.begin(path)
    do {
      try await Interrupts.during { cancellation in
        for try await segment in cancellation.stopping(opened.transcription(of: Input.source(path), options: options)) {
          if let missing = segment.shortfall { Output.note("mio-lite: \(path): \(missing)") }
          try transcripts.add(segment)
        }
      }
    } catch {
      // What was heard until then stays heard.
      if !transcripts.isEmpty { try? transcripts.finish() }
      throw error
    }
    if transcripts.isEmpty && !common.quiet { Output.note("mio-lite: \(PathText.shown(path)): no speech in it") }
    try transcripts.finish()
  }
}
