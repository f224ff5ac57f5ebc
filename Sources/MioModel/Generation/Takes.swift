import MioKernels

/// Several readings of one text, of which the one that the model itself understands best is kept.
///
/// Drawn speech now and then skips a word, stops early or slips. What was said is seen best by asking for its
/// transcript: the take under whose content the wanted text is the most probable goes on.
package struct Takes: Sendable {
  package var count: Int
  /// Spellings of what should be heard, each with the token that ends a transcript; the most probable one counts.
  package var transcripts: [[Int32]]
  /// The prompt that asks for the transcript of content codes `[T]`.
  package var prompt: @Sendable (_ content: [Int]) throws -> [Int32]

  package init(
    count: Int, transcripts: [[Int32]], prompt: @escaping @Sendable (_ content: [Int]) throws -> [Int32]
  ) {
    self.count = count
    self.transcripts = transcripts
    self.prompt = prompt
  }

  /// Most takes of one request.
  package static let most = 64

  /// Sequences that are evaluated side by side.
  var rowCount: Int { count * transcripts.count }

  func validate(_ options: SamplingOptions, _ grammar: ModalityGrammar?) throws(GenerationError) {
    guard (1...Self.most).contains(count) else {
      throw GenerationError(.invalidOption, at: "takes", "must be 1...\(Self.most), found \(count)")
    }
    guard options.isDrawing else {
      throw GenerationError(
        .invalidOption, at: "takes", "every take would be the same without drawing; leave out greedy search and beams")
    }
    precondition(
      grammar?.rules.speech != nil && !transcripts.isEmpty && transcripts.allSatisfy { !$0.isEmpty },
      "takes need speech and what should be heard")
  }
}
