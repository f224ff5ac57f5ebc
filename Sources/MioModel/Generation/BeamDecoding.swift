import MioKernels

/// Beam search on forked sequences: the prompt is evaluated once, then every step the open beams fork their parents.
final class BeamDecoding: Decoding {
  private struct Beam {
    var sequence: Int
    var reply: Reply
    var score: Float
    var seen: SeenIds
    /// Tokens chosen but not evaluated yet.
    var pending: [Int32]
  }

  let plan: SequenceState
  private var beams: [Beam]
  private var search: BeamSearch
  private var isScored = false
  private var emitted: TokenStream
  private var finalIds: [Int32]?

  /// - Parameter sequence: holds the first `evaluated` tokens of the prompt.
  init(_ plan: SequenceState, width: Int, sequence: Int, evaluated: Int, vocabularySize: Int) {
    self.plan = plan
    search = BeamSearch(width: width, lengthPenalty: plan.options.lengthPenalty, stopIds: plan.stopIds)
    beams = [
      Beam(
        sequence: sequence, reply: Reply(state: plan.start), score: 0,
        seen: plan.seenIds(vocabularySize: vocabularySize), pending: Array(plan.prompt[evaluated...]))
    ]
    emitted = TokenStream(plan)
    appendForced()
  }

  func appendInputs(to inputs: inout [DecoderInput], limit: Int) {
    if isSettled { return }
    isScored = beams[0].pending.count <= limit
    for index in beams.indices {
      let tokens = Array(beams[index].pending.prefix(limit))
      beams[index].pending.removeFirst(tokens.count)
      let allowed = plan.allowed(after: beams[index].reply)
      inputs.append(
        DecoderInput(
          sequence: beams[index].sequence, tokens: tokens, allowed: plan.grammar == nil ? nil : allowed,
          wantsLogits: isScored && !allowed.isEmpty && allowed.onlyId == nil))
    }
  }

  func advance(
    _ logits: borrowing Activations, firstRow: Int, on engine: DecodingEngine, events: inout [GenerationEvent]
  ) throws -> GenerationOutput? {
    if isSettled { return finish(isDone: false, events: &events) }
    guard isScored else { return nil }
    let length = plan.paddingCount + plan.prompt.count + beams[0].reply.ids.count
    // A beam that the grammar leaves nothing to say is a whole reply.
    for beam in beams where plan.allowed(after: beam.reply).isEmpty {
      search.addOpen(beam.reply.ids, score: beam.score, length: length)
    }
    let candidates = candidates(from: logits, firstRow: firstRow)
    let (next, isDone) = search.advance(candidates.best, beams: beams.map(\.reply.ids), length: length)
    try fork(next, on: engine.decoder)
    appendForced()
    if isDone || isSettled || beams[0].reply.ids.count >= plan.budget {
      return finish(isDone: isDone, events: &events)
    }
    emitAgreed(into: &events)
    return nil
  }

  /// Whether only one beam is left, and nothing to choose for it.
  private var isSettled: Bool { beams.count == 1 && plan.end(of: beams[0].reply) != nil }

  func cancelled() -> GenerationOutput {
    GenerationOutput(ids: emitted.ids, reason: .cancelled)
  }

  func release(on decoder: any SequenceDecoder) {
    for beam in beams { decoder.release(beam.sequence) }
  }

  /// The reply may have left the beams some steps ago; the one that it has most in common with is kept as far as that goes.
  func retire(on engine: DecodingEngine) {
    let reply = plan.keepsReply ? finalIds ?? emitted.ids : []
    let tokens = plan.prompt + reply
    let common = beams.map { beam in
      let there = (plan.prompt + beam.reply.ids).dropLast(beam.pending.count)
      return zip(there, tokens).prefix { $0 == $1 }.count
    }
    guard let best = common.indices.max(by: { common[$0] < common[$1] }) else { return }
    for index in beams.indices where index != best { engine.decoder.release(beams[index].sequence) }
    engine.keep(beams[best].sequence, tokens.prefix(common[best]))
  }

  var leadSequence: Int { beams[0].sequence }

  private func candidates(from logits: borrowing Activations, firstRow: Int) -> BeamCandidates {
    var candidates = BeamCandidates(limit: search.candidateCount)
    for (index, beam) in beams.enumerated() {
      let allowed = plan.allowed(after: beam.reply)
      if let only = allowed.onlyId {  // log-probability 0
        candidates.offer(.init(score: beam.score, parent: index, id: only))
      } else if !allowed.isEmpty {
        candidates.add(
          unsafe Logits(logits.row(firstRow + index)), allowed: allowed, parent: index, beamScore: beam.score,
          seen: beam.seen, penalty: Float(plan.options.repetitionPenalty))
      }
    }
    return candidates
  }

  /// Replaces the beams by the chosen continuations of them.
  private func fork(_ next: [BeamSearch.Candidate], on decoder: any SequenceDecoder) throws {
    var free = beams.map { Optional($0.sequence) }
    var children: [Beam] = []
    defer { beams = children }
    do {
      for candidate in next {
        let parent = beams[candidate.parent]
        // The first child takes its parent's sequence over.
        let sequence = try free[candidate.parent] ?? decoder.fork(parent.sequence)
        free[candidate.parent] = nil
        var child = parent
        child.sequence = sequence
        child.score = candidate.score
        child.pending.append(candidate.id)
        child.reply.append(candidate.id, plan.grammar)
        if plan.options.repetitionPenalty != 1 { child.seen.insert(candidate.id) }
        children.append(child)
      }
    } catch {
      children = beams.filter { beam in !children.contains { $0.sequence == beam.sequence } } + children
      throw error
    }
    for case let sequence? in free { decoder.release(sequence) }
  }

  /// While one beam stands alone, appends tokens that the grammar leaves no choice about: their log-probability is 0,
  /// so the search would take the same steps one at a time.
  private func appendForced() {
    guard beams.count == 1 && search.finished.isEmpty else { return }
    while plan.end(of: beams[0].reply) == nil, let only = plan.allowed(after: beams[0].reply).onlyId,
      !plan.stopIds.contains(only)
    {
      beams[0].reply.append(only, plan.grammar)
      beams[0].pending.append(only)
      if plan.options.repetitionPenalty != 1 { beams[0].seen.insert(only) }
    }
  }

  /// Reports the tokens that every open beam and every finished hypothesis begin with.
  private func emitAgreed(into events: inout [GenerationEvent]) {
    let first = beams[0].reply.ids
    var agreed = emitted.count
    while agreed < first.count, beams.allSatisfy({ $0.reply.ids[agreed] == first[agreed] }),
      search.finished.allSatisfy({ $0.token(at: agreed) == first[agreed] })
    {
      agreed += 1
    }
    for id in first[emitted.count..<agreed] { emitted.emit(id, into: &events) }
  }

  private func finish(isDone: Bool, events: inout [GenerationEvent]) -> GenerationOutput {
    if !isDone || search.finished.isEmpty {
      for beam in beams {
        let length = plan.paddingCount + plan.prompt.count + beam.reply.ids.count
        search.addOpen(beam.reply.ids, score: beam.score, length: length)
      }
    }
    let best = search.best
    let ids = best?.allIds ?? []
    finalIds = ids
    for id in ids.dropFirst(emitted.count) { emitted.emit(id, into: &events) }
    var reason = GenerationOutput.Reason.complete
    if best?.stopId != nil {
      reason = .stopToken
    } else if ids.count >= plan.budget {
      reason = plan.isContextBound ? .contextLimit : .tokenLimit
    }
    return GenerationOutput(ids: ids, reason: reason, score: best?.value)
  }
}
