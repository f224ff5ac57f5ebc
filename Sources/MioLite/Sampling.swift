import MioModel

/// How tokens are chosen. What is `nil` follows the task's defaults: those of MIO's own `infer.py`, or the model file's.
///
/// Wishes, any of which may be missing; the `SamplingOptions` of the decoding are what they become, in which nothing is.
public struct Sampling: Hashable, Sendable {
  /// Divides the scores before a token is drawn; 0 means greedy. Setting it, ``topK`` or ``topP`` asks for drawing.
  public var temperature: Double?
  /// Keeps the k most probable tokens; 0 keeps all.
  public var topK: Int?
  /// Keeps the smallest set of most probable tokens that reaches this probability; 1 keeps all.
  public var topP: Double?
  /// Weakens tokens that occurred before; 1 leaves all alone.
  public var repetitionPenalty: Double?
  /// Sequences that beam search follows at once; 1 turns it off.
  public var beams: Int?
  /// Exponent of the length by which a beam's score is divided.
  public var lengthPenalty: Double?
  /// Most tokens to generate.
  public var maxTokens: Int?
  /// Takes the most probable token at every step.
  public var greedy: Bool
  /// Decides every random draw: same model, prompt and seed, same result. `nil` draws a seed.
  public var seed: UInt64?

  public init(
    temperature: Double? = nil, topK: Int? = nil, topP: Double? = nil, repetitionPenalty: Double? = nil,
    beams: Int? = nil, lengthPenalty: Double? = nil, maxTokens: Int? = nil, greedy: Bool = false, seed: UInt64? = nil
  ) {
    self.temperature = temperature
    self.topK = topK
    self.topP = topP
    self.repetitionPenalty = repetitionPenalty
    self.beams = beams
    self.lengthPenalty = lengthPenalty
    self.maxTokens = maxTokens
    self.greedy = greedy
    self.seed = seed
  }

  /// The task's defaults with these wishes on top.
  func options(over defaults: SamplingOptions) throws(MioError) -> SamplingOptions {
    var options = defaults
    if temperature != nil || topK != nil || topP != nil { options.strategy = .sampling }
    if let beams { options.strategy = beams == 1 && isDrawing(options) ? .sampling : .beamSearch(width: beams) }
    if greedy { options.strategy = .greedy }
    if let temperature { options.temperature = temperature }
    if let topK { options.topK = topK }
    if let topP { options.topP = topP }
    if let repetitionPenalty { options.repetitionPenalty = repetitionPenalty }
    if let lengthPenalty { options.lengthPenalty = lengthPenalty }
    if let maxTokens { options.maxTokens = maxTokens }
    options.seed = seed ?? .random(in: .min ... .max)
    do {
      try options.validate()
    } catch {
      throw MioError(error)
    }
    return options
  }

  private func isDrawing(_ options: SamplingOptions) -> Bool {
    if case .sampling = options.strategy { return true }
    return false
  }
}
