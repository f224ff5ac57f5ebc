import CMioLite
import Foundation
import MioLite

/// The options of a call, as they were set, in the terms of MioLite.
struct Options: Sendable {
  private var ints: [mio_option: Int64] = [:]
  private var reals: [mio_option: Double] = [:]
  private var texts: [mio_option: String] = [:]

  private static let intOptions = [
    MIO_OPTION_THREADS, MIO_OPTION_CONTEXT, MIO_OPTION_CACHE_BYTES, MIO_OPTION_MEASURE, MIO_OPTION_SEED, MIO_OPTION_GREEDY,
    MIO_OPTION_TOP_K, MIO_OPTION_BEAMS, MIO_OPTION_MAX_TOKENS, MIO_OPTION_GRAMMAR, MIO_OPTION_CANDIDATES,
    MIO_OPTION_SEGMENTS_AT_ONCE, MIO_OPTION_NORMALIZE, MIO_OPTION_CODEBOOKS, MIO_OPTION_STEPS, MIO_OPTION_IMAGE_SIZE,
    MIO_OPTION_REUSE, MIO_OPTION_DRAWS, MIO_OPTION_MAX_IMAGES, MIO_OPTION_MAX_FRAMES, MIO_OPTION_SPEAKS,
    MIO_OPTION_SPECIAL_TOKENS, MIO_OPTION_ENDS,
  ]
  private static let realOptions = [
    MIO_OPTION_TEMPERATURE, MIO_OPTION_TOP_P, MIO_OPTION_REPETITION_PENALTY, MIO_OPTION_LENGTH_PENALTY, MIO_OPTION_GUIDANCE,
    MIO_OPTION_SPEED,
  ]
  private static let textOptions = [
    MIO_OPTION_CACHE_FORMAT, MIO_OPTION_PROMPT_STYLE, MIO_OPTION_SAMPLER, MIO_OPTION_INSTRUCTIONS, MIO_OPTION_SNAPSHOT,
  ]

  // MARK: - Setting

  /// - Returns: false for an option that is none of whole numbers.
  mutating func set(_ option: mio_option, _ value: Int64) -> Bool {
    guard Self.intOptions.contains(Int(option)) else { return false }
    ints[option] = value
    return true
  }

  mutating func set(_ option: mio_option, _ value: Double) -> Bool {
    guard Self.realOptions.contains(Int(option)) else { return false }
    reals[option] = value
    return true
  }

  mutating func set(_ option: mio_option, _ value: String?) -> Bool {
    guard Self.textOptions.contains(Int(option)) else { return false }
    texts[option] = value
    return true
  }

  // MARK: - Reading

  func int(_ option: Int) -> Int? { ints[mio_option(option)].map { Int(clamping: $0) } }
  func real(_ option: Int) -> Double? { reals[mio_option(option)] }
  func text(_ option: Int) -> String? { texts[mio_option(option)] }
  func flag(_ option: Int, default value: Bool) -> Bool { ints[mio_option(option)].map { $0 != 0 } ?? value }

  private func choice<Choice: RawRepresentable & CaseIterable>(_ option: Int, _ name: String)
    throws(MioError) -> Choice? where Choice.RawValue == String
  {
    guard let text = text(option) else { return nil }
    guard let choice = Choice(rawValue: text) else {
      let names = Choice.allCases.map(\.rawValue).joined(separator: ", ")
      throw MioError(.invalidInput, "\(name): '\(text)' is none of \(names)")
    }
    return choice
  }

  /// How a model is opened.
  var model: Model.Options {
    get throws(MioError) {
      Model.Options(
        threads: int(MIO_OPTION_THREADS), contextLength: int(MIO_OPTION_CONTEXT),
        cache: try choice(MIO_OPTION_CACHE_FORMAT, "cache format") ?? .int8, cacheByteLimit: int(MIO_OPTION_CACHE_BYTES),
        promptStyle: try choice(MIO_OPTION_PROMPT_STYLE, "prompt style") ?? .automatic,
        // A library writes no files that nobody asked for.
        measuresMachine: flag(MIO_OPTION_MEASURE, default: false))
    }
  }

  var sampling: Sampling {
    Sampling(
      temperature: real(MIO_OPTION_TEMPERATURE), topK: int(MIO_OPTION_TOP_K), topP: real(MIO_OPTION_TOP_P),
      repetitionPenalty: real(MIO_OPTION_REPETITION_PENALTY), beams: int(MIO_OPTION_BEAMS),
      lengthPenalty: real(MIO_OPTION_LENGTH_PENALTY), maxTokens: int(MIO_OPTION_MAX_TOKENS),
      greedy: flag(MIO_OPTION_GREEDY, default: false),
      seed: ints[mio_option(MIO_OPTION_SEED)].map { UInt64(bitPattern: $0) })
  }

  var speech: SpeechOptions {
    var options = SpeechOptions(
      sampling: sampling, candidates: int(MIO_OPTION_CANDIDATES),
      normalizesText: int(MIO_OPTION_NORMALIZE).map { $0 != 0 })
    if let count = int(MIO_OPTION_SEGMENTS_AT_ONCE) { options.segmentsAtOnce = count }
    if let speed = real(MIO_OPTION_SPEED) { options.speed = speed }
    return options
  }

  var transcription: TranscriptionOptions {
    var options = TranscriptionOptions(sampling: sampling)
    if let count = int(MIO_OPTION_SEGMENTS_AT_ONCE) { options.windowsAtOnce = count }
    return options
  }

  var image: ImageOptions {
    get throws(MioError) {
      var options = ImageOptions(
        sampling: sampling, steps: int(MIO_OPTION_STEPS), guidance: real(MIO_OPTION_GUIDANCE),
        size: int(MIO_OPTION_IMAGE_SIZE), sampler: try choice(MIO_OPTION_SAMPLER, "sampler"))
      if let reuse = int(MIO_OPTION_REUSE) { options.reuse = reuse }
      return options
    }
  }

  /// How images of replies are drawn; nil leaves them as codes.
  private var replyImage: ImageOptions? {
    get throws(MioError) { flag(MIO_OPTION_DRAWS, default: true) ? try image : nil }
  }

  var task: TaskOptions {
    get throws(MioError) {
      var options = TaskOptions(sampling: sampling, image: try replyImage, maxImages: int(MIO_OPTION_MAX_IMAGES))
      if let count = int(MIO_OPTION_MAX_FRAMES) { options.maxFrames = count }
      return options
    }
  }

  var session: SessionOptions {
    get throws(MioError) {
      SessionOptions(sampling: sampling, speaks: flag(MIO_OPTION_SPEAKS, default: false), image: try replyImage)
    }
  }

  /// The conversation that a session goes on with.
  var snapshot: Session.Snapshot? {
    get throws(MioError) {
      guard let text = text(MIO_OPTION_SNAPSHOT) else { return nil }
      do {
        return try JSONDecoder().decode(Session.Snapshot.self, from: Data(text.utf8))
      } catch {
        throw MioError(.invalidInput, "snapshot: none that mio_session_snapshot gave")
      }
    }
  }
}
