/// Chooses the next token from a row of scores.
///
/// Sampling goes: temperature, top-k, top-p, softmax, draw, in the order of transformers 4.34
/// (`generation/logits_process.py`). A repetition penalty comes before, see ``Logits/penalize(_:by:)``.
///
/// - Top-k keeps every score that is not below the k-th.
/// - Top-p drops a token if it and all less probable ones together have at most 1 - p. Equally probable tokens, whose
///   order the reference leaves open, count as more probable the lower their id.
/// - The draw takes the first id, in ascending order, at which the cumulative probability exceeds a given uniform
///   number.
///
/// The vocabulary is never sorted: a histogram over the leading bits of the probabilities finds the few tokens among
/// which the border must lie, and only those are sorted.
package struct Sampler {
  package struct Draw: Hashable {
    package let id: Int
    /// Tokens that top-k and top-p left.
    package let keptCount: Int
    /// Their probability before renormalising.
    package let keptMass: Double
    /// The same without the least probable of them.
    package let massBeforeLast: Double
  }

  /// The tokens left: all heavier than `weight`, and of those that weigh just as much the `tieCount` with the lowest
  /// ids.
  private struct Border {
    var weight: Float
    var tieCount: Int
    var mass = 0.0
    var massBeforeLast = 0.0
  }

  // Scratch, reused from step to step.
  private var weights: [Float]  // [V], e^(score - highest), the highest being 1
  private var massInBucket: [Double]
  private var countInBucket: [Int]
  private var sorted: [Float] = []

  package init(vocabularySize: Int) {
    weights = Array(repeating: 0, count: vocabularySize)
    massInBucket = Array(repeating: 0, count: Self.bucket(of: 1) + 1)
    countInBucket = Array(repeating: 0, count: Self.bucket(of: 1) + 1)
  }

  /// Exponent and five bits of the mantissa: ascending with the weight, one bucket for 1 and what rounding makes of it.
  @inline(__always)
  private static func bucket(of weight: Float) -> Int { Int(weight.bitPattern >> 18) }

  /// Draws one of the ids in `allowed`.
  ///
  /// - Parameter uniform: in 0..<1.
  package mutating func draw(
    from row: Logits, allowed: [Range<Int>], temperature: Double, topK: Int, topP: Double, uniform: Double
  ) -> Draw {
    let allowedCount = allowed.reduce(0) { $0 + $1.count }
    precondition(
      allowedCount > 0 && row.count <= weights.count, "sampling needs an allowed id and as many weights as scores")
    let highest = row.maximum(in: allowed)
    let total = weigh(row, allowed, highest: highest, inverseTemperature: Float(1 / temperature))
    guard total > 0 else {  // no score is a number or above minus infinity
      return Draw(id: allowed[0].lowerBound, keptCount: 1, keptMass: 1, massBeforeLast: 0)
    }
    if (topK == 0 || topK >= allowedCount) && topP >= 1 {
      return drawFromAll(allowed, allowedCount: allowedCount, total: total, uniform: uniform)
    }
    var least = Float.leastNonzeroMagnitude
    if topK > 0 && topK < allowedCount { least = minWeight(ofBest: topK, allowed) }
    return draw(from: border(topP: topP, least: least, allowed), allowed, total: total, uniform: uniform)
  }

  /// Fills `weights` for the allowed ids and returns their sum.
  private mutating func weigh(
    _ row: Logits, _ allowed: [Range<Int>], highest: Float, inverseTemperature: Float
  ) -> Double {
    guard highest > -.infinity else { return 0 }
    var sums = SIMD8<Double>.zero
    unsafe weights.withUnsafeMutableBufferPointer { weights in
      let bounds = weights.count
      let base = UnsafeMutableRawPointer(weights.baseAddress!)
      row.forEachVector(in: allowed) { first, scores in
        // The maximum itself is 0 below it even if it is infinite.
        let below = ((scores - highest) * inverseTemperature).replacing(with: 0, where: scores .== highest)
        let values = Exponential.of(below)
        sums += SIMD8<Double>(values)
        if first + 8 <= bounds {
          // Lanes past the range write 0 over ids that are illegal or come later in this loop.
          unsafe base.storeBytes(of: values, toByteOffset: first * 4, as: SIMD8<Float>.self)
        } else {
          for lane in 0..<bounds - first { unsafe weights[first + lane] = values[lane] }
        }
      }
    }
    return sums.sum()
  }

  private func drawFromAll(_ allowed: [Range<Int>], allowedCount: Int, total: Double, uniform: Double) -> Draw {
    let target = uniform * total
    var (sum, last) = (0.0, allowed[0].lowerBound)
    for range in allowed {
      for id in range where weights[id] > 0 {
        sum += Double(weights[id])
        last = id
        if sum > target { return Draw(id: id, keptCount: allowedCount, keptMass: 1, massBeforeLast: 1) }
      }
    }
    return Draw(id: last, keptCount: allowedCount, keptMass: 1, massBeforeLast: 1)  // rounding at the very end
  }

  /// The weight of the k-th token in descending order.
  private mutating func minWeight(ofBest k: Int, _ allowed: [Range<Int>]) -> Float {
    fillHistogram(allowed, least: .leastNonzeroMagnitude)
    var (bucket, above) = (countInBucket.count - 1, 0)
    while bucket > 0, above + countInBucket[bucket] < k {
      above += countInBucket[bucket]
      bucket -= 1
    }
    sortWeights(in: bucket, allowed, least: .leastNonzeroMagnitude)
    // Fewer than k tokens have any weight: keep all of them.
    return sorted.isEmpty ? .leastNonzeroMagnitude : sorted[min(k - above, sorted.count) - 1]
  }

  /// The border of top-p among the tokens that weigh at least `least`.
  private mutating func border(topP: Double, least: Float, _ allowed: [Range<Int>]) -> Border {
    fillHistogram(allowed, least: least)
    let goal = topP >= 1 ? .infinity : topP * massInBucket.reduce(0, +)
    var (bucket, above) = (massInBucket.count - 1, 0.0)
    while bucket > 0, countInBucket[bucket] == 0 || above + massInBucket[bucket] < goal {
      above += massInBucket[bucket]
      bucket -= 1
    }
    sortWeights(in: bucket, allowed, least: least)
    var border = Border(weight: least, tieCount: .max, mass: above, massBeforeLast: above)
    for (index, weight) in sorted.enumerated() where index == 0 || border.mass < goal {
      border.tieCount = weight == border.weight && index > 0 ? border.tieCount + 1 : 1
      border.weight = weight
      border.massBeforeLast = border.mass
      border.mass += Double(weight)
    }
    return border
  }

  private func draw(from border: Border, _ allowed: [Range<Int>], total: Double, uniform: Double) -> Draw {
    let target = uniform * border.mass
    var (count, ties, sum) = (0, 0, 0.0)
    var (chosen, isChosen) = (allowed[0].lowerBound, false)
    for range in allowed {
      for id in range {
        let weight = weights[id]
        if weight < border.weight { continue }
        if weight == border.weight {
          if ties == border.tieCount { continue }
          ties += 1
        }
        count += 1
        if isChosen { continue }
        sum += Double(weight)
        chosen = id
        isChosen = sum > target
      }
    }
    return Draw(
      id: chosen, keptCount: count, keptMass: border.mass / total, massBeforeLast: border.massBeforeLast / total)
  }

  private mutating func fillHistogram(_ allowed: [Range<Int>], least: Float) {
    for bucket in massInBucket.indices {
      massInBucket[bucket] = 0
      countInBucket[bucket] = 0
    }
    for range in allowed {
      for id in range where weights[id] >= least {
        let bucket = Self.bucket(of: weights[id])
        massInBucket[bucket] += Double(weights[id])
        countInBucket[bucket] += 1
      }
    }
  }

  /// Collects the weights of one bucket in descending order.
  private mutating func sortWeights(in bucket: Int, _ allowed: [Range<Int>], least: Float) {
    sorted.removeAll(keepingCapacity: true)
    for range in allowed {
      for id in range where weights[id] >= least && Self.bucket(of: weights[id]) == bucket {
        sorted.append(weights[id])
      }
    }
    sorted.sort(by: >)
  }
}
