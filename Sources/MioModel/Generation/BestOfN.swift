import MioKernels

/// Several readings of one text, of which the one that the model itself understands best is kept.
///
/// Drawn speech now and then skips a word, stops early or slips. What was said is seen best by asking for its
/// transcript: the candidate under whose content the wanted text is the most probable goes on.
package struct BestOfN: Sendable {
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

  /// Most candidates of one request.
  package static let maxCount = 64

  /// Sequences that are held at the same time, with up to two spellings to judge by.
  package static func rowCount(_ count: Int) -> Int { 3 * count }

  func validate(_ options: SamplingOptions, _ grammar: ModalityGrammar?) throws(GenerationError) {
    guard (1...Self.maxCount).contains(count) else {
      throw GenerationError(.invalidOption, at: "candidates", "must be 1...\(Self.maxCount), found \(count)")
    }
    guard options.isDrawing else {
      throw GenerationError(
        .invalidOption, at: "candidates",
        "every candidate would be the same without drawing: give a temperature above 0, no beams, and no greedy search")
    }
    precondition(
      grammar?.rules.speech != nil && (1...2).contains(transcripts.count) && transcripts.allSatisfy { !$0.isEmpty },
      "candidates need speech and one or two spellings of what should be heard")
  }

  /// A text as transcripts often spell it: small letters without marks, but for apostrophes within words.
  package static func plainWords(_ text: String) -> String {
    let plain = text.lowercased().map { letter -> Character in
      if letter.isLetter || letter.isNumber { return letter }
      return "'’ʼ".contains(letter) ? "'" : " "
    }
    return plain.split(separator: " ").map { word in
      let start = word.drop { $0 == "'" }
      return String(start.prefix((start.lastIndex { $0 != "'" } ?? start.startIndex) - start.startIndex + 1))
    }.filter { !$0.isEmpty }.joined(separator: " ")
  }
}
