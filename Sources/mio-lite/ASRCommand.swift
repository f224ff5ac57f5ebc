import ArgumentParser
import Foundation
import MioLite

/// `asr AUDIO...`: transcribes.
struct ASRCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "asr", abstract: "Transcribe sound of any format, rate, channel count and length.",
    discussion: """
      With --mic, what is said now: a line at every pause, until Ctrl-C. MIO's own settings for transcripts: beam search with 5
      beams (infer.py and table 11 of the paper).
      """)

  @Argument(help: "Sound files; '-', or nothing and a pipe, reads standard input.", completion: .file())
  var audio: [String] = []

  @Option(
    name: [.customLong("format"), .customLong("output-format")],
    help: "How transcripts are printed: text, or with the times of every segment; tsv has milliseconds.")
  var format: TranscriptFormat?

  @Flag(help: "The same as --format json.")
  var json = false

  @Flag(help: "Write down what is said into the microphone; Ctrl-C ends it. Records with arecord, parecord, rec or ffmpeg.")
  var mic = false

  @Flag(
    help: """
      Write down standard input while it comes, at every pause: a WAV stream of 16-bit samples, or such samples alone, of one channel \
      at 16 kHz.
      """)
  var live = false

  @OptionGroup var verbosity: VerboseFlag
  @OptionGroup var model: ModelOptions
  @OptionGroup var sampling: SamplingFlags
  @OptionGroup var common: CommonOptions

  func validate() throws {
    if mic && (live || !audio.isEmpty) {
      throw ValidationError("--mic listens to the microphone alone; leave files and --live out")
    }
    if live && audio != ["-"] && !audio.isEmpty { throw ValidationError("--live reads standard input; leave the files out") }
    if mic { return try checkFormat() }
    if audio.isEmpty && isatty(STDIN_FILENO) == 1 { throw ValidationError("name a sound file, or '-' for standard input") }
    try checkFormat()
  }

  private func checkFormat() throws {
    if json, let format, format != .json { throw ValidationError("--json and --format \(format.rawValue) differ; give one") }
  }

  func run() async throws {
    let opened = try model.open()
    try opened.require(task: .speechRecognition)
    let sampling = sampling.sampling(draws: false, quiet: common.quiet)
    if mic || live { return try await listen(opened, sampling) }
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

  /// Writes down what is being said; a request to stop ends the sound, not what was heard of it.
  private func listen(_ opened: Model, _ sampling: Sampling) async throws {
    let name = mic ? "microphone" : "standard input"
    var transcripts = TranscriptWriter(json ? .json : format ?? .text, fileCount: 1, hasLines: true)
    transcripts.begin(name)
    try await Interrupts.during { cancellation in
      let recorder = mic ? try Recorder() : nil
      let sound = recorder?.sound ?? LiveSound(.standardInput, sampleRateHz: Recorder.sampleRateHz, name: name)
      cancellation.whenCancelled { recorder?.stop() ?? sound.end() }
      if mic, !common.quiet { Output.note("Speak; Ctrl-C ends.") }
      let rate = try sound.sampleRateHz()
      let options = TranscriptionOptions(sampling: sampling, report: verbosity.report(about: name))
      do {
        let words = opened.transcription(ofSoundAt: rate, options: options) { try sound.next() }
        for try await segment in words { try transcripts.add(segment) }
      } catch {
        // A recorder that fails gives no sound.
        try recorder?.check()
        throw error
      }
      if !cancellation.isCancelled { try recorder?.check() }
    }
    if transcripts.isEmpty && !common.quiet { Output.note("mio-lite: \(name): no speech in it") }
    try transcripts.finish()
    try transcripts.end()
  }
}
