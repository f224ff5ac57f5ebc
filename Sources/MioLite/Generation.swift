import MioModel

/// How ``Model/generate(from:options:)`` completes a prompt.
public struct GenerationOptions: Sendable {
  public var sampling: Sampling
  /// Ids that end the output; `nil` takes the checkpoint's.
  public var stopIds: [Int32]?
  /// Whether only tokens that keep speech and images decodable are allowed.
  public var usesGrammar: Bool

  public init(sampling: Sampling = Sampling(), stopIds: [Int32]? = nil, usesGrammar: Bool = true) {
    self.sampling = sampling
    self.stopIds = stopIds
    self.usesGrammar = usesGrammar
  }
}

extension Model {
  /// Completes a prompt of token ids, taken exactly as they are; yields the new ids.
  ///
  /// Beam search yields an id once all candidates agree on it, so the ids may come in bursts.
  public func generate(from prompt: [Int32], options: GenerationOptions = GenerationOptions()) -> ModelStream<Int32> {
    ModelStream(limit: 256) { outlet in
      var sampling = try options.sampling.options(over: self.defaults(for: .text))
      sampling.stopIds = options.stopIds ?? self.stopIds
      let engine = try self.engine
      let grammar = options.usesGrammar ? ModalityGrammar(engine.classes, rules: .anything) : nil
      var request = GenerationRequest(prompt: prompt, options: sampling, grammar: grammar)
      request.tokens = engine.tokenizer.idsWithTokens
      try engine.run([request], cancellation: outlet.cancellation) { _, event in
        if case .token(_, let id) = event { try outlet.yield(id) }
      }
    }
  }
}
