/// What 4 bits cost the model in one matrix, as calibration measured it.
package struct ProjectionLoss: Hashable, Sendable {
  package let name: String
  package let elementCount: Int
  /// The squared error that the matrix brings to the stream of activations, over the stream's square: a mean over tokens.
  package let loss: Double

  package init(name: String, elementCount: Int, loss: Double) {
    self.name = name
    self.elementCount = elementCount
    self.loss = loss
  }
}

/// Which matrices keep 8 bits where the mean of all may be more than 4.5.
package enum MixedPlan {
  /// Bits a weight of q4 and of q8, scales included.
  package static let (q4Bits, q8Bits) = (4.5, 8.5)

  /// The names of the matrices that take q8: those that cost most for their size, as far as the bits last.
  ///
  /// - Parameter bits: the mean over all weights of `losses` that is not exceeded.
  package static func wide(_ losses: [ProjectionLoss], bits: Double) -> Set<String> {
    let total = losses.reduce(0) { $0 + $1.elementCount }
    // Half a weight more, so that rounding of the quotient refuses nothing that fits.
    var rest = Double(total) * (bits - q4Bits) / (q8Bits - q4Bits) + 0.5
    var names: Set<String> = []
    let order = losses.indices.sorted { first, second in
      let (a, b) = (losses[first], losses[second])
      let (gainA, gainB) = (a.loss * Double(b.elementCount), b.loss * Double(a.elementCount))
      return gainA == gainB ? first < second : gainA > gainB
    }
    for index in order where Double(losses[index].elementCount) <= rest {
      rest -= Double(losses[index].elementCount)
      names.insert(losses[index].name)
    }
    return names
  }

  /// The mean bits a weight.
  package static func bits(_ losses: [ProjectionLoss], wide: Set<String>) -> Double {
    let total = losses.reduce(0) { $0 + $1.elementCount }
    let wideCount = losses.reduce(0) { $0 + (wide.contains($1.name) ? $1.elementCount : 0) }
    return total == 0 ? q4Bits : q4Bits + (q8Bits - q4Bits) * Double(wideCount) / Double(total)
  }
}

/// Measures, on some of the tokens, what a matrix's error does to the stream that the layers add to.
///
/// The output of a matrix that adds to the stream is compared with the stream after it. What feeds such a matrix is taken to
/// pass its relative error on: a tenth of an error in the values of attention is a tenth of an error in what attention adds.
struct LossMeter {
  private static let tokenLimit = 2048

  let network: CalibrationNetwork
  private(set) var losses: [ProjectionLoss] = []
  /// Relative squared errors of the matrices that wait for the one that adds, token by token.
  private var waiting: [(name: String, elementCount: Int, errors: [Double])] = []

  init(_ network: CalibrationNetwork) { self.network = network }

  /// - Parameters:
  ///   - stream: what the output is added to, before; nil for a matrix that feeds another.
  mutating func measure(
    _ name: String, _ weights: FloatMatrix, chosen: FloatMatrix?, inputs: FloatMatrix, stream: FloatMatrix?
  ) {
    let sample = Self.sample(inputs)
    let outputs = product(sample, weights)
    var errors = [Double](repeating: 0, count: sample.rows)
    if let chosen { errors = Self.squares(product(sample, Self.difference(weights, chosen))) }
    let elementCount = weights.rows * weights.columns
    guard let stream else {
      let squares = Self.squares(outputs)
      if chosen != nil { waiting.append((name, elementCount, Self.quotients(errors, squares))) }
      return
    }
    let before = Self.sample(stream)
    let after = FloatMatrix(rows: before.rows, columns: before.columns)
    for index in 0..<before.rows * before.columns { unsafe after.base[index] = before.base[index] + outputs.base[index] }
    let squares = Self.squares(after)
    let share = Self.quotients(Self.squares(outputs), squares)
    for feeding in waiting {
      add(feeding.name, feeding.elementCount, zip(feeding.errors, share).map { $0 * $1 })
    }
    waiting = []
    if chosen != nil { add(name, elementCount, Self.quotients(errors, squares)) }
  }

  private mutating func add(_ name: String, _ elementCount: Int, _ errors: [Double]) {
    losses.append(
      ProjectionLoss(
        name: name, elementCount: elementCount, loss: errors.reduce(0, +) / Double(max(1, errors.count))))
  }

  private func product(_ x: FloatMatrix, _ weights: FloatMatrix) -> FloatMatrix {
    let y = FloatMatrix(rows: x.rows, columns: weights.rows)
    network.multiply(x, weights, into: y)
    return y
  }

  /// Rows at equal distances.
  private static func sample(_ x: FloatMatrix) -> FloatMatrix {
    let distance = max(1, (x.rows + tokenLimit - 1) / tokenLimit)
    let result = FloatMatrix(rows: (x.rows + distance - 1) / distance, columns: x.columns)
    for row in 0..<result.rows { unsafe result.row(row).update(from: x.row(row * distance), count: x.columns) }
    return result
  }

  private static func difference(_ a: FloatMatrix, _ b: FloatMatrix) -> FloatMatrix {
    let result = FloatMatrix(rows: a.rows, columns: a.columns)
    for index in 0..<a.rows * a.columns { unsafe result.base[index] = a.base[index] - b.base[index] }
    return result
  }

  private static func squares(_ x: FloatMatrix) -> [Double] {
    (0..<x.rows).map { row in
      var sum: Double = 0
      let values = unsafe x.row(row)
      for column in 0..<x.columns { unsafe sum += Double(values[column]) * Double(values[column]) }
      return sum
    }
  }

  private static func quotients(_ a: [Double], _ b: [Double]) -> [Double] {
    zip(a, b).map { $1 > 0 ? $0 / $1 : 0 }
  }
}
