/// How the next token is chosen from its scores, and when to stop: every value settled, whatever was wished for.
package struct SamplingOptions: Hashable, Sendable {
  /// The way of searching for a sequence.
  package enum Strategy: Hashable, Sendable {
    /// The most probable token at every step.
    case greedy
    /// A random token, by ``SamplingOptions/temperature``, ``SamplingOptions/topK`` and ``SamplingOptions/topP``.
    case sampling
    /// The best whole sequence found by following `width` candidates at once.
    case beamSearch(width: Int)
  }

  package var strategy: Strategy
  /// Divides the scores before sampling; 0 means greedy.
  package var temperature: Double
  /// Keeps the k most probable tokens (and those that tie with the last of them); 0 keeps all.
  package var topK: Int
  /// Keeps the smallest set of most probable tokens whose total probability reaches this; 1 keeps all.
  package var topP: Double
  /// Weakens every id that occurs in the prompt or in the output so far; 1 leaves all scores alone.
  package var repetitionPenalty: Double
  /// Exponent of the length by which a beam's score is divided.
  package var lengthPenalty: Double
  /// Most tokens to generate; those that repeat a ``VoicePrompt`` do not count.
  package var maxTokens: Int
  /// With the number of the request's stream, decides every random draw.
  package var seed: UInt64
  /// Ids that end the output; `nil` takes those of the checkpoint.
  package var stopIds: [Int32]?

  package init(
    strategy: Strategy = .greedy, temperature: Double = 1, topK: Int = 0, topP: Double = 1,
    repetitionPenalty: Double = 1, lengthPenalty: Double = 1, maxTokens: Int = 512, seed: UInt64 = 0,
    stopIds: [Int32]? = nil
  ) {
    self.strategy = strategy
    self.temperature = temperature
    self.topK = topK
    self.topP = topP
    self.repetitionPenalty = repetitionPenalty
    self.lengthPenalty = lengthPenalty
    self.maxTokens = maxTokens
    self.seed = seed
    self.stopIds = stopIds
  }

  /// Sequences of a batch that one request occupies.
  package var rowCount: Int {
    if case .beamSearch(let width) = strategy { return max(width, 1) }
    return 1
  }

  /// Whether one sequence is followed and the most probable token always wins.
  var isGreedy: Bool {
    switch strategy {
    case .greedy: true
    case .sampling: temperature == 0
    case .beamSearch(let width): width == 1
    }
  }

  /// Whether tokens are drawn at random.
  package var isDrawing: Bool { strategy == .sampling && !isGreedy }

  /// Refuses settings outside their range.
  package func validate() throws(GenerationError) {
    func require(_ holds: Bool, _ name: String, _ rule: String) throws(GenerationError) {
      if !holds { throw GenerationError(.invalidOption, at: name, "must be \(rule)") }
    }
    try require(temperature >= 0 && temperature.isFinite, "temperature", "0 or more, found \(temperature)")
    try require(topK >= 0, "top-k", "0 (off) or more, found \(topK)")
    try require(topP >= 0 && topP <= 1, "top-p", "between 0 and 1, found \(topP)")
    try require(
      repetitionPenalty > 0 && repetitionPenalty.isFinite, "repetition-penalty",
      "more than 0 (1 is off), found \(repetitionPenalty)")
    try require(lengthPenalty.isFinite, "length-penalty", "a finite number, found \(lengthPenalty)")
    try require(
      maxTokens >= 1 && maxTokens <= Self.maxTokens, "max-tokens", "1...\(Self.maxTokens), found \(maxTokens)")
    if case .beamSearch(let width) = strategy {
      try require(width >= 1 && width <= Self.widestBeam, "beams", "1...\(Self.widestBeam), found \(width)")
    }
  }

  /// Most tokens of one request, far beyond any context.
  package static let maxTokens = 1 << 30
  /// Most beams of one request.
  package static let widestBeam = 256
}

/// What a request is for; decides the default settings.
package enum GenerationTask: String, CaseIterable, Hashable, Sendable {
  /// Captions, answers, transcripts, conversation.
  case text
  case imageGeneration
  case textToSpeech
  /// A spoken answer to a written question.
  case speechGeneration
  /// A spoken answer to a spoken question.
  case speechToSpeech
  case videoGeneration
  /// Text and images in turn.
  case interleaved
}

extension SamplingOptions {
  /// Tokens of the longest sequences that MIO was trained on; beyond them the reply is anyone's guess.
  package static let trainingLength = 2800

  /// The settings of MIO's own `infer.py`, task by task.
  ///
  /// The paper's table 11 (arXiv:2409.17692, appendix D) differs: it samples one sequence for images and for all speech
  /// (top-p 0.7; penalty 1.0 for images, 1.15 for speech). `maxTokens` is ours where sound or several images come out:
  /// the 512 of `infer.py` are 2.5 seconds of speech, 2,400 are 12 seconds and leave a prompt of 400 within
  /// ``trainingLength``.
  package static func defaults(for task: GenerationTask) -> SamplingOptions {
    let beams = Strategy.beamSearch(width: 5)
    return switch task {
    case .text: SamplingOptions(strategy: beams)
    case .imageGeneration: SamplingOptions(strategy: beams, topP: 0.7, repetitionPenalty: 1.15)
    case .textToSpeech: SamplingOptions(strategy: .sampling, topP: 0.7, repetitionPenalty: 1.15, maxTokens: 2400)
    case .speechGeneration: SamplingOptions(strategy: beams, topP: 0.7, repetitionPenalty: 2, maxTokens: 2400)
    case .speechToSpeech: SamplingOptions(strategy: beams, topP: 0.7, repetitionPenalty: 1.15, maxTokens: 2400)
    case .videoGeneration, .interleaved:
      SamplingOptions(strategy: .sampling, topP: 0.7, repetitionPenalty: 1.15, maxTokens: 2400)
    }
  }
}
