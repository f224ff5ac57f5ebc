/// A wish for generated tokens, handed to a ``Generator``.
package struct GenerationRequest: Sendable {
  /// What happens to a prompt that leaves too little room for a reply.
  package enum Overflow: Hashable, Sendable {
    /// The request is refused.
    case refuse
    /// Tokens at the end of `range` (indices into the prompt) are left out until `reserving` tokens are free for the
    /// reply. Everything outside the range stays, the generation prompt above all. The range should not cut through a
    /// media block.
    case trim(_ range: Range<Int>, reserving: Int)
  }

  package var prompt: [Int32]
  package var options: SamplingOptions
  /// `nil` makes every id of `tokens` allowed.
  package var grammar: ModalityGrammar?
  /// Without a grammar: ids that have a token, ascending and disjoint; `nil` is every id of the head.
  package var tokens: [Range<Int>]?
  /// The number of the random stream; with the seed it decides what is drawn, whatever else runs in the batch.
  package var stream: UInt64 = 0
  /// Several readings, of which one is kept; `nil` is one. Of use where the reply is one speech block.
  package var candidates: BestOfN?
  package var overflow = Overflow.refuse
  /// Whether the reply stays in the prefix cache as the prompt does, for a request that goes on behind it.
  package var keepsReply = false
  /// Left padding that the reference would have put before a shorter prompt of a batch: it counts in the length of
  /// beams and its id 0 is penalised. Only of use to reproduce such batches.
  package var paddingCount = 0

  package init(prompt: [Int32], options: SamplingOptions, grammar: ModalityGrammar? = nil, stream: UInt64 = 0) {
    self.prompt = prompt
    self.options = options
    self.grammar = grammar
    self.stream = stream
  }
}

/// What happened to a request in one step.
package enum GenerationEvent: Sendable {
  /// One more token of the output is certain. Beam search reports a token once all candidates agree on it.
  case token(request: Int, id: Int32)
  /// The last reported token closed a media block.
  case blockFinished(request: Int, MediaBlock)
  /// The last event of a request.
  case finished(request: Int, GenerationOutput)
  /// The last event of a request that could not go on; others are not concerned.
  case failed(request: Int, GenerationError)

  /// The request that the event belongs to.
  package var request: Int {
    switch self {
    case .token(let request, _), .blockFinished(let request, _), .finished(let request, _), .failed(let request, _):
      request
    }
  }

  /// Whether no other event of the request follows.
  package var isLast: Bool {
    switch self {
    case .token, .blockFinished: false
    case .finished, .failed: true
    }
  }
}

/// A complete media block of the output.
package enum MediaBlock: Hashable, Sendable {
  case speech(SpeechBlock)
  /// Codes of an image.
  case image([Int])
}

/// The codes of one speech block.
package struct SpeechBlock: Hashable, Sendable {
  /// `[Q, T]`: codes of every codebook, with the same number of frames each; only codebook 0 on the user's side.
  package var codebooks: [[Int]]
  /// Frames at the beginning that repeat the request's ``VoicePrompt``.
  package var voiceFrameCount: Int
  /// Whether the content ended because no more tokens could be afforded, not because the model ended it.
  package var isCutShort: Bool

  package init(codebooks: [[Int]], voiceFrameCount: Int = 0, isCutShort: Bool = false) {
    self.codebooks = codebooks
    self.voiceFrameCount = voiceFrameCount
    self.isCutShort = isCutShort
  }

  /// `[Q, T]`: codes of the frames that are not a repetition of the voice prompt; what is to be heard.
  package var ownCodebooks: [[Int]] { codebooks.map { Array($0.dropFirst(voiceFrameCount)) } }
}

/// The whole reply to a request.
package struct GenerationOutput: Hashable, Sendable {
  package enum Reason: Hashable, Sendable {
    /// A stop token, which is the last of `ids`.
    case stopToken
    /// As many tokens as the request allowed.
    case tokenLimit
    /// The model's context is full.
    case contextLimit
    /// The grammar leaves nothing more to say.
    case complete
    case cancelled
  }

  /// New ids only.
  package var ids: [Int32]
  package var reason: Reason
  /// Beam search: the sum of log-probabilities divided by length^penalty, the length counting prompt and reply.
  package var score: Double?

  package init(ids: [Int32], reason: Reason, score: Double? = nil) {
    self.ids = ids
    self.reason = reason
    self.score = score
  }
}
