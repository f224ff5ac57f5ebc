/// The arithmetic that turns stored tensors of the speech codec into those of the model file.
package enum SpeechFolding {
  /// Folds weight norm: `w = v g / |v|`, the norm over all axes but the first, in double precision.
  ///
  /// The first axis is the output channel of a convolution but the **input** channel of a transposed one: the same call
  /// serves both. A zero v gives NaN, as in the reference; the converter refuses such a weight.
  ///
  /// - Parameters:
  ///   - gains: g, one for each index of the first axis.
  ///   - directions: v, row-major.
  package static func weight(gains: [Float], directions: [Float]) -> [Float] {
    let length = directions.count / gains.count
    var result = [Float](repeating: 0, count: directions.count)
    for (index, gain) in gains.enumerated() {
      let range = index * length..<(index + 1) * length
      let norm = directions[range].reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      for element in range { result[element] = Float(Double(directions[element]) * Double(gain) / norm) }
    }
    return result
  }

  /// [out, in, k] becomes [out, k in]: tap-major, so that a window of k rows [in] of the signal is one operand.
  package static func convolution(_ weight: [Float], outputs: Int, inputs: Int, taps: Int) -> [Float] {
    var result = [Float](repeating: 0, count: weight.count)
    for output in 0..<outputs {
      for input in 0..<inputs {
        for tap in 0..<taps {
          result[(output * taps + tap) * inputs + input] = weight[(output * inputs + input) * taps + tap]
        }
      }
    }
    return result
  }

  /// [in, out, k] becomes [k out, in]: one product gives the k output rows that an input row contributes to.
  package static func transposedConvolution(_ weight: [Float], inputs: Int, outputs: Int, taps: Int) -> [Float] {
    var result = [Float](repeating: 0, count: weight.count)
    for input in 0..<inputs {
      for output in 0..<outputs {
        for tap in 0..<taps {
          result[(tap * outputs + output) * inputs + input] = weight[(input * outputs + output) * taps + tap]
        }
      }
    }
    return result
  }

  /// Element-wise sum, for the two biases of an LSTM.
  package static func sum(_ terms: [[Float]]) -> [Float] {
    terms[0].indices.map { index in Float(terms.reduce(0.0) { $0 + Double($1[index]) }) }
  }

  /// |e|² of every row of a codebook [N, D].
  package static func squaredNorms(_ codebook: [Float], width: Int) -> [Float] {
    stride(from: 0, to: codebook.count, by: width).map { start in
      Float(codebook[start..<(start + width)].reduce(0.0) { $0 + Double($1) * Double($1) })
    }
  }
}
