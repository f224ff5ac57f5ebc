import Foundation
import MioKernels
import MioMedia
import MioModel

/// How speech is written down.
public struct TranscriptionOptions: Sendable {
  public var sampling: Sampling
  /// Windows of long audio that are transcribed at the same time.
  public var windowsAtOnce: Int
  /// Told in words what is done to the sound before it is listened to, where that is more than reading it.
  public var report: (@Sendable (String) -> Void)?

  public init(
    sampling: Sampling = Sampling(), windowsAtOnce: Int = 3, report: (@Sendable (String) -> Void)? = nil
  ) {
    self.sampling = sampling
    self.windowsAtOnce = windowsAtOnce
    self.report = report
  }
}

/// The words of one window of audio.
public struct TranscriptSegment: Hashable, Sendable {
  public let text: String
  /// Seconds from the beginning of the audio.
  public let start: Double
  public let end: Double
  /// With the last segment of a recording that lacks its end: what is missing. Where no speech is left at all, that segment is
  /// empty.
  public let shortfall: String?

  public init(text: String, start: Double, end: Double, shortfall: String? = nil) {
    (self.text, self.start, self.end, self.shortfall) = (text, start, end, shortfall)
  }
}

/// What is said in a recording.
public struct Transcript: Hashable, Sendable {
  /// In the order of time.
  public let segments: [TranscriptSegment]

  public init(segments: [TranscriptSegment]) { self.segments = segments }

  /// All words.
  public var text: String { segments.map(\.text).filter { !$0.isEmpty }.joined(separator: " ") }
}

/// Segments of a transcript as they are found.
public typealias TranscriptionStream = ModelStream<TranscriptSegment>

extension Model {
  /// Writes down a recording of any format, rate, channel count and length, reading it as it goes.
  ///
  /// Speech is found and cut at its pauses; silence and noise are left out, so that a recording without speech has no
  /// segments. MIO was trained on at most 15 seconds (a file may say less): longer speech is cut at its quietest moments.
  /// What is quiet or loud is brought to the level that the model knows, offsets are removed, and silent channels, or those
  /// that cancel each other, left out. Windows are transcribed together in one batch. Segments come in order.
  ///
  /// - Returns: a stream that throws ``MioError``, with code `.invalidInput` if it is no sound or empty, with `.unsupported`
  ///   without a speech codec.
  public func transcription(
    of source: MediaSource, options: TranscriptionOptions = TranscriptionOptions()
  ) -> TranscriptionStream {
    TranscriptionStream { outlet in
      let transcription = try Transcription(self, options)
      let file = try source.audioFile()
      for remark in try file.prepareForListening() { options.report?(remark) }
      let reading = AudioSource(file, sampleRateHz: try self.requiredCodec().config.sampleRateHz)
      try transcription.run(reading, cancellation: outlet.cancellation) { try outlet.yield($0) }
    }
  }

  /// The same for sound in memory.
  public func transcription(
    of audio: Audio, options: TranscriptionOptions = TranscriptionOptions()
  ) -> TranscriptionStream {
    TranscriptionStream { outlet in
      let transcription = try Transcription(self, options)
      let prepared = Listening.prepared(audio)
      for remark in prepared.remarks { options.report?(remark) }
      let samples = try prepared.audio.resampled(to: try self.requiredCodec().config.sampleRateHz).samples
      try transcription.run(samples, cancellation: outlet.cancellation) { try outlet.yield($0) }
    }
  }

  /// Writes down sound while it is being made, as that of a microphone: the words of a speaker come as soon as there is a pause.
  ///
  /// An offset is taken out as the sound comes; what can only be told of a whole recording (hum, channels) is not.
  ///
  /// - Parameters:
  ///   - sampleRateHz: of what comes.
  ///   - next: waits for more samples of one channel and returns them, none at the end. It is called by one thread, and not while
  ///     words are being found: what comes meanwhile has to be kept. What it throws ends the stream, as a ``MioError``.
  public func transcription(
    ofSoundAt sampleRateHz: Int, options: TranscriptionOptions = TranscriptionOptions(),
    next: @escaping @Sendable () throws -> [Float]
  ) -> TranscriptionStream {
    TranscriptionStream { outlet in
      let transcription = try Transcription(self, options)
      let rates = Resampler.supportedRates
      guard rates.contains(sampleRateHz) else {
        throw MioError(.invalidInput, "\(sampleRateHz) Hz: rates are \(rates.lowerBound) to \(rates.upperBound) Hz")
      }
      var resampler = Resampler(from: sampleRateHz, to: try self.requiredCodec().config.sampleRateHz)
      var offset = OffsetFilter(sampleRateHz: sampleRateHz)
      var isAtEnd = false
      try transcription.run(isLive: true, cancellation: outlet.cancellation, yield: { try outlet.yield($0) }) {
        while !isAtEnd {
          let block = try next()
          try outlet.cancellation.check()
          isAtEnd = block.isEmpty
          let samples = isAtEnd ? resampler.finish() : resampler.push(offset.filtered(block))
          if !samples.isEmpty { return samples }
        }
        return []
      }
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
  private let level: SpeechLevel

  init(_ model: Model, _ options: TranscriptionOptions) throws(MioError) {
    self.model = model
    self.options = options
    codec = try model.requiredCodec()
    guard options.windowsAtOnce >= 1 else { throw MioError(.invalidInput, "windows at once: must be 1 or more") }
    sampling = try options.sampling.options(over: model.defaults(for: .text))
    level = try model.speechLevel
  }

  private func report(_ decibels: Float, at seconds: Double) {
    options.report?(Listening.words(decibels) + String(format: " at %.1f s", seconds))
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
  ///   - isLive: whether words are wanted as soon as they can be had, not together with others.
  ///   - shortfall: asked at the end: what is missing of the recording.
  ///   - next: further samples; none at the end.
  fileprivate func run(
    isLive: Bool = false, cancellation: Cancellation, yield: (TranscriptSegment) throws -> Void,
    shortfall: () -> String? = { nil },
    next: () throws -> [Float]
  ) throws {
    let engine = try model.engine
    var windows = AudioWindows(sampleRateHz: codec.config.sampleRateHz, longest: try model.longestWindow)
    var ready: [AudioWindows.Window] = []
    var isAtEnd = false
    var (isEmpty, heardAnything) = (true, false)
    while !isAtEnd {
      let block = try next()
      isAtEnd = block.isEmpty
      isEmpty = isEmpty && isAtEnd
      ready += isAtEnd ? windows.finish() : windows.push(block)
      heardAnything = heardAnything || !ready.isEmpty
      // The last window waits for the end, with which what is missing of the recording becomes known.
      while ready.count > (isLive ? 0 : options.windowsAtOnce) || (isAtEnd && !ready.isEmpty) {
        let group = Array(ready.prefix(options.windowsAtOnce))
        ready.removeFirst(group.count)
        let isLast = isAtEnd && ready.isEmpty
        try transcribe(
          group, shortfall: isLast ? shortfall() : nil, on: engine, cancellation: cancellation, yield: yield)
      }
    }
    if isEmpty { throw MioError(.invalidInput, "the audio is empty") }
    if !heardAnything, let shortfall = shortfall() {
      let end = windows.seconds
      try yield(TranscriptSegment(text: "", start: end, end: end, shortfall: shortfall))
    }
  }

  private func transcribe(
    _ windows: [AudioWindows.Window], shortfall: String?, on engine: Engine, cancellation: Cancellation,
    yield: (TranscriptSegment) throws -> Void
  ) throws {
    let rate = codec.config.sampleRateHz
    let requests = try windows.map { window in
      let gain = level.gain(for: window.samples, sampleRateHz: rate)
      if gain.factor != 1 {
        report(gain.decibels, at: Double(window.start) / Double(rate))
      }
      let samples = gain.factor == 1 ? window.samples : window.samples.map { $0 * gain.factor }
      let codes = try engine.codec.run(cancellation) { try codec.encode(samples, codebooks: 1, on: $0) }
      let speech = try engine.tokenizer.media.speechTokens(codes.map { $0.map(Int.init) })
      return GenerationRequest(
        prompt: try model.prompt(.speechRecognition, [.speech: Prompt([.tokens(speech)])]), options: sampling,
        grammar: ModalityGrammar(engine.classes, rules: .textOnly), stream: UInt64(window.index))
    }
    var texts = Array(repeating: "", count: windows.count)
    try engine.run(requests, wantsTokens: false, cancellation: cancellation) { index, event in
      if case .finished(_, let output) = event { texts[index] = engine.plainText(output.ids) }
    }
    for (window, text) in zip(windows, texts) {
      let start = Double(window.start) / Double(rate)
      try yield(
        TranscriptSegment(
          text: text, start: start, end: start + Double(window.samples.count) / Double(rate),
          shortfall: window.index == windows.last?.index ? shortfall : nil))
    }
  }
}
