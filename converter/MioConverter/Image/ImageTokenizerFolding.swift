/// The arithmetic that turns stored tensors of the image tokenizer into those of the model file.
package enum ImageTokenizerFolding {
  /// What every token of the vision transformer starts from: the class token, and for the patches the bias of their
  /// product, each with its position.
  ///
  /// - Parameters:
  ///   - classToken: [E]
  ///   - positions: [T, E]
  ///   - patchBias: [E]
  /// - Returns: [T, E]
  package static func tokenStart(classToken: [Float], positions: [Float], patchBias: [Float]) -> [Float] {
    let width = classToken.count
    return positions.indices.map { index in
      positions[index] + (index < width ? classToken[index] : patchBias[index % width])
    }
  }

  /// Layer norm of every row, in double precision.
  package static func layerNorm(_ rows: [Float], weight: [Float], bias: [Float], epsilon: Double) -> [Float] {
    let width = weight.count
    return stride(from: 0, to: rows.count, by: width).flatMap { start -> [Float] in
      let row = rows[start..<(start + width)].map(Double.init)
      let mean = row.reduce(0, +) / Double(width)
      let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(width)
      let scale = 1 / (variance + epsilon).squareRoot()
      return row.indices.map { Float((row[$0] - mean) * scale * Double(weight[$0]) + Double(bias[$0])) }
    }
  }

  /// Biases of queries, keys and values side by side; the keys have none.
  package static func attentionBias(queries: [Float], values: [Float]) -> [Float] {
    queries + [Float](repeating: 0, count: queries.count) + values
  }
}
