import MioKernels

/// Generates replies to many requests at once.
///
/// Every step evaluates one batch: the next tokens of all running requests, beams included, and prompts of new ones.
/// When a request ends, a waiting one takes its place. A reply depends on its own request alone, not on what else runs,
/// given that the scorer keeps its promise; so the batch limit is a matter of speed only.
///
/// ```swift
/// let request = try generator.submit(GenerationRequest(prompt: ids, options: .defaults(for: .text), grammar: grammar))
/// while !generator.isIdle {
///   for event in try generator.step() { ... }
/// }
/// ```
///
/// Not safe to use from two threads at once; ``CancellationFlag`` may be set from anywhere.
package final class Generator {
  private let engine: DecodingEngine
  private let batchLimit: Int
  private let promptChunk: Int
  private var waiting: [ReplyPlan] = []
  private var running: [any Decoding] = []
  private var trunks: PromptTrunks
  private var cancelledIds: Set<Int> = []
  private var nextId = 0
  // Scratch, reused from step to step.
  private var logits: Activations
  private var inputs: [ScoringInput] = []
  private var firstRows: [Int] = []

  /// Beginnings shorter than this are evaluated again rather than shared.
  private static let leastSharedTokens = 8

  /// - Parameter batchLimit: most sequences evaluated together; a request with five beams counts as five, one with
  ///   three takes as nine.
  /// - Parameter promptChunk: most tokens of one prompt evaluated in one step, which bounds the memory of a step.
  /// - Parameter trunkLimit: most evaluated prompt beginnings kept for later requests.
  package init(_ scorer: any SequenceScorer, batchLimit: Int = 16, promptChunk: Int = 512, trunkLimit: Int = 2) {
    precondition(batchLimit >= 1 && promptChunk >= 1 && trunkLimit >= 0, "a generator needs room for one sequence")
    engine = DecodingEngine(scorer)
    self.batchLimit = batchLimit
    self.promptChunk = promptChunk
    trunks = PromptTrunks(limit: trunkLimit)
    logits = Activations(rows: 1, columns: scorer.vocabularySize)
  }

  deinit {
    for decoding in running { decoding.release(on: engine.scorer) }
    trunks.removeAll(scorer: engine.scorer)
  }

  /// Whether all requests are finished.
  package var isIdle: Bool { waiting.isEmpty && running.isEmpty }

  /// Queues a request and returns its id, by which events name it.
  package func submit(_ request: GenerationRequest) throws(GenerationError) -> Int {
    let plan = try ReplyPlan(
      request, id: nextId, vocabularySize: engine.scorer.vocabularySize, contextLength: engine.scorer.contextLength)
    guard plan.rowCount <= batchLimit else {
      throw GenerationError(
        .invalidOption, at: plan.takes == nil ? "beams" : "takes",
        "\(plan.rowCount) sequences side by side do not fit a batch of \(batchLimit)")
    }
    waiting.append(plan)
    nextId += 1
    return plan.request
  }

  /// Ends a request before the next step; its last event says so.
  package func cancel(_ request: Int) {
    cancelledIds.insert(request)
  }

  /// Forgets cached prompt beginnings.
  package func forgetPrompts() {
    trunks.removeAll(scorer: engine.scorer)
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
      try advance(&events)
    } catch {
      abandonAll()
      throw error as? GenerationError
        ?? GenerationError(.scoringFailed, at: "language model", "\(error)", underlying: error)
    }
    return events
  }

  // MARK: - Parts of a step

  private func dropCancelled(_ events: inout [GenerationEvent]) {
    func isCancelled(_ plan: ReplyPlan) -> Bool {
      cancelledIds.contains(plan.request) || plan.cancellation?.isCancelled == true
    }
    for decoding in running where isCancelled(decoding.plan) {
      events.append(.finished(request: decoding.plan.request, decoding.cancelled()))
      decoding.retire(to: &trunks, on: engine.scorer)
    }
    running.removeAll { isCancelled($0.plan) }
    for plan in waiting where isCancelled(plan) {
      events.append(.finished(request: plan.request, GenerationOutput(ids: [], reason: .cancelled)))
    }
    waiting.removeAll(where: isCancelled)
    cancelledIds.removeAll()
  }

  /// Starts waiting requests, in order, as long as the batch has room for the next.
  private func admitWaiting() throws {
    var rows = running.reduce(0) { $0 + $1.plan.rowCount }
    while let plan = waiting.first, rows + plan.rowCount <= batchLimit {
      let (sequence, evaluated) = try startSequence(for: plan)
      waiting.removeFirst()
      rows += plan.rowCount
      let size = engine.scorer.vocabularySize
      if let takes = plan.takes {
        running.append(
          TakesDecoding(plan, takes: takes, sequence: sequence, evaluated: evaluated, vocabularySize: size))
      } else if case .beamSearch(let width) = plan.options.strategy, width > 1 {
        running.append(
          BeamDecoding(plan, width: width, sequence: sequence, evaluated: evaluated, vocabularySize: size))
      } else {
        running.append(SingleDecoding(plan, sequence: sequence, evaluated: evaluated, vocabularySize: size))
      }
    }
  }

  /// A sequence that holds as much of the prompt as is already evaluated or shared with other waiting requests.
  private func startSequence(for plan: ReplyPlan) throws -> (sequence: Int, evaluated: Int) {
    let scorer = engine.scorer
    let trunk = trunks.longest(for: plan.prompt)
    let evaluated = trunk?.count ?? 0
    let sequence = try trunk.map { try scorer.fork($0.sequence) } ?? scorer.makeSequence()
    let shared = waiting.dropFirst().reduce(0) { max($0, commonLength(plan.prompt, $1.prompt)) }
    guard trunks.limit > 0 && shared >= evaluated + Self.leastSharedTokens else { return (sequence, evaluated) }
    do {
      logits.reshape(rows: 1, columns: scorer.vocabularySize)
      var rest = plan.prompt[evaluated..<shared]
      while !rest.isEmpty {
        let chunk = Array(rest.prefix(promptChunk))
        try scorer.evaluate([ScoringInput(sequence: sequence, tokens: chunk, wantsLogits: false)], into: &logits)
        rest = rest.dropFirst(chunk.count)
      }
      let fork = try scorer.fork(sequence)
      trunks.insert(Array(plan.prompt[..<shared]), sequence: fork, scorer: scorer)
    } catch {
      scorer.release(sequence)
      throw error
    }
    return (sequence, shared)
  }

  /// Tokens at the beginning that two prompts share, leaving at least one of each.
  private func commonLength(_ a: [Int32], _ b: [Int32]) -> Int {
    let limit = min(a.count, b.count) - 1
    return zip(a, b).prefix(max(limit, 0)).prefix { $0 == $1 }.count
  }

  private func evaluate() throws {
    inputs.removeAll(keepingCapacity: true)
    firstRows.removeAll(keepingCapacity: true)
    for decoding in running {
      firstRows.append(inputs.count)
      decoding.appendInputs(to: &inputs, limit: promptChunk)
    }
    if inputs.isEmpty { return }
    let size = engine.scorer.vocabularySize
    if inputs.count * size > logits.capacity { logits = Activations(rows: inputs.count, columns: size) }
    logits.reshape(rows: inputs.count, columns: size)
    try engine.scorer.evaluate(inputs, into: &logits)
  }

  private func advance(_ events: inout [GenerationEvent]) throws {
    for (decoding, firstRow) in zip(running, firstRows) {
      let output = try decoding.advance(logits, firstRow: firstRow, on: engine, events: &events)
      guard let output else { continue }
      events.append(.finished(request: decoding.plan.request, output))
      decoding.retire(to: &trunks, on: engine.scorer)
      running.removeAll { $0 === decoding }
    }
  }

  private func abandonAll() {
    for decoding in running { decoding.release(on: engine.scorer) }
    running = []
    waiting = []
    cancelledIds = []
  }
}
