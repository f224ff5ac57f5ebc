import MioKernels

/// Generates replies to many requests at once.
///
/// Every step evaluates one batch: the next tokens of all running requests, beams included, and prompts of new ones.
/// When a request ends, a waiting one takes its place, first come, first served. A reply depends on its own request alone, not
/// on what else runs, given that the decoder keeps its promise; so the batch limit is a matter of speed only.
///
/// A request starts when the most that it may need fits the cache beside all that runs: none that has started fails for want
/// of memory.
///
/// ```swift
/// let request = try generator.submit(GenerationRequest(prompt: ids, options: .defaults(for: .text), grammar: grammar))
/// while !generator.isIdle {
///   for event in try generator.step() { ... }
/// }
/// ```
///
/// Not safe to use from two threads at once.
package final class Generator {
  private let engine: DecodingEngine
  private let batchLimit: Int
  private let promptChunk: Int
  private var waiting: [SequenceState] = []
  private var running: [any Decoding] = []
  private var cancelledIds: Set<Int> = []
  private var pausedIds: Set<Int> = []
  private var nextId = 0
  // Scratch, reused from step to step.
  private var logits: Activations
  private var inputs: [DecoderInput] = []
  private var evaluated: [(decoding: any Decoding, firstRow: Int)] = []

  /// - Parameter batchLimit: most sequences evaluated together; a request with five beams counts as five, one with
  ///   three candidates as nine.
  /// - Parameter promptChunk: most tokens of one prompt evaluated in one step, which bounds the memory of a step.
  /// - Parameter prefixLimit: most evaluated prompts kept for later requests that begin alike; they use at most a quarter of
  ///   the cache.
  package init(_ decoder: any SequenceDecoder, batchLimit: Int = 16, promptChunk: Int = 512, prefixLimit: Int = 64) {
    precondition(batchLimit >= 1 && promptChunk >= 1 && prefixLimit >= 0, "a generator needs room for one sequence")
    engine = DecodingEngine(decoder, prefixLimit: prefixLimit)
    self.batchLimit = batchLimit
    self.promptChunk = promptChunk
    logits = Activations(rows: 1, columns: decoder.vocabularySize)
  }

  deinit {
    for decoding in running { decoding.release(on: engine.decoder) }
    engine.forgetPrefixes()
  }

  /// Whether all requests are finished.
  package var isIdle: Bool { waiting.isEmpty && running.isEmpty }

  /// Whether a step would do anything: not all requests are paused, or wait for paused ones.
  package var canAdvance: Bool {
    !cancelledIds.isEmpty || running.contains { !pausedIds.contains($0.plan.request) }
      || waiting.first.map(hasRoom) ?? false
  }

  /// Queues a request and returns its id, by which events name it.
  package func submit(_ request: GenerationRequest) throws(GenerationError) -> Int {
    let plan = try SequenceState(
      request, id: nextId, vocabularySize: engine.decoder.vocabularySize, contextLength: engine.decoder.contextLength)
    guard plan.rowCount <= batchLimit else {
      throw GenerationError(
        .invalidOption, at: plan.candidates == nil ? "beams" : "candidates",
        "\(plan.rowCount) sequences side by side do not fit a batch of \(batchLimit)")
    }
    let (pages, limit) = (maxPages(plan), engine.decoder.pageLimit)
    guard pages <= limit else {
      throw GenerationError(
        .cacheTooSmall, at: "cache",
        "\(plan.rowCount) sequences of up to \(plan.prompt.count + plan.budget) tokens may need room for "
          + "\(pages * engine.decoder.pageLength) tokens, the cache has \(limit * engine.decoder.pageLength); allow fewer tokens, "
          + "beams or best of N, or a larger cache")
    }
    waiting.append(plan)
    nextId += 1
    return plan.request
  }

  /// Ends a request before the next step; its last event says so.
  package func cancel(_ request: Int) {
    cancelledIds.insert(request)
  }

  /// Leaves a request out of the steps, or takes it in again; all others go on.
  package func pause(_ request: Int, _ isPaused: Bool) {
    if isPaused { pausedIds.insert(request) } else { pausedIds.remove(request) }
  }

  /// Forgets cached prompt beginnings.
  package func forgetPrefixes() {
    engine.forgetPrefixes()
  }

  /// Advances every running request by one token, or by one chunk of its prompt, and reports what happened.
  ///
  /// - Throws: `.scoringFailed` if the model fails. All requests are dropped then, without events.
  package func step() throws(GenerationError) -> [GenerationEvent] {
    var events: [GenerationEvent] = []
    do {
      dropCancelled(&events)
      try admitWaiting()
      try evaluate()
    } catch {
      abandonAll()
      throw GenerationError(wrapping: error)
    }
    advance(&events)
    return events
  }

  // MARK: - Parts of a step

  private func dropCancelled(_ events: inout [GenerationEvent]) {
    func isCancelled(_ plan: SequenceState) -> Bool { cancelledIds.contains(plan.request) }
    for decoding in running where isCancelled(decoding.plan) {
      events.append(.finished(request: decoding.plan.request, decoding.cancelled()))
      retire(decoding)
    }
    for plan in waiting where isCancelled(plan) {
      events.append(.finished(request: plan.request, GenerationOutput(ids: [], reason: .cancelled)))
      pausedIds.remove(plan.request)
    }
    waiting.removeAll(where: isCancelled)
    cancelledIds.removeAll()
  }

  private func maxPages(_ plan: SequenceState) -> Int { plan.maxPages(pageLength: engine.decoder.pageLength) }

  /// Whether the batch and the cache have room for one more request.
  private func hasRoom(for plan: SequenceState) -> Bool {
    let rows = running.reduce(plan.rowCount) { $0 + $1.plan.rowCount }
    let pages = running.reduce(maxPages(plan)) { $0 + maxPages($1.plan) }
    return rows <= batchLimit && pages <= engine.decoder.pageLimit
  }

  /// Starts waiting requests, in order, as long as there is room for the next.
  private func admitWaiting() throws {
    while let plan = waiting.first, hasRoom(for: plan) {
      guard let (sequence, evaluated) = try startSequence(for: plan) else { return }
      waiting.removeFirst()
      let size = engine.decoder.vocabularySize
      if let candidates = plan.candidates {
        running.append(
          BestOfNDecoding(plan, candidates: candidates, sequence: sequence, evaluated: evaluated, vocabularySize: size))
      } else if case .beamSearch(let width) = plan.options.strategy, width > 1 {
        running.append(
          BeamDecoding(plan, width: width, sequence: sequence, evaluated: evaluated, vocabularySize: size))
      } else {
        running.append(SingleDecoding(plan, sequence: sequence, evaluated: evaluated, vocabularySize: size))
      }
    }
  }

  /// A sequence that holds as much of the prompt as is already evaluated, for whatever request.
  ///
  /// - Returns: nil while a running request evaluates a beginning that can be shared in a moment.
  private func startSequence(for plan: SequenceState) throws -> (sequence: Int, evaluated: Int)? {
    guard engine.keepsPrefixes else { return (try engine.decoder.makeSequence(), 0) }
    var best = engine.longestPrefix(for: plan.prompt)
    var coming = 0
    for decoding in running {
      let common = plan.prompt.commonCount(decoding.plan.prompt)
      let there = min(common, engine.decoder.length(of: decoding.leadSequence))
      if there >= PrefixCache.minTokens, there > best?.count ?? 0 { best = (decoding.leadSequence, there) }
      if !pausedIds.contains(decoding.plan.request) { coming = max(coming, common) }
    }
    if coming >= (best?.count ?? 0) + PrefixCache.minTokens { return nil }
    return try engine.start(behind: best)
  }

  private func evaluate() throws {
    inputs.removeAll(keepingCapacity: true)
    evaluated.removeAll(keepingCapacity: true)
    for decoding in running where !pausedIds.contains(decoding.plan.request) {
      evaluated.append((decoding, inputs.count))
      decoding.appendInputs(to: &inputs, limit: promptChunk)
    }
    if inputs.isEmpty { return }
    let size = engine.decoder.vocabularySize
    if inputs.count * size > logits.capacity { logits = Activations(rows: inputs.count, columns: size) }
    logits.reshape(rows: inputs.count, columns: size)
    engine.makeRoom(for: inputs)
    try engine.decoder.evaluate(inputs, into: &logits)
  }

  private func advance(_ events: inout [GenerationEvent]) {
    for (decoding, firstRow) in evaluated {
      do {
        let output = try decoding.advance(logits, firstRow: firstRow, on: engine, events: &events)
        guard let output else { continue }
        events.append(.finished(request: decoding.plan.request, output))
        retire(decoding)
      } catch {
        events.append(.failed(request: decoding.plan.request, GenerationError(wrapping: error)))
        decoding.release(on: engine.decoder)
        remove(decoding)
      }
    }
    evaluated.removeAll(keepingCapacity: true)
  }

  private func retire(_ decoding: any Decoding) {
    decoding.retire(on: engine)
    remove(decoding)
  }

  private func remove(_ decoding: any Decoding) {
    running.removeAll { $0 === decoding }
    pausedIds.remove(decoding.plan.request)
  }

  private func abandonAll() {
    for decoding in running { decoding.release(on: engine.decoder) }
    running = []
    waiting = []
    evaluated = []
    cancelledIds = []
    pausedIds = []
  }
}

extension GenerationError {
  fileprivate init(wrapping error: any Error) {
    self =
      error as? GenerationError
      ?? GenerationError(.scoringFailed, at: "language model", "\(error)", underlying: error)
  }
}
