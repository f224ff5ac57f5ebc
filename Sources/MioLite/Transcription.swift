import Foundation
import MioKernels
import MioMedia
import MioModel

/// How speech is written down.
public struct TranscriptionOptions: Sendable {
  public var sampling: Sampling
  /// Windows of long audio that are transcribed at the same time.
  public var windowsAtOnce: Int

  public init(sampling: Sampling = Sampling(), windowsAtOnce: Int = 3) {
    self.sampling = sampling
    self.windowsAtOnce = windowsAtOnce
  }
}

/// The words of one window of audio.
public struct TranscriptSegment: Hashable, Sendable {
  public let text: String
  /// Seconds from the beginning of the audio.
  public let start: Double
  public let end: Double
  /// With the last segment of a recording that lacks its end: what is missing.
  public let shortfall: String?
}

/// What is said in a recording.
public struct Transcript: Hashable, Sendable {
  /// In the order of time.
  public let segments: [TranscriptSegment]

  /// All words.
  public var text: String { segments.map(\.text).filter { !$0.isEmpty }.joined(separator: " ") }
}

/// Segments of a transcript as they are found.
public typealias TranscriptionStream = ModelStream<TranscriptSegment>

extension Model {
  /// Writes down a recording of any format, rate, channel count and length, reading it as it goes.
  ///
  /// MIO was trained on at most 15 seconds (a file may say less): longer audio is cut into windows at its quietest
  /// moments, and windows are transcribed together in one batch. Segments come in order.
  ///
  /// - Returns: a stream that throws ``MioError``, with code `.invalidInput` if it is no sound or empty, with `.unsupported`
  ///   without a speech codec.
  public func transcription(
    of source: MediaSource, options: TranscriptionOptions = TranscriptionOptions()
  ) -> TranscriptionStream {
    TranscriptionStream { outlet in
      let transcription = try Transcription(self, options)
      let reading = AudioSource(try source.audioFile(), sampleRateHz: try self.requiredCodec().config.sampleRateHz)
      try transcription.run(reading, cancellation: outlet.cancellation) { try outlet.yield($0) }
    }
  }

  /// The same for sound in memory.
  public func transcription(
    of audio: Audio, options: TranscriptionOptions = TranscriptionOptions()
  ) -> TranscriptionStream {
    TranscriptionStream { outlet in
      let transcription = try Transcription(self, options)
      let samples = try audio.resampled(to: try self.requiredCodec().config.sampleRateHz).samples
      try transcription.run(samples, cancellation: outlet.cancellation) { try outlet.yield($0) }
    }
  }

  /// Writes down sound and returns all of it.
  ///
  /// - Throws: `CancellationError` if the task is cancelled; ``MioError`` as ``transcription(of:options:)-(MediaSource,_)``.
  public func transcribe(
    _ audio: Audio, options: TranscriptionOptions = TranscriptionOptions()
  ) async throws -> Transcript {
    try await transcript(transcription(of: audio, options: options))
  }

  /// The same for a sound file of any length.
  public func transcribe(
    contentsOf url: URL, options: TranscriptionOptions = TranscriptionOptions()
  ) async throws -> Transcript {
    try await transcript(transcription(of: MediaSource(contentsOf: url), options: options))
  }

  private func transcript(_ stream: TranscriptionStream) async throws -> Transcript {
    var segments: [TranscriptSegment] = []
    for try await segment in stream { segments.append(segment) }
    return Transcript(segments: segments)
  }
}

/// Audio on its way to words.
struct Transcription {
  private let model: Model
  private let codec: SpeechCodec
  private let options: TranscriptionOptions
  private let sampling: SamplingOptions

  init(_ model: Model, _ options: TranscriptionOptions) throws(MioError) {
    self.model = model
    self.options = options
    codec = try model.requiredCodec()
    guard options.windowsAtOnce >= 1 else { throw MioError(.invalidInput, "windows at once: must be 1 or more") }
    sampling = try options.sampling.options(over: model.defaults(for: .text))
  }

  /// Transcribes a source as it is read; memory does not grow with its length.
  func run(_ source: AudioSource, cancellation: Cancellation, yield: (TranscriptSegment) throws -> Void) throws {
    var source = source
    let file = source.file
    try run(cancellation: cancellation, yield: yield, shortfall: { file.shortfall }) { try source.next() }
  }

  /// Transcribes samples at the codec's rate.
  func run(_ samples: [Float], cancellation: Cancellation, yield: (TranscriptSegment) throws -> Void) throws {
    var rest: [Float]? = samples
    try run(cancellation: cancellation, yield: yield) {
      defer { rest = [] }
      return rest ?? []
    }
  }

  /// - Parameters:
  ///   - shortfall: asked at the end: what is missing of the recording.
  ///   - next: further samples; none at the end.
  private func run(
    cancellation: Cancellation, yield: (TranscriptSegment) throws -> Void, shortfall: () -> String? = { nil },
    next: () throws -> [Float]
  ) throws {
    let engine = try model.engine
    var windows = AudioWindows(sampleRateHz: codec.config.sampleRateHz, longest: try model.longestWindow)
    var ready: [AudioWindows.Window] = []
    var isAtEnd = false
    var heardAnything = false
    while !isAtEnd {
      let block = try next()
      isAtEnd = block.isEmpty
      ready += isAtEnd ? windows.finish() : windows.push(block)
      heardAnything = heardAnything || !ready.isEmpty
      while ready.count >= options.windowsAtOnce || (isAtEnd && !ready.isEmpty) {
        let group = Array(ready.prefix(options.windowsAtOnce))
        ready.removeFirst(group.count)
        let isLast = isAtEnd && ready.isEmpty
        try transcribe(
          group, shortfall: isLast ? shortfall() : nil, on: engine, cancellation: cancellation, yield: yield)
      }
    }
    if !heardAnything { throw MioError(.invalidInput, "the audio is empty") }
  }

  private func transcribe(
    _ windows: [AudioWindows.Window], shortfall: String?, on engine: Engine, cancellation: Cancellation,
    yield: (TranscriptSegment) throws -> Void
  ) throws {
    let requests = try windows.map { window in
      let codes = try engine.codec.run(cancellation) { try codec.encode(window.samples, codebooks: 1, on: $0) }
      let speech = try engine.tokenizer.media.speechTokens(codes.map { $0.map(Int.init) })
      return GenerationRequest(
        prompt: try model.prompt(.speechRecognition, [.speech: Prompt([.tokens(speech)])]), options: sampling,
        grammar: ModalityGrammar(engine.classes, rules: .textOnly), stream: UInt64(window.index))
    }
    var texts = Array(repeating: "", count: windows.count)
    try engine.run(requests, wantsTokens: false, cancellation: cancellation) { index, event in
      if case .finished(_, let output) = event { texts[index] = engine.plainText(output.ids) }
    }
    let rate = Double(codec.config.sampleRateHz)
    for (window, text) in zip(windows, texts) {
      let start = Double(window.start) / rate
      try yield(
        TranscriptSegment(
          text: text, start: start, end: start + Double(window.samples.count) / rate,
          shortfall: window.index == windows.last?.index ? shortfall : nil))
    }
  }
}

/// Cuts audio into windows, at the quietest moment of the last seconds of each.
struct AudioWindows {
  struct Window {
    let index: Int
    /// Position of the first sample.
    let start: Int
    let samples: [Float]
  }

  /// Seconds of the longest window, unless the file says otherwise: what MIO was trained on.
  static let longest = 15.0

  private let sampleRateHz: Int
  /// Samples of the longest window, and those at its end in which the cut is looked for: at most 5 seconds, and all but the
  /// first, so that a short window, too, has a pause between words.
  private let (limit, searched): (Int, Int)
  private var pending: [Float] = []
  private var start = 0
  private var index = 0

  init(sampleRateHz: Int, longest: Double) {
    self.sampleRateHz = sampleRateHz
    limit = Int(longest * Double(sampleRateHz))
    searched = Int(min(5, longest - 1) * Double(sampleRateHz))
  }

  mutating func push(_ samples: [Float]) -> [Window] {
    pending += samples
    var windows: [Window] = []
    while pending.count > limit { windows.append(take(quietestCut())) }
    return windows
  }

  mutating func finish() -> [Window] {
    pending.isEmpty ? [] : [take(pending.count)]
  }

  private mutating func take(_ count: Int) -> Window {
    defer {
      pending.removeFirst(count)
      start += count
      index += 1
    }
    return Window(index: index, start: start, samples: Array(pending.prefix(count)))
  }

  /// The middle of the quietest 50 ms, in steps of 10 ms; the latest among equals.
  private func quietestCut() -> Int {
    let step = max(1, sampleRateHz / 100)
    let (first, last) = (limit - searched, limit)
    let energies = stride(from: first, to: last, by: step).map { position in
      pending[position..<min(position + step, last)].reduce(Float(0)) { $0 + $1 * $1 }
    }
    guard energies.count > 5 else { return last }
    var best = (energy: Float.infinity, cut: last)
    for index in 2..<(energies.count - 2) {
      let energy = energies[(index - 2)...(index + 2)].reduce(0, +)
      if energy <= best.energy { best = (energy, first + index * step + step / 2) }
    }
    return best.cut
  }
}
