#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The scores of every id for the next token of one sequence, `[V]`: a view on a row of logits.
///
/// All operations look at the ids of `allowed` only (ascending, disjoint ranges) and treat NaN as minus infinity, so that
/// no scores whatever can lead outside the allowed ids.
@safe
package struct Logits {
  private let base: UnsafeMutablePointer<Float>
  package let count: Int

  /// The caller keeps the memory alive and to itself while the view is used.
  @unsafe
  package init(_ scores: UnsafeMutableBufferPointer<Float>) {
    precondition(scores.count > 0, "a row of scores needs at least one id")
    unsafe base = scores.baseAddress!
    count = scores.count
  }

  package subscript(id: Int) -> Float {
    precondition(id >= 0 && id < count, "token id \(id) has no score: the row has \(count)")
    return unsafe base[id]
  }

  /// Calls `body` with the scores of eight ids at a time, from `first`; lanes past the end of a range are NaN.
  @inline(__always)
  func forEachVector(in allowed: [Range<Int>], _ body: (_ first: Int, _ scores: SIMD8<Float>) -> Void) {
    for range in allowed {
      precondition(range.lowerBound >= 0 && range.upperBound <= count, "allowed ids beyond the vocabulary")
      var id = range.lowerBound
      while id + 8 <= range.upperBound {
        body(id, unsafe UnsafeRawPointer(base + id).loadUnaligned(as: SIMD8<Float>.self))
        id += 8
      }
      if id < range.upperBound {
        var scores = SIMD8<Float>(repeating: .nan)
        for lane in 0..<range.upperBound - id { scores[lane] = unsafe base[id + lane] }
        body(id, scores)
      }
    }
  }

  /// Weakens every id of `seen`: a negative score is multiplied by `penalty`, any other divided.
  package func penalize(_ seen: SeenIds, by penalty: Float) {
    if penalty == 1 { return }
    for id in seen.ids {
      let score = self[Int(id)]
      unsafe base[Int(id)] = score < 0 ? score * penalty : score / penalty
    }
  }

  /// Makes an id impossible.
  func exclude(_ id: Int) {
    precondition(id >= 0 && id < count, "token id \(id) has no score: the row has \(count)")
    unsafe base[id] = -.infinity
  }

  /// The highest score; minus infinity if there is none.
  package func maximum(in allowed: [Range<Int>]) -> Float {
    var highest = SIMD8<Float>(repeating: -.infinity)
    forEachVector(in: allowed) { _, scores in
      highest.replace(with: scores, where: scores .> highest)
    }
    return highest.max()
  }

  /// The id with the highest score, the first of equals.
  package func bestId(in allowed: [Range<Int>]) -> Int {
    let highest = maximum(in: allowed)
    for range in allowed {
      for id in range where self[id] == highest { return id }
    }
    return allowed[0].lowerBound  // all NaN
  }

  /// log Σ e^score as (highest score, log of the sum relative to it).
  func logNormalizer(in allowed: [Range<Int>]) -> (highest: Float, logSum: Float) {
    let highest = maximum(in: allowed)
    guard highest.isFinite else { return (highest, 0) }
    var sums = SIMD8<Double>.zero
    forEachVector(in: allowed) { _, scores in
      sums += SIMD8<Double>(Exponential.of(scores - highest))
    }
    return (highest, Float(log(sums.sum())))
  }
}
