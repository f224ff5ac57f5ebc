import MioKernels
import MioMedia
import MioModel

/// How texts are spoken.
public struct SpeechOptions: Sendable {
  public var sampling: Sampling
  /// Segments of a long text that are spoken at the same time, 1...1024: more is faster in all, and needs more memory.
  public var segmentsAtOnce: Int
  /// Whose voice is continued; `nil` leaves it to the model.
  public var voice: Voice?
  /// Whether the segments after the first continue the voice of the first one.
  public var keepsVoice: Bool
  /// Candidates for every segment, of which the one that the model itself understands best is kept, 1...64; `nil` follows the
  /// model file, or is 1. Content is drawn so many times, timbre once.
  public var candidates: Int?
  /// Whether numbers, dates, units, signs and abbreviations are written out, in English, before the text is spoken; `nil` follows
  /// the model file.
  public var normalizesText: Bool?
  /// How many times as fast the speech is, 0.25...4; its pitch stays. Codes are those of the speech as the model says it.
  public var speed: Double

  public init(
    sampling: Sampling = Sampling(), segmentsAtOnce: Int = 8, voice: Voice? = nil, keepsVoice: Bool = true,
    candidates: Int? = nil, normalizesText: Bool? = nil, speed: Double = 1
  ) {
    self.sampling = sampling
    self.segmentsAtOnce = segmentsAtOnce
    self.voice = voice
    self.keepsVoice = keepsVoice
    self.candidates = candidates
    self.normalizesText = normalizesText
    self.speed = speed
  }
}

/// A few seconds of speech that a model continues: how a voice is kept.
public struct Voice: Hashable, Sendable, Codable {
  /// What is said.
  public let text: String
  /// Codes `[Q, T]` of all codebooks.
  public let codes: [[Int32]]

  /// - Throws: ``MioError`` with code `.invalidInput` if there are no codes, or not as many in each codebook.
  public init(codes: [[Int32]], text: String) throws(MioError) {
    guard let first = codes.first, !first.isEmpty, codes.allSatisfy({ $0.count == first.count }) else {
      throw MioError(.invalidInput, "a voice needs the same number of codes, at least one, of every codebook")
    }
    self.text = text
    self.codes = codes
  }

  private enum CodingKeys: CodingKey {
    case text, codes
  }

  /// Reads what was encoded, and checks it as ``init(codes:text:)`` does.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    try self.init(
      codes: container.decode([[Int32]].self, forKey: .codes), text: container.decode(String.self, forKey: .text))
  }
}

/// A stretch of speech, in the order of the text.
public struct SpeechChunk: Sendable {
  public let audio: Audio
  /// The words that the chunk speaks.
  public let text: String
  /// Number of the segment, and how many there are.
  public let index: Int
  public let count: Int
  /// Codes `[Q, T]` from which the samples were made.
  public let codes: [[Int32]]
  /// Whether the speech was cut off because the model did not come to an end within the tokens allowed.
  public let isCutShort: Bool

  /// Mono samples, nominally in -1...1.
  public var samples: [Float] { audio.samples }
  public var sampleRateHz: Int { audio.sampleRateHz }
}

/// Speech as it is made.
public typealias SpeechStream = ModelStream<SpeechChunk>

extension Model {
  /// Speaks a text of any length, segment by segment.
  ///
  /// A long text is cut into sentences and clauses that are spoken together in one batch; each segment after the first
  /// continues the voice of the first. Chunks come in the order of the text as soon as they are complete, so the first one
  /// can be played while the others are made. The same seed gives the same samples for any number of threads and segments
  /// at once.
  ///
  /// - Returns: a stream that throws ``MioError``, with code `.unsupported` without a speech codec, with `.invalidInput` if the
  ///   text has nothing that can be said.
  public func speech(for text: String, options: SpeechOptions = SpeechOptions()) -> SpeechStream {
    speech(options) { () throws(MioError) in try self.spokenText(of: text, normalizing: options.normalizesText) }
  }

  /// The same for a text that was made ready before with this model; ``SpeechOptions/normalizesText`` is not looked at again.
  public func speech(for text: SpokenText, options: SpeechOptions = SpeechOptions()) -> SpeechStream {
    speech(options) { text }
  }

  private func speech(_ options: SpeechOptions, _ text: @escaping @Sendable () throws(MioError) -> SpokenText) -> SpeechStream {
    SpeechStream(limit: 8) { outlet in
      try SpeechSynthesis(self, text(), options).run(cancellation: outlet.cancellation) { try outlet.yield($0) }
    }
  }

  /// Speaks a whole text and returns all of it.
  ///
  /// - Throws: `CancellationError` if the task is cancelled; ``MioError`` as ``speech(for:options:)-(String,_)``.
  public func speak(_ text: String, options: SpeechOptions = SpeechOptions()) async throws -> Audio {
    var audio = Audio(samples: [], sampleRateHz: try requiredCodec().config.sampleRateHz)
    for try await chunk in speech(for: text, options: options) { audio.samples += chunk.samples }
    return audio
  }

  /// The voice of a recording of a few seconds.
  ///
  /// - Parameters:
  ///   - audio: the recording.
  ///   - text: what is said in it; `nil` has the model write it down.
  /// - Throws: `CancellationError` if the task is cancelled; ``MioError`` as ``codes(of:codebooks:)-(Audio,_)``, with code
  ///   `.invalidInput` if the model hears no words.
  public func voice(of audio: Audio, saying text: String? = nil) async throws -> Voice {
    let count = try requiredTokenizer().media.speechCodebooks.count
    let codes = try await codes(of: audio, codebooks: max(count, 1))
    let words = if let text { text } else { try await transcribe(audio).text }
    if words.isEmpty { throw MioError(.invalidInput, "no words are heard in the voice's recording; say what is said in it") }
    return try Voice(codes: codes, text: words)
  }
}

/// One text on its way to sound.
struct SpeechSynthesis {
  private let model: Model
  private let codec: SpeechCodec
  private let segments: [TextSegments.Segment]
  private let options: SpeechOptions
  private let sampling: SamplingOptions
  private let candidateCount: Int
  private static let maxSegmentsAtOnce = 1024
  /// The model has a single voice, so nothing needs to carry it over.
  private let isOneVoice: Bool
  private let voice: Voice?

  init(_ model: Model, _ spoken: SpokenText, _ options: SpeechOptions) throws(MioError) {
    self.model = model
    self.options = options
    codec = try model.requiredCodec()
    guard (1...Self.maxSegmentsAtOnce).contains(options.segmentsAtOnce) else {
      throw MioError(
        .invalidInput, "segments at once: must be 1...\(Self.maxSegmentsAtOnce), found \(options.segmentsAtOnce)")
    }
    guard TimeStretch.speeds.contains(options.speed) else {
      throw MioError(.invalidInput, "speed: must be \(TimeStretch.speeds), found \(options.speed)")
    }
    let words = spoken.text
    if let longest = try model.wordsPerSegment {
      segments = TextSegments(words, lengths: .init(shortest: 1, longest: longest), measure: Self.wordCount).segments
        .filter { $0.text.contains { $0.isLetter || $0.isNumber } }
    } else {
      segments = TextSegments(words).segments
    }
    sampling = try options.sampling.options(over: model.defaults(for: .textToSpeech))
    if let wanted = options.candidates {
      candidateCount = wanted
    } else {
      candidateCount = sampling.isDrawing ? try model.candidatesPerSegment : 1
    }
    isOneVoice = try model.isOneVoice
    voice = options.voice
    try voice.map(check)
  }

  /// Refuses a voice of another model.
  private func check(_ voice: Voice) throws(MioError) {
    let codebooks = try model.requiredTokenizer().media.speechCodebooks
    guard voice.codes.count == codebooks.count,
      zip(voice.codes, codebooks).allSatisfy({ codes, ids in codes.allSatisfy { ids.indices.contains(Int($0)) } })
    else {
      throw MioError(.invalidInput, "the voice has codes that this model does not speak; make it anew with this model")
    }
  }

  /// Speaks the first segment, then all others together.
  func run(cancellation: Cancellation, yield: (SpeechChunk) throws -> Void) throws {
    let engine = try model.engine
    var next = 0  // segment whose chunk comes next
    var finished: [Int: SpeechBlock] = [:]
    func deliver(_ index: Int, _ block: SpeechBlock) throws {
      finished[index] = block
      while let block = finished.removeValue(forKey: next) {
        try yield(try engine.codec.run(cancellation) { try chunk(next, block, on: $0) })
        next += 1
      }
    }
    var voice = self.voice.map { KnownVoice(text: $0.text, prompt: VoicePrompt(codebooks: $0.codes.map { $0.map(Int.init) })) }
    if voice == nil {
      try speak([0], on: engine, cancellation: cancellation) { index, block in
        voice = KnownVoice(text: segments[0].text, prompt: VoicePrompt(codebooks: block.codebooks))
        try deliver(index, block)
      }
      if !options.keepsVoice || isOneVoice { voice = nil }
    }
    guard next < segments.count else { return }
    try speak(Array(next..<segments.count), voice: voice, on: engine, cancellation: cancellation, deliver: deliver)
  }

  private struct KnownVoice {
    let text: String
    let prompt: VoicePrompt
  }

  private func speak(
    _ indexes: [Int], voice: KnownVoice? = nil, on engine: Engine, cancellation: Cancellation,
    deliver: (Int, SpeechBlock) throws -> Void
  ) throws {
    let requests = try indexes.map { index in
      let text = (voice.map { $0.text + " " } ?? "") + segments[index].text
      let ids = try model.prompt(.textToSpeech, [.text: .untrusted(text)])
      let grammar = ModalityGrammar(engine.classes, rules: .speechOnly, voice: voice?.prompt)
      var request = GenerationRequest(prompt: ids, options: sampling, grammar: grammar, stream: UInt64(index))
      if candidateCount != 1 { request.candidates = try candidates(of: text, engine) }
      return request
    }
    try engine.run(requests, limit: options.segmentsAtOnce, wantsTokens: false, cancellation: cancellation) { position, event in
      if case .blockFinished(_, .speech(let block)) = event { try deliver(indexes[position], block) }
    }
  }

  /// Readings of a text, judged by their transcripts: the text as it stands, or in plain words as transcripts often are.
  private func candidates(of text: String, _ engine: Engine) throws -> BestOfN {
    let end = Array(engine.classes.stopIds.prefix(1))
    var transcripts: [[Int32]] = []
    for spelling in [text, BestOfN.plainWords(text)] where !spelling.isEmpty {
      let ids = try model.answer(spelling, to: .speechRecognition, [.speech: Prompt([.tokens([])])]) + end
      if !transcripts.contains(ids) { transcripts.append(ids) }
    }
    let (model, media) = (model, engine.tokenizer.media)
    return BestOfN(count: candidateCount, transcripts: transcripts) { content in
      try model.prompt(.speechRecognition, [.speech: Prompt([.tokens(media.speechTokens([content]))])])
    }
  }

  private func chunk(_ index: Int, _ block: SpeechBlock, on context: KernelContext) throws -> SpeechChunk {
    let codes = block.codebooks.map { codebook in codebook.map(Int32.init) }
    let hop = codec.config.hopLength
    // The voice prompt is decoded along, so that the sound starts in its context, and then left out.
    var samples = try model.withoutSilentEnd(
      Array(codec.decode(codes, on: context).dropFirst(block.voiceFrameCount * hop)))
    if index + 1 < segments.count {
      samples += Array(repeating: 0, count: Int(pause(after: segments[index].end) * Double(codec.config.sampleRateHz)))
    }
    samples = TimeStretch.stretched(samples, speed: options.speed, sampleRateHz: codec.config.sampleRateHz)
    return SpeechChunk(
      audio: Audio(samples: samples, sampleRateHz: codec.config.sampleRateHz), text: segments[index].text, index: index,
      count: segments.count, codes: codes.map { Array($0.dropFirst(block.voiceFrameCount)) }, isCutShort: block.isCutShort)
  }

  /// A long word counts as several: what a model can say at once is bounded by its length, too.
  private static func wordCount(_ run: Substring) -> Int { 1 + (run.count - 1) / 8 }

  /// Seconds of silence between two segments.
  private func pause(after end: TextSegments.Break) -> Double {
    switch end {
    case .insideWord, .word: 0
    case .clause: 0.1
    case .strongClause: 0.2
    case .sentence: 0.3
    case .paragraph: 0.6
    }
  }
}
