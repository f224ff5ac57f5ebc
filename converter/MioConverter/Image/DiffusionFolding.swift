import Foundation

/// The arithmetic that turns stored tensors of the diffusion part into those of the model file.
package enum DiffusionFolding {
  /// [out, in, 3, 3] becomes [out, 3 · 3 · in], the column of the tap outermost, then its row, then the channel.
  ///
  /// Three neighbouring rows of an image, interleaved column by column, then hold every window as one run of numbers.
  package static func convolution(_ weight: [Float], outputs: Int, inputs: Int) -> [Float] {
    var result = [Float](repeating: 0, count: weight.count)
    unsafe result.withUnsafeMutableBufferPointer { result in
      unsafe weight.withUnsafeBufferPointer { weight in
        for output in 0..<outputs {
          for input in 0..<inputs {
            let source = (output * inputs + input) * 9
            for row in 0..<3 {
              for column in 0..<3 {
                let tap = column * 3 + row
                unsafe result[(output * 9 + tap) * inputs + input] = weight[source + row * 3 + column]
              }
            }
          }
        }
      }
    }
    return result
  }

  /// The left half of every row.
  package static func leftHalf(_ matrix: [Float], rows: Int) -> [Float] {
    let columns = matrix.count / rows
    return (0..<rows).flatMap { matrix[($0 * columns)..<($0 * columns + columns / 2)] }
  }

  /// The bias of the labels' first layer with the constant part of every label folded in.
  ///
  /// A label is the embedding followed by the sinusoid of noise level 0, which is D/2 ones and D/2 zeros.
  package static func labelBias(weight: [Float], bias: [Float]) -> [Float] {
    let columns = weight.count / bias.count
    return bias.enumerated().map { row, value in
      let ones = weight[(row * columns + columns / 2)..<(row * columns + columns / 2 + columns / 4)]
      return Float(ones.reduce(Double(value)) { $0 + Double($1) })
    }
  }

  /// What the two label layers make of a label of zeros: `W silu(b1) + b2`.
  package static func unconditional(firstBias: [Float], weight: [Float], bias: [Float]) -> [Float] {
    let hidden = firstBias.map { Double($0) / (1 + exp(-Double($0))) }
    return bias.enumerated().map { row, value in
      let start = row * hidden.count
      return Float(hidden.indices.reduce(Double(value)) { $0 + hidden[$1] * Double(weight[start + $1]) })
    }
  }

  /// W x for every row x of the text: [T, out].
  package static func project(_ text: [Float], width: Int, by weight: [Float]) -> [Float] {
    let outputs = weight.count / width
    var result: [Float] = []
    result.reserveCapacity(text.count / width * outputs)
    unsafe text.withUnsafeBufferPointer { text in
      unsafe weight.withUnsafeBufferPointer { weight in
        for start in stride(from: 0, to: text.count, by: width) {
          for output in 0..<outputs {
            var sum: Double = 0
            for k in 0..<width { sum += unsafe Double(text[start + k]) * Double(weight[output * width + k]) }
            result.append(Float(sum))
          }
        }
      }
    }
    return result
  }
}
