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
      that are spoken together; sound starts with the first one. A voice is that of a few seconds of a recording, or one that
      'mio-lite voice make' has kept.
      MIO's own settings for speech: sampling, top-p 0.7, repetition penalty 1.15 (infer.py and table 11 of the paper).
      """)

  @Argument(help: "What to say; '-', or nothing and a pipe, reads standard input.")
  var text: [String] = []

  @Option(
    name: .shortAndLong, help: "Where to: .wav, .flac, .ogg, .opus or .mp3 by the suffix; '-' streams WAV to standard output.",
    completion: .file())
  var output: String?

  @Flag(help: "Stream 16-bit PCM without a header to standard output.")
  var raw = false

  @Flag(help: "Write .wav with 32-bit floats instead of 16-bit integers.")
  var float = false

  @Flag(help: "Play the speech.")
  var play = false

  @Option(help: "Speak in the voice of this recording, .voice file, or kept voice ('mio-lite voice').", completion: .file())
  var voice: String?

  @Option(help: "What is said in the recording of --voice (default: the model writes it down).")
  var voiceText: String?

  @Option(parsing: .unconditional, help: "How many times as fast, 0.25 to 4; the pitch stays.")
  var speed: Double = 1

  @Option(
    help: "Write down when what is said, sentence by sentence: .srt, .vtt, .json or .tsv by the suffix.", completion: .file())
  var timings: String?

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
    if !(0.25...4).contains(speed) { throw ValidationError("--speed takes 0.25 to 4, not \(speed)") }
    if voiceText != nil && voice == nil { throw ValidationError("--voice-text is about the recording of --voice") }
    if [raw, play, output != nil].filter({ $0 }).count > 1 {
      throw ValidationError("-o, --raw and --play each say where the speech goes; give one")
    }
    if float && raw { throw ValidationError("--raw is 16-bit PCM; leave --float out, or stream WAV with -o -") }
  }

  func run() async throws {
    let place = AudioDestination(output: output, isRaw: raw, isPlayed: play, keepsFloats: float)
    try place.check()
    var times = try timings.map(TimingsFile.init)
    let opened = try model.open()
    try opened.require(task: .textToSpeech)
    guard let rate = opened.speechSampleRateHz else { return }
    let words = try opened.spokenText(of: Input.text(text, "what to say"), normalizing: normalize)
    for leftOut in words.leftOut where !common.quiet {
      Output.note("mio-lite: left out, \(leftOut)")
    }
    var options = SpeechOptions(
      sampling: sampling.sampling(draws: true, quiet: common.quiet), segmentsAtOnce: parallel, keepsVoice: !freeVoice,
      candidates: takes, speed: speed)
    options.voice = try await chosenVoice(opened)
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
          times?.add(chunk.text, from: seconds, lasting: Double(chunk.samples.count) / Double(rate))
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
      try times?.finish()
      return sink.destination
    }
    if !common.quiet {
      let elapsed = (ContinuousClock.now - started).seconds
      Output.note(
        "\(destination): \(rounded(seconds)) s of speech in \(rounded(elapsed)) s, "
          + pace(seconds / elapsed) + ", first sound after \(rounded(firstAudio ?? elapsed)) s")
    }
  }

  private func chosenVoice(_ opened: Model) async throws -> Voice? {
    guard let voice else { return nil }
    if try opened.isOneVoice, !common.quiet {
      Output.note("mio-lite: the model was taught a single voice; it will hardly sound like \(PathText.shown(voice))")
    }
    return try await VoiceFile.voice(named: voice, saying: voiceText, opened)
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
