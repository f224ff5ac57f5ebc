import MioKernels

/// Greedy search and sampling: one sequence, one token a step.
final class SingleDecoding: Decoding {
  let plan: SequenceState
  private let sequence: Int
  private var pending: [Int32]
  private var isScored = false
  private var reply: Reply
  private var seen: SeenIds
  private var random: RandomStream
  private var emitted: TokenStream

  /// - Parameter sequence: holds the first `evaluated` tokens of the prompt.
  init(_ plan: SequenceState, sequence: Int, evaluated: Int, vocabularySize: Int) {
    self.plan = plan
    self.sequence = sequence
    pending = Array(plan.prompt[evaluated...])
    reply = Reply(state: plan.start)
    seen = plan.seenIds(vocabularySize: vocabularySize)
    random = RandomStream(seed: plan.options.seed, number: plan.stream)
    emitted = TokenStream(plan)
    appendForced()
  }

  /// A sequence that goes on from the same place with the random numbers of another plan.
  init(_ other: SingleDecoding, _ plan: SequenceState, sequence: Int) {
    self.plan = plan
    self.sequence = sequence
    pending = other.pending
    reply = other.reply
    seen = other.seen
    random = RandomStream(seed: plan.options.seed, number: plan.stream)
    emitted = other.emitted
  }

  func fork(_ plan: SequenceState, on decoder: any SequenceDecoder) throws -> SingleDecoding {
    SingleDecoding(self, plan, sequence: try decoder.fork(sequence))
  }

  /// Appends what must be evaluated before the first choice, but for the last token of it.
  func appendPromptInput(to inputs: inout [DecoderInput], limit: Int) {
    let tokens = Array(pending.dropLast().prefix(limit))
    pending.removeFirst(tokens.count)
    if !tokens.isEmpty { inputs.append(DecoderInput(sequence: sequence, tokens: tokens, wantsLogits: false)) }
  }

  var isPromptEvaluated: Bool { pending.count <= 1 }

  /// Whether the content of the reply's speech block is complete.
  var hasContent: Bool {
    if plan.end(of: reply) != nil { return true }
    return switch reply.state.place {
    case .speech(let codebook, _, _): codebook > 0
    case .text, .image: reply.state.blockCount > 0
    }
  }

  /// Content codes of the reply, `[T]`.
  var content: [Int] {
    guard let classes = plan.grammar?.classes else { return [] }
    return reply.ids.compactMap { if case .speech(codebook: 0, let code) = classes.kind(of: $0) { code } else { nil } }
  }

  func appendInputs(to inputs: inout [DecoderInput], limit: Int) {
    if plan.end(of: reply) != nil { return }  // nothing was left to choose
    isScored = pending.count <= limit
    if isScored {
      inputs.append(DecoderInput(sequence: sequence, tokens: pending, allowed: allowedInput()))
      pending.removeAll(keepingCapacity: true)
    } else {
      inputs.append(DecoderInput(sequence: sequence, tokens: Array(pending.prefix(limit)), wantsLogits: false))
      pending.removeFirst(limit)
    }
  }

  func advance(
    _ logits: borrowing Activations, firstRow: Int, on engine: DecodingEngine, events: inout [GenerationEvent]
  ) throws -> GenerationOutput? {
    if plan.end(of: reply) == nil {
      guard isScored else { return nil }
      append(choose(from: unsafe Logits(logits.row(firstRow)), on: engine))
      appendForced()
    }
    for id in reply.ids[emitted.count...] { emitted.emit(id, into: &events) }
    return plan.end(of: reply).map { GenerationOutput(ids: reply.ids, reason: $0) }
  }

  func cancelled() -> GenerationOutput {
    GenerationOutput(ids: emitted.ids, reason: .cancelled)
  }

  func release(on decoder: any SequenceDecoder) {
    decoder.release(sequence)
  }

  func retire(on engine: DecodingEngine) {
    let tokens = (plan.prompt + reply.ids).dropLast(pending.count)
    engine.keep(sequence, plan.keepsReply ? tokens : tokens.prefix(plan.prompt.count))
  }

  var leadSequence: Int { sequence }

  private func choose(from row: Logits, on engine: DecodingEngine) -> Int32 {
    let allowed = plan.allowed(after: reply)
    let options = plan.options
    row.penalize(seen, by: Float(options.repetitionPenalty))
    if options.isGreedy { return Int32(row.bestId(in: allowed)) }
    let draw = engine.sampler.draw(
      from: row, allowed: allowed, temperature: options.temperature, topK: options.topK, topP: options.topP,
      uniform: random.uniform())
    return Int32(draw.id)
  }

  private func append(_ id: Int32) {
    reply.append(id, plan.grammar)
    pending.append(id)
    if plan.options.repetitionPenalty != 1 { seen.insert(id) }
  }

  /// Appends tokens that the grammar leaves no choice about; they need no scores and are evaluated with the next.
  private func appendForced() {
    while plan.end(of: reply) == nil, let only = plan.allowed(after: reply).onlyId { append(only) }
  }

  private func allowedInput() -> [Range<Int>]? {
    plan.grammar == nil ? nil : plan.allowed(after: reply)
  }
}
