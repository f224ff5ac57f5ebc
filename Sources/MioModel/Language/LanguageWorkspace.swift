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
    pass = LanguagePass(
      rows: AttentionRows(maxRows: capacity, headsPerGroup: model.config.headCount / model.config.kvHeadCount),
      cache: cache, rotary: rotary)
  }

  /// Forgets the rows of the last pass.
  mutating func begin() {
    pass.rows.removeAll()
    hidden.reshape(rows: 0)
  }

  /// Adds tokens that continue a sequence at `position`.
  mutating func append(_ tokens: ArraySlice<Int32>, of sequence: Int, at position: Int, embedding: PackedMatrix) {
    let first = hidden.rows
    hidden.reshape(rows: first + tokens.count)
    for (index, token) in tokens.enumerated() {
      unsafe embedding.copyRow(Int(token), into: hidden.row(first + index))
    }
    pass.rows.append(sequence, positions: position..<position + tokens.count, in: pass.cache)
  }

  /// Runs the rows through all layers.
  ///
  /// - Parameter observe: sees the hidden rows before the first layer and after every layer.
  mutating func forward(
    _ model: LanguageModel, on context: KernelContext, observe: (Int, borrowing Activations) -> Void = { _, _ in }
  ) {
    guard hidden.rows > 0 else { return }
    observe(0, hidden)
    for (index, layer) in model.layers.enumerated() {
      layer.forward(&hidden, layer: index, pass: pass, scratch: &scratch, on: context)
      observe(index + 1, hidden)
    }
  }
}

/// Where the rows of one batched pass belong, and the memory of their sequences.
struct LanguagePass: ~Copyable {
  var rows: AttentionRows
  let cache: KeyValueCache
  let rotary: RotaryEmbedding
}
