import MioKernels

/// How probable the model finds given texts as the transcript of a prompt's speech.
struct TranscriptScore {
  private struct Row {
    let sequence: Int
    /// Tokens to evaluate next.
    var pending: [Int32]
    /// Tokens of the text that are not scored yet.
    var rest: ArraySlice<Int32>
    var score = 0.0
  }

  private let transcripts: [[Int32]]
  private let promptSequence: Int
  private let promptTokens: [Int32]
  /// Tokens of the prompt that are not evaluated yet.
  private var prompt: ArraySlice<Int32>
  /// Whether the words of the question had to be evaluated.
  private let isFirst: Bool
  private var rows: [Row] = []
  /// Whether the prompt took part in the last evaluation.
  private var isPromptPending = false

  /// Log-probability of a token that the model holds to be impossible.
  private static let least = -20.0

  /// - Parameter start: a sequence that holds the first `evaluated` tokens of the prompt; it belongs to the proof until it is
  ///   released.
  init(prompt: [Int32], transcripts: [[Int32]], start: (sequence: Int, evaluated: Int)) {
    self.prompt = prompt[start.evaluated...]
    self.transcripts = transcripts
    promptSequence = start.sequence
    promptTokens = prompt
    isFirst = start.evaluated == 0
  }

  var isComplete: Bool { !rows.isEmpty && rows.allSatisfy(\.rest.isEmpty) }

  /// The sum of the log-probabilities of the most probable text.
  var score: Double { rows.map(\.score).max() ?? -.infinity }

  mutating func appendInputs(to inputs: inout [DecoderInput], limit: Int, allowed: [Range<Int>]) {
    if rows.isEmpty {
      // All but the last token, which every row evaluates for itself; so the rows can part behind it.
      let tokens = Array(prompt.dropLast().prefix(limit))
      prompt.removeFirst(tokens.count)
      isPromptPending = !tokens.isEmpty
      if isPromptPending {
        inputs.append(DecoderInput(sequence: promptSequence, tokens: tokens, wantsLogits: false))
      }
      return
    }
    for row in rows where !row.rest.isEmpty {
      inputs.append(DecoderInput(sequence: row.sequence, tokens: row.pending, allowed: allowed))
    }
  }

  /// Uses the scores of the inputs appended last, which begin at `row`; moves `row` behind them.
  mutating func advance(
    _ logits: borrowing Activations, row: inout Int, allowed: [Range<Int>], on decoder: any SequenceDecoder
  ) throws {
    guard !rows.isEmpty else {
      if isPromptPending { row += 1 }
      if prompt.count == 1 { try part(on: decoder) }
      return
    }
    for index in rows.indices where !rows[index].rest.isEmpty {
      let id = rows[index].rest.removeFirst()
      let scores = unsafe Logits(logits.row(row))
      let (highest, logSum) = scores.logNormalizer(in: allowed)
      let value = Double(scores[Int(id)] - highest - logSum)
      rows[index].score += value > Self.least ? value : Self.least
      rows[index].pending = [id]
      row += 1
    }
  }

  /// One row for every text.
  private mutating func part(on decoder: any SequenceDecoder) throws {
    for (index, transcript) in transcripts.enumerated() {
      let sequence = index == 0 ? promptSequence : try decoder.fork(promptSequence)
      rows.append(Row(sequence: sequence, pending: Array(prompt), rest: transcript[...]))
    }
  }

  func release(on decoder: any SequenceDecoder) {
    decoder.release(promptSequence)
    for row in rows.dropFirst() { decoder.release(row.sequence) }
  }

  /// Gives the sequences back when all is scored; the words of the question stay for the next one.
  func retire(on engine: DecodingEngine) {
    guard isFirst else { return release(on: engine.decoder) }
    for row in rows.dropFirst() { engine.decoder.release(row.sequence) }
    engine.keep(promptSequence, promptTokens.dropLast())
  }
}
