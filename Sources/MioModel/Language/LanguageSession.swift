import MioKernels

/// Sequences in progress on one language model: their cache, and the memory of a pass.
///
/// One pass takes rows of any number of sequences, prompts and single tokens alike; long prompts are cut into passes of at
/// most ``maxRows`` rows. A sequence's logits depend on its own tokens alone: not on its neighbours in the batch, not on the
/// cut, not on the number of threads. After a first pass of the same size, a pass allocates pages of the cache and nothing
/// else.
package final class LanguageSession: SequenceDecoder {
  /// Most rows of one pass; it bounds the memory of a session.
  package static let maxRows = 512

  package let model: LanguageModel
  package let contextLength: Int
  private let cache: KeyValueCache
  private let rotary: RotaryEmbedding
  private let context: KernelContext
  private var workspace: LanguageWorkspace
  private var last = Activations(rows: 0, columns: 0)  // [wanted, E], the rows that go through the head
  private var scores = Activations(rows: 0, columns: 0)  // [wanted, V], used when some inputs want no logits
  private var wanted: [Int] = []  // inputs whose logits are wanted
  private var kept = 0  // rows of `last` filled so far
  private var allowed: [Range<Int>] = []

  /// - Parameters:
  ///   - contextLength: most tokens of one sequence; the model's own by default.
  ///   - cache: how keys and values are stored.
  ///   - capacity: tokens that all sequences together may hold, shared ones counted once; eight contexts by default.
  ///     Memory is taken when tokens arrive, not before.
  package init(
    _ model: LanguageModel, contextLength: Int? = nil, cache format: KeyValueFormat = .int8, capacity: Int? = nil,
    context: KernelContext
  ) {
    let contextLength = contextLength ?? model.config.contextLength
    self.model = model
    self.contextLength = contextLength
    self.context = context
    cache = KeyValueCache(
      shape: model.cacheShape(format), contextLength: contextLength, capacity: capacity ?? 8 * contextLength)
    rotary = RotaryEmbedding(
      headWidth: model.config.headWidth, theta: model.config.ropeTheta, contextLength: contextLength)
    workspace = LanguageWorkspace(model, capacity: 1, cache: cache, rotary: rotary)
  }

  package var vocabularySize: Int { model.config.vocabularySize }
  /// Bytes of keys and values that one token takes.
  package var bytesPerToken: Int { cache.shape.bytesPerToken }
  /// Bytes that the cache has taken so far.
  package var cacheByteCount: Int { cache.allocatedByteCount }

  package func makeSequence() -> Int { cache.makeSequence() }
  package func fork(_ sequence: Int) -> Int { cache.fork(sequence) }
  package func release(_ sequence: Int) { cache.release(sequence) }
  package func truncate(_ sequence: Int, to length: Int) { cache.truncate(sequence, to: length) }
  package func length(of sequence: Int) -> Int { cache.length(of: sequence) }

  package var pageLength: Int { KeyValueFormat.pageLength }
  package var pageLimit: Int { cache.pageLimit }

  package func missingPages(for inputs: [DecoderInput]) -> Int {
    let needed = inputs.reduce(0) { $0 + cache.pagesNeeded(by: $1.sequence, appending: $1.tokens.count) }
    return max(0, needed - cache.pagesAvailable)
  }

  /// Appends every input's tokens to its sequence and writes the logits of each input's last token; either all inputs are
  /// taken or, on an error, none.
  package func evaluate(_ inputs: [DecoderInput], into logits: inout Activations) throws(LanguageError) {
    precondition(
      logits.rows == inputs.count && logits.columns == vocabularySize, "logits need the shape [inputs, vocabulary]")
    try reserve(inputs)
    wanted.removeAll(keepingCapacity: true)
    for (index, input) in inputs.enumerated() where input.wantsLogits { wanted.append(index) }
    if last.capacity < wanted.count * model.config.width {
      last = Activations(rows: wanted.count, columns: model.config.width)
    }
    last.reshape(rows: wanted.count, columns: model.config.width)
    forward(inputs)
    if let layer = workspace.scratch.attention.overflowingLayer {
      workspace.scratch.attention.overflowingLayer = nil
      throw .notFinite("layer \(layer)", position: inputs.map { cache.length(of: $0.sequence) }.max() ?? 0)
    }
    try score(inputs, into: &logits)
  }

  // MARK: - Room

  /// Checks all inputs and makes room for them in the cache.
  private func reserve(_ inputs: [DecoderInput]) throws(LanguageError) {
    var pages = 0
    for input in inputs {
      precondition(!input.tokens.isEmpty, "every input needs at least one token")
      for token in input.tokens where token < 0 || Int(token) >= vocabularySize {
        throw .tokenOutOfRange(token, vocabularySize: vocabularySize)
      }
      let needed = cache.length(of: input.sequence) + input.tokens.count
      guard needed <= contextLength else { throw .contextFull(needed: needed, contextLength: contextLength) }
      pages += cache.pagesNeeded(by: input.sequence, appending: input.tokens.count)
    }
    guard pages <= cache.pagesAvailable else {
      throw .cacheFull(missingTokens: (pages - cache.pagesAvailable) * KeyValueFormat.pageLength)
    }
    for input in inputs {
      cache.append(input.tokens.count, to: input.sequence)
      rotary.prepare(positions: cache.length(of: input.sequence))
    }
  }

  private func reserveWorkspace(rows: Int) {
    guard workspace.capacity < rows else { return }
    var capacity = workspace.capacity
    while capacity < rows { capacity *= 2 }
    workspace = LanguageWorkspace(model, capacity: min(capacity, Self.maxRows), cache: cache, rotary: rotary)
  }

  // MARK: - Passes

  /// Runs all rows through the layers, pass by pass, and keeps the last row of the inputs whose logits are wanted.
  private func forward(_ inputs: [DecoderInput]) {
    reserveWorkspace(rows: min(inputs.reduce(0) { $0 + $1.tokens.count }, Self.maxRows))
    workspace.begin()
    kept = 0
    for input in inputs {
      let position = cache.length(of: input.sequence) - input.tokens.count
      var start = 0
      while start < input.tokens.count {
        if workspace.hidden.rows == workspace.capacity { finishPass() }
        let count = min(input.tokens.count - start, workspace.capacity - workspace.hidden.rows)
        workspace.append(
          input.tokens[start..<start + count], of: input.sequence, at: position + start,
          keepingLast: input.wantsLogits && start + count == input.tokens.count, embedding: model.embedding)
        start += count
      }
    }
    finishPass()
  }

  private func finishPass() {
    workspace.forward(model, on: context)
    last.copyRows(0..<workspace.hidden.rows, from: workspace.hidden, to: kept)
    kept += workspace.hidden.rows
    workspace.begin()
  }

  // MARK: - Scores

  /// Applies the final norm and the head to the kept rows.
  private func score(_ inputs: [DecoderInput], into logits: inout Activations) throws(LanguageError) {
    guard !wanted.isEmpty else { return }
    last.rmsNormalize(weight: model.norm, epsilon: model.config.normEpsilon, on: context)
    allowed.removeAll(keepingCapacity: true)
    for index in wanted { allowed.append(contentsOf: inputs[index].allowed ?? [0..<vocabularySize]) }
    if wanted.count == inputs.count {
      model.head.apply(last, rows: allowed, into: &logits, on: context)
    } else {
      if scores.capacity < wanted.count * vocabularySize {
        scores = Activations(rows: wanted.count, columns: vocabularySize)
      }
      scores.reshape(rows: wanted.count, columns: vocabularySize)
      model.head.apply(last, rows: allowed, into: &scores, on: context)
      for (row, index) in wanted.enumerated() { logits.copyRows(row..<row + 1, from: scores, to: index) }
    }
    for (row, index) in wanted.enumerated() {
      let ranges = inputs[index].allowed ?? [0..<vocabularySize]
      let isNumber = last.isFinite(row: row, 0..<last.columns)
      guard isNumber, ranges.allSatisfy({ logits.isFinite(row: index, $0) }) else {
        throw .notFinite(isNumber ? "head" : "last layer", position: cache.length(of: inputs[index].sequence))
      }
      guard let allowed = inputs[index].allowed else { continue }
      unsafe Self.exclude(in: logits.row(index), outside: allowed)
    }
  }

  /// Sets everything outside ascending ranges to -infinity.
  private static func exclude(in scores: UnsafeMutableBufferPointer<Float>, outside allowed: [Range<Int>]) {
    var start = 0
    for range in allowed {
      if start < range.lowerBound { unsafe scores[start..<range.lowerBound].update(repeating: -.infinity) }
      start = max(start, range.upperBound)
    }
    unsafe scores[start...].update(repeating: -.infinity)
  }
}
