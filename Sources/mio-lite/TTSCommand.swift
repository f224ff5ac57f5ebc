import ArgumentParser
import Foundation
import MioLite

/// `tts TEXT`: speaks.
struct TTSCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tts", abstract: "Speak a text of any length.",
    discussion: """
      Without -o the speech is played where a player exists, else written to speech.wav; what a player fails to play goes
      there, too. A long text is cut into sentences
      that are spoken together; sound starts with the first one.
      MIO's own settings for speech: sampling, top-p 0.7, repetition penalty 1.15 (infer.py and table 11 of the paper).
      """)

  @Argument(help: "What to say; '-', or nothing and a pipe, reads standard input.")
  var text: [String] = []

  @Option(
    name: .shortAndLong, help: "Where to: .wav, .flac or .ogg by the suffix; '-' streams WAV to standard output.",
    completion: .file())
  var output: String?

  @Flag(help: "Stream 16-bit PCM without a header to standard output.")
  var raw = false

  @Flag(help: "Write .wav with 32-bit floats instead of 16-bit integers.")
  var float = false

  @Flag(help: "Play the speech.")
  var play = false

  @Option(help: "Segments of a long text spoken at the same time.")
  var parallel: Int = 8

  @Option(
    help: """
      Candidates for every segment, of which the one that the model itself understands best is kept (default: the model's own, \
      else 1).
      """)
  var takes: Int?

  @Flag(help: "Let every segment of a long text find its own voice.")
  var freeVoice = false

  @Flag(
    inversion: .prefixedNo,
    help: "Write out numbers, dates, units and abbreviations before they are spoken, in English (default: as the model asks).")
  var normalize: Bool?

  @OptionGroup var model: ModelOptions
  @OptionGroup var sampling: SamplingFlags
  @OptionGroup var common: CommonOptions

  func validate() throws {
    if [raw, play, output != nil].filter({ $0 }).count > 1 {
      throw ValidationError("-o, --raw and --play each say where the speech goes; give one")
    }
    if float && raw { throw ValidationError("--raw is 16-bit PCM; leave --float out, or stream WAV with -o -") }
  }

  func run() async throws {
    let place = AudioDestination(output: output, isRaw: raw, isPlayed: play, keepsFloats: float)
    try place.check()
    let opened = try model.open()
    try opened.require(task: .textToSpeech)
    guard let rate = opened.speechSampleRateHz else { return }
    let words = try Input.text(text, "what to say")
    for leftOut in try opened.unspeakable(in: words, normalizing: normalize) where !common.quiet {
      Output.note("mio-lite: left out, \(leftOut)")
    }
    let options = SpeechOptions(
      sampling: sampling.sampling(draws: true, quiet: common.quiet), segmentsAtOnce: parallel, keepsVoice: !freeVoice,
      candidates: takes, normalizesText: normalize)
    let started = ContinuousClock.now
    var firstAudio: Double?
    var seconds = 0.0
    let destination = try await Interrupts.during { cancellation in
      let sink = try place.open(sampleRateHz: rate, cancellation: cancellation)
      let bar = ProgressBar("tts", quiet: common.quiet)
      defer { bar.finish() }
      do {
        for try await chunk in cancellation.stopping(opened.speech(for: words, options: options)) {
          firstAudio = firstAudio ?? (ContinuousClock.now - started).seconds
          try sink.write(chunk.samples)
          seconds += Double(chunk.samples.count) / Double(rate)
          bar.update(Double(chunk.index + 1) / Double(chunk.count), detail: String(chunk.text.prefix(40)))
          if chunk.isCutShort { Output.note("mio-lite: cut short, the model did not end: \(chunk.text.prefix(60))") }
        }
      } catch {
        bar.finish()
        keep(seconds, sink, error)
        throw error
      }
      bar.finish()
      try sink.finish()
      return sink.destination
    }
    if !common.quiet {
      let elapsed = (ContinuousClock.now - started).seconds
      Output.note(
        "\(destination): \(rounded(seconds)) s of speech in \(rounded(elapsed)) s, "
          + pace(seconds / elapsed) + ", first sound after \(rounded(firstAudio ?? elapsed)) s")
    }
  }

  /// What was said before the rest failed is kept; what a person stopped is not wanted.
  private func keep(_ seconds: Double, _ sink: any AudioSink, _ error: any Error) {
    guard seconds > 0, Failure(error)?.kind != .interrupted, (try? sink.finish()) != nil else { return sink.giveUp() }
    Output.note("mio-lite: \(sink.destination) has the first \(rounded(seconds)) s of the speech; the rest failed")
  }

  private func pace(_ factor: Double) -> String {
    factor >= 1 ? "\(rounded(factor)) times faster than real time" : "\(rounded(1 / factor)) times slower than real time"
  }

  private func rounded(_ value: Double) -> String { String(format: "%.2f", value) }
}
