import MioKernels

/// A request with candidates: their contents are drawn side by side and judged; then the best one goes on alone.
final class BestOfNDecoding: Decoding {
  private struct Candidate {
    let decoding: SingleDecoding
    /// What will be reported if it is chosen.
    var events: [GenerationEvent] = []
  }

  private enum Phase {
    /// The first candidate evaluates the prompt for all.
    case prompt
    case contents
    case judging
    /// One candidate is left.
    case chosen
  }

  let plan: SequenceState
  private let bestOfN: BestOfN
  private var phase = Phase.prompt
  private var candidates: [Candidate]
  /// One for every candidate.
  private var scores: [TranscriptScore] = []
  /// Allowed ids of a transcript.
  private let allowed: [Range<Int>]

  /// - Parameter sequence: holds the first `evaluated` tokens of the prompt.
  init(_ plan: SequenceState, candidates bestOfN: BestOfN, sequence: Int, evaluated: Int, vocabularySize: Int) {
    self.plan = plan
    self.bestOfN = bestOfN
    candidates = [
      Candidate(decoding: SingleDecoding(plan, sequence: sequence, evaluated: evaluated, vocabularySize: vocabularySize))
    ]
    let grammar = plan.grammar.map { ModalityGrammar($0.classes, rules: .textOnly) }
    allowed = grammar?.allowed(in: .init(), remaining: .max) ?? [0..<vocabularySize]
  }

  func appendInputs(to inputs: inout [DecoderInput], limit: Int) {
    switch phase {
    case .prompt: candidates[0].decoding.appendPromptInput(to: &inputs, limit: limit)
    case .contents:
      for candidate in candidates where !candidate.decoding.hasContent {
        candidate.decoding.appendInputs(to: &inputs, limit: limit)
      }
    case .judging:
      for index in scores.indices { scores[index].appendInputs(to: &inputs, limit: limit, allowed: allowed) }
    case .chosen: candidates[0].decoding.appendInputs(to: &inputs, limit: limit)
    }
  }

  func advance(
    _ logits: borrowing Activations, firstRow: Int, on engine: DecodingEngine, events: inout [GenerationEvent]
  ) throws -> GenerationOutput? {
    var row = firstRow
    switch phase {
    case .prompt:
      if candidates[0].decoding.isPromptEvaluated { try split(on: engine.decoder) }
    case .contents:
      for index in candidates.indices where !candidates[index].decoding.hasContent {
        let decoding = candidates[index].decoding
        _ = try decoding.advance(logits, firstRow: row, on: engine, events: &candidates[index].events)
        row += 1
      }
      if candidates.allSatisfy(\.decoding.hasContent) { try judge(on: engine) }
    case .judging:
      for index in scores.indices { try scores[index].advance(logits, row: &row, allowed: allowed, on: engine.decoder) }
      if scores.allSatisfy(\.isComplete) { choose(on: engine, events: &events) }
    case .chosen:
      return try candidates[0].decoding.advance(logits, firstRow: row, on: engine, events: &events)
    }
    return nil
  }

  func cancelled() -> GenerationOutput {
    phase == .chosen ? candidates[0].decoding.cancelled() : GenerationOutput(ids: [], reason: .cancelled)
  }

  func release(on decoder: any SequenceDecoder) {
    for candidate in candidates { candidate.decoding.release(on: decoder) }
    for proof in scores { proof.release(on: decoder) }
  }

  func retire(on engine: DecodingEngine) {
    for proof in scores { proof.release(on: engine.decoder) }
    for candidate in candidates.dropFirst() { candidate.decoding.release(on: engine.decoder) }
    candidates[0].decoding.retire(on: engine)
  }

  var leadSequence: Int { candidates[0].decoding.leadSequence }

  // MARK: - From phase to phase

  private func split(on decoder: any SequenceDecoder) throws {
    phase = .contents
    for index in 1..<bestOfN.count {
      candidates.append(Candidate(decoding: try candidates[0].decoding.fork(plan.candidate(index), on: decoder)))
    }
  }

  private func judge(on engine: DecodingEngine) throws {
    phase = .judging
    for candidate in candidates {
      let prompt = try bestOfN.prompt(candidate.decoding.content)
      let length = prompt.count + (bestOfN.transcripts.map(\.count).max() ?? 0)
      guard !prompt.isEmpty, length <= engine.decoder.contextLength else {
        throw GenerationError(
          .promptTooLong, at: "candidates",
          "asking for a transcript takes \(length) tokens, the context has \(engine.decoder.contextLength); raise --context or "
            + "speak with one candidate")
      }
      let start = try engine.start(behind: engine.longestPrefix(for: prompt))
      scores.append(TranscriptScore(prompt: prompt, transcripts: bestOfN.transcripts, start: start))
    }
  }

  /// Ends all candidates but the best, the first of equals.
  private func choose(on engine: DecodingEngine, events: inout [GenerationEvent]) {
    var best = 0
    for index in candidates.indices where scores[index].score > scores[best].score { best = index }
    let chosen = candidates.remove(at: best)
    for candidate in candidates { candidate.decoding.release(on: engine.decoder) }
    for proof in scores { proof.retire(on: engine) }
    (candidates, scores) = ([chosen], [])
    events += chosen.events
    phase = .chosen
  }
}
