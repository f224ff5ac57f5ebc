import MioKernels

/// A request with takes: their contents are drawn side by side and judged; then the best one goes on alone.
final class TakesDecoding: Decoding {
  private struct Take {
    let decoding: SingleDecoding
    /// What will be reported if it is chosen.
    var events: [GenerationEvent] = []
  }

  private enum Phase {
    /// The first take evaluates the prompt for all.
    case prompt
    case contents
    case judging
    /// One take is left.
    case chosen
  }

  let plan: ReplyPlan
  private let wish: Takes
  private var phase = Phase.prompt
  private var takes: [Take]
  /// One for every take.
  private var proofs: [TranscriptProof] = []
  /// Legal ids of a transcript.
  private let legal: [Range<Int>]

  /// - Parameter sequence: holds the first `evaluated` tokens of the prompt.
  init(_ plan: ReplyPlan, takes wish: Takes, sequence: Int, evaluated: Int, vocabularySize: Int) {
    self.plan = plan
    self.wish = wish
    takes = [
      Take(decoding: SingleDecoding(plan, sequence: sequence, evaluated: evaluated, vocabularySize: vocabularySize))
    ]
    let grammar = plan.grammar.map { ModalityGrammar($0.classes, rules: .textOnly) }
    legal = grammar?.legal(in: .init(), remaining: .max) ?? [0..<vocabularySize]
  }

  func appendInputs(to inputs: inout [ScoringInput], limit: Int) {
    switch phase {
    case .prompt: takes[0].decoding.appendPromptInput(to: &inputs, limit: limit)
    case .contents:
      for take in takes where !take.decoding.hasContent { take.decoding.appendInputs(to: &inputs, limit: limit) }
    case .judging:
      for index in proofs.indices { proofs[index].appendInputs(to: &inputs, limit: limit, legal: legal) }
    case .chosen: takes[0].decoding.appendInputs(to: &inputs, limit: limit)
    }
  }

  func advance(
    _ logits: borrowing Activations, firstRow: Int, on engine: DecodingEngine, events: inout [GenerationEvent]
  ) throws -> GenerationOutput? {
    var row = firstRow
    switch phase {
    case .prompt:
      if takes[0].decoding.isPromptEvaluated { try split(on: engine.scorer) }
    case .contents:
      for index in takes.indices where !takes[index].decoding.hasContent {
        let decoding = takes[index].decoding
        _ = try decoding.advance(logits, firstRow: row, on: engine, events: &takes[index].events)
        row += 1
      }
      if takes.allSatisfy(\.decoding.hasContent) { try judge(on: engine) }
    case .judging:
      for index in proofs.indices { try proofs[index].advance(logits, row: &row, legal: legal, on: engine.scorer) }
      if proofs.allSatisfy(\.isComplete) { choose(on: engine, events: &events) }
    case .chosen:
      return try takes[0].decoding.advance(logits, firstRow: row, on: engine, events: &events)
    }
    return nil
  }

  func cancelled() -> GenerationOutput {
    phase == .chosen ? takes[0].decoding.cancelled() : GenerationOutput(ids: [], reason: .cancelled)
  }

  func release(on scorer: any SequenceScorer) {
    for take in takes { take.decoding.release(on: scorer) }
    for proof in proofs { proof.release(on: scorer) }
  }

  func retire(on engine: DecodingEngine) {
    for proof in proofs { proof.release(on: engine.scorer) }
    for take in takes.dropFirst() { take.decoding.release(on: engine.scorer) }
    takes[0].decoding.retire(on: engine)
  }

  var leadSequence: Int { takes[0].decoding.leadSequence }

  // MARK: - From phase to phase

  private func split(on scorer: any SequenceScorer) throws {
    phase = .contents
    for index in 1..<wish.count { takes.append(Take(decoding: try takes[0].decoding.fork(plan.take(index), on: scorer))) }
  }

  private func judge(on engine: DecodingEngine) throws {
    phase = .judging
    for take in takes {
      let prompt = try wish.prompt(take.decoding.content)
      let length = prompt.count + (wish.transcripts.map(\.count).max() ?? 0)
      guard !prompt.isEmpty, length <= engine.scorer.contextLength else {
        throw GenerationError(
          .promptTooLong, at: "takes",
          "asking for a transcript takes \(length) tokens, the context has \(engine.scorer.contextLength); raise --context or "
            + "speak with one take")
      }
      let start = try engine.start(behind: engine.longestPrefix(for: prompt))
      proofs.append(TranscriptProof(prompt: prompt, transcripts: wish.transcripts, start: start))
    }
  }

  /// Ends all takes but the best, the first of equals.
  private func choose(on engine: DecodingEngine, events: inout [GenerationEvent]) {
    var best = 0
    for index in takes.indices where proofs[index].score > proofs[best].score { best = index }
    let chosen = takes.remove(at: best)
    for take in takes { take.decoding.release(on: engine.scorer) }
    for proof in proofs { proof.retire(on: engine) }
    (takes, proofs) = ([chosen], [])
    events += chosen.events
    phase = .chosen
  }
}
