import MioKernels

/// The memory of one batched pass: activations of up to `capacity` rows.
struct LanguageWorkspace: ~Copyable {
  let capacity: Int
  var hidden: Activations  // [T, E]
  var scratch: DecoderLayer.Scratch
  var pass: LanguagePass

  init(_ model: LanguageModel, capacity: Int, cache: KeyValueCache, rotary: RotaryEmbedding) {
    self.capacity = capacity
    hidden = Activations(rows: capacity, columns: model.config.width)
    scratch = DecoderLayer.Scratch(model.layerConfig, format: cache.shape.format, maxRows: capacity)
    let headsPerGroup = model.config.headCount / model.config.kvHeadCount
    pass = LanguagePass(
      rows: AttentionRows(maxRows: capacity, headsPerGroup: headsPerGroup),
      keptRows: AttentionRows(maxRows: capacity, headsPerGroup: headsPerGroup), cache: cache, rotary: rotary)
    pass.kept.reserveCapacity(capacity)
  }

  /// Forgets the rows of the last pass.
  mutating func begin() {
    pass.rows.removeAll()
    pass.keptRows.removeAll()
    pass.kept.removeAll(keepingCapacity: true)
    hidden.reshape(rows: 0)
  }

  /// Adds tokens that continue a sequence at `position`.
  ///
  /// - Parameter keepingLast: whether the last one's result is wanted.
  mutating func append(
    _ tokens: ArraySlice<Int32>, of sequence: Int, at position: Int, keepingLast: Bool, embedding: PackedMatrix
  ) {
    let first = hidden.rows
    hidden.reshape(rows: first + tokens.count)
    for (index, token) in tokens.enumerated() {
      unsafe embedding.copyRow(Int(token), into: hidden.row(first + index))
    }
    let end = position + tokens.count
    pass.rows.append(sequence, positions: position..<end, in: pass.cache)
    if keepingLast {
      pass.keptRows.append(sequence, positions: end - 1..<end, in: pass.cache)
      pass.kept.append(hidden.rows - 1)
    }
  }

  /// Runs the rows through all layers. The last layer computes the kept rows only, and `hidden` holds these afterwards.
  mutating func forward(_ model: LanguageModel, on context: KernelContext) {
    guard hidden.rows > 0 else { return }
    for (index, layer) in model.layers.enumerated() {
      let keepsAll = index + 1 < model.layers.count || pass.kept.count == hidden.rows
      layer.forward(
        &hidden, layer: index, pass: pass, keepsAll: keepsAll, scratch: &scratch, on: context)
    }
  }

  /// Runs all rows through all layers.
  ///
  /// - Parameter observe: sees the hidden rows before the first layer and after every layer.
  mutating func trace(
    _ model: LanguageModel, on context: KernelContext, observe: (Int, borrowing Activations) -> Void
  ) {
    observe(0, hidden)
    for (index, layer) in model.layers.enumerated() {
      layer.forward(&hidden, layer: index, pass: pass, keepsAll: true, scratch: &scratch, on: context)
      observe(index + 1, hidden)
    }
  }
}

/// Where the rows of one batched pass belong, and the memory of their sequences.
struct LanguagePass: ~Copyable {
  var rows: AttentionRows
  /// Indexes of the rows whose results are wanted, ascending, and where these belong.
  var kept: [Int] = []
  var keptRows: AttentionRows
  let cache: KeyValueCache
  let rotary: RotaryEmbedding
}
