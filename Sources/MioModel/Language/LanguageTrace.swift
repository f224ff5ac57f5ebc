import MioKernels

/// Every intermediate of one sequence that another implementation may want to compare.
package struct LanguageTrace: Sendable {
  /// Layer count + 1 buffers [T, E]: after the embedding, then after each layer.
  package private(set) var hidden: [[Float]]
  /// [T, E], after the final norm.
  package private(set) var normalized: [Float] = []
  /// [T, V]
  package private(set) var logits: [Float] = []

  /// Evaluates `tokens` as one sequence from position 0 on.
  ///
  /// - Parameters:
  ///   - format: how keys and values are kept; by default without loss.
  package init(
    of tokens: [Int32], model: LanguageModel, cache format: KeyValueFormat = .f32, on context: KernelContext
  ) throws(LanguageError) {
    let config = model.config
    for token in tokens where token < 0 || Int(token) >= config.vocabularySize {
      throw .tokenOutOfRange(token, vocabularySize: config.vocabularySize)
    }
    hidden = Array(repeating: [], count: config.layerCount + 1)
    guard !tokens.isEmpty else { return }
    let cache = KeyValueCache(
      shape: model.cacheShape(format), contextLength: tokens.count, capacity: tokens.count)
    let rotary = RotaryEmbedding(
      headWidth: config.headWidth, theta: config.ropeTheta, contextLength: tokens.count)
    rotary.prepare(positions: tokens.count)
    let sequence = cache.makeSequence()
    let capacity = min(tokens.count, LanguageSession.maxRows)
    var workspace = LanguageWorkspace(model, capacity: capacity, cache: cache, rotary: rotary)
    var scores = Activations(rows: capacity, columns: config.vocabularySize)
    for start in stride(from: 0, to: tokens.count, by: capacity) {
      let pass = tokens[start..<min(start + capacity, tokens.count)]
      cache.append(pass.count, to: sequence)
      workspace.begin()
      workspace.append(pass, of: sequence, at: start, keepingLast: false, embedding: model.embedding)
      workspace.trace(model, on: context) { layer, rows in hidden[layer] += rows.values }
      workspace.hidden.rmsNormalize(weight: model.norm, epsilon: config.normEpsilon)
      normalized += workspace.hidden.values
      scores.reshape(rows: pass.count)
      model.head.apply(workspace.hidden, into: &scores, on: context)
      logits += scores.values
    }
  }
}
