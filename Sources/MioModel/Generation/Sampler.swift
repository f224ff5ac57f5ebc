/// Chooses the next token from a row of scores.
///
/// Sampling goes: temperature, top-k, top-p, softmax, draw, in the order of transformers 4.34
/// (`generation/logits_process.py`). A repetition penalty comes before, see ``ScoreRow/penalize(_:by:)``.
///
/// - Top-k keeps every score that is not below the k-th.
/// - Top-p drops a token if it and all less probable ones together have at most 1 - p. Equally probable tokens, whose
///   order the reference leaves open, count as more probable the lower their id.
/// - The draw takes the first id, in ascending order, at which the cumulative probability exceeds a given uniform number.
///
/// The vocabulary is never sorted: a heap gives up the most probable tokens one by one until the rule is met, and tokens
/// too improbable to be kept do not enter it.
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

  private struct Candidate {
    let score: Float
    let weight: Float
    let id: Int32

    @inline(__always)
    func precedes(_ other: Candidate) -> Bool {
      score > other.score || score == other.score && id < other.id
    }
  }

  // Scratch, reused from step to step.
  private var weights: [Float]  // [V], e^(score - highest)
  private var heap: [Candidate] = []
  private var kept: [Candidate] = []

  package init(vocabularySize: Int) {
    weights = Array(repeating: 0, count: vocabularySize)
  }

  /// Draws one of the ids in `legal`.
  ///
  /// - Parameter uniform: in 0..<1.
  package mutating func draw(
    from row: ScoreRow, legal: [Range<Int>], temperature: Double, topK: Int, topP: Double, uniform: Double
  ) -> Draw {
    let legalCount = legal.reduce(0) { $0 + $1.count }
    precondition(legalCount > 0 && row.count <= weights.count, "sampling needs a legal id and as many weights as scores")
    let highest = row.maximum(in: legal)
    let total = weigh(row, legal, highest: highest, inverseTemperature: Float(1 / temperature))
    guard total > 0 else {  // no score is a number or above minus infinity
      return Draw(id: legal[0].lowerBound, keptCount: 1, keptMass: 1, massBeforeLast: 0)
    }
    if (topK == 0 || topK >= legalCount) && topP >= 1 {
      return drawFromAll(legal, legalCount: legalCount, total: total, uniform: uniform)
    }
    // Tokens below (1 - p) / n of the mass cannot reach 1 - p together, so all of them are dropped anyway; the factor
    // leaves room for rounding.
    let floor = topK == 0 ? Float(total * (1 - topP) / Double(legalCount) * 0.999) : 0
    fillHeap(row, legal, floor: floor)
    var pool = total
    if topK > 0 { pool = keepBest(topK) }
    return drawNucleus(topP: topP, pool: pool, total: total, uniform: uniform)
  }

  /// Fills `weights` for the legal ids and returns their sum.
  private mutating func weigh(
    _ row: ScoreRow, _ legal: [Range<Int>], highest: Float, inverseTemperature: Float
  ) -> Double {
    guard highest > -.infinity else { return 0 }
    var sums = SIMD8<Double>.zero
    unsafe weights.withUnsafeMutableBufferPointer { weights in
      let bounds = weights.count
      let base = UnsafeMutableRawPointer(weights.baseAddress!)
      row.forEachVector(in: legal) { first, scores in
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

  private func drawFromAll(_ legal: [Range<Int>], legalCount: Int, total: Double, uniform: Double) -> Draw {
    let target = uniform * total
    var (sum, last) = (0.0, legal[0].lowerBound)
    for range in legal {
      for id in range where weights[id] > 0 {
        sum += Double(weights[id])
        last = id
        if sum > target { return Draw(id: id, keptCount: legalCount, keptMass: 1, massBeforeLast: 1) }
      }
    }
    return Draw(id: last, keptCount: legalCount, keptMass: 1, massBeforeLast: 1)  // rounding at the very end
  }

  /// Makes a heap of the legal ids whose weight is above 0 and at least `floor`.
  private mutating func fillHeap(_ row: ScoreRow, _ legal: [Range<Int>], floor: Float) {
    heap.removeAll(keepingCapacity: true)
    for range in legal {
      for id in range where weights[id] >= floor && weights[id] > 0 {
        heap.append(Candidate(score: row[id], weight: weights[id], id: Int32(truncatingIfNeeded: id)))
      }
    }
    for index in stride(from: heap.count / 2 - 1, through: 0, by: -1) { sink(index) }
  }

  /// Reduces the heap to the best `k` candidates and those that tie with the last; returns their mass.
  private mutating func keepBest(_ k: Int) -> Double {
    kept.removeAll(keepingCapacity: true)
    var mass = 0.0
    while let best = heap.first, kept.count < k || best.score == kept[kept.count - 1].score {
      popBest()
      kept.append(best)
      mass += Double(best.weight)
    }
    swap(&heap, &kept)  // in descending order, which is a heap
    return mass
  }

  /// Applies top-p to the heap, whose mass is `pool`, and draws. `total` is the mass before any candidate was dropped.
  private mutating func drawNucleus(topP: Double, pool: Double, total: Double, uniform: Double) -> Draw {
    kept.removeAll(keepingCapacity: true)
    var (mass, before) = (0.0, 0.0)
    while let best = heap.first, kept.isEmpty || topP >= 1 || mass < topP * pool {
      popBest()
      before = mass
      mass += Double(best.weight)
      kept.append(best)
    }
    kept.sort { $0.id < $1.id }
    var chosen = kept[kept.count - 1].id
    var sum = 0.0
    for candidate in kept {
      sum += Double(candidate.weight)
      if sum > uniform * mass {
        chosen = candidate.id
        break
      }
    }
    return Draw(id: Int(chosen), keptCount: kept.count, keptMass: mass / total, massBeforeLast: before / total)
  }

  private mutating func popBest() {
    heap.swapAt(0, heap.count - 1)
    heap.removeLast()
    if !heap.isEmpty { sink(0) }
  }

  private mutating func sink(_ start: Int) {
    var parent = start
    let moving = heap[start]
    while true {
      var child = 2 * parent + 1
      if child >= heap.count { break }
      if child + 1 < heap.count && heap[child + 1].precedes(heap[child]) { child += 1 }
      if !heap[child].precedes(moving) { break }
      heap[parent] = heap[child]
      parent = child
    }
    heap[parent] = moving
  }
}
