#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The book-keeping of beam search for one prompt, as in transformers 4.34.
///
/// Port of `BeamSearchScorer` and `BeamHypotheses` (`generation/beam_search.py`, early stopping off). Two habits of
/// that version are kept on purpose: a hypothesis is divided by the length of prompt and reply together, and the
/// search is done as soon as the best open candidate, divided by the current length, cannot beat the worst finished
/// one.
struct BeamSearch {
  /// One way to go on: beam `parent` followed by `id`.
  struct Candidate: Hashable {
    var score: Float
    var parent: Int
    var id: Int32

    /// The order of candidates: by score; equals, whose order the reference leaves open, by beam and id.
    func precedes(_ other: Candidate) -> Bool {
      if score != other.score { return score > other.score }
      return parent != other.parent ? parent < other.parent : id < other.id
    }
  }

  /// A candidate reply.
  struct Hypothesis: Hashable {
    /// The score divided by the length to the power of the length penalty.
    var value: Double
    var ids: [Int32]  // without the stop token
    var stopId: Int32?

    var allIds: [Int32] { stopId.map { ids + [$0] } ?? ids }

    func token(at index: Int) -> Int32? {
      index < ids.count ? ids[index] : index == ids.count ? stopId : nil
    }
  }

  let width: Int
  let lengthPenalty: Double
  let stopIds: [Int32]
  /// At most `width` finished hypotheses, in order of arrival.
  private(set) var finished: [Hypothesis] = []
  private var worst = 1e9

  init(width: Int, lengthPenalty: Double, stopIds: [Int32]) {
    self.width = width
    self.lengthPenalty = lengthPenalty
    self.stopIds = stopIds
  }

  /// Candidates that a step looks at.
  var candidateCount: Int { max(2, 1 + stopIds.count) * width }

  /// Sorts the best candidates of a step into finished hypotheses and the beams of the next step.
  ///
  /// - Parameter candidates: at most ``candidateCount``, best first.
  /// - Parameter beams: generated ids of every open beam.
  /// - Parameter length: tokens of prompt and reply before this step.
  /// - Returns: at most `width` continuations, best first, and whether the search is over.
  mutating func advance(
    _ candidates: [Candidate], beams: [[Int32]], length: Int
  ) -> (next: [Candidate], isDone: Bool) {
    var next: [Candidate] = []
    for (rank, candidate) in candidates.enumerated() {
      if stopIds.contains(candidate.id) {
        if rank < width {
          add(beams[candidate.parent], stopId: candidate.id, score: candidate.score, length: length)
        }
      } else {
        next.append(candidate)
        if next.count == width { break }
      }
    }
    guard let best = candidates.first else { return (next, true) }
    let attainable = Double(best.score) / power(length + 1)
    return (next, next.isEmpty || finished.count == width && worst >= attainable)
  }

  /// Adds a beam that never met a stop token.
  mutating func addOpen(_ ids: [Int32], score: Float, length: Int) {
    add(ids, stopId: nil, score: score, length: length)
  }

  /// The hypothesis of highest value; of equals the one that came last.
  var best: Hypothesis? {
    var winner: Hypothesis?
    for hypothesis in finished where hypothesis.value >= winner?.value ?? -.infinity { winner = hypothesis }
    return winner ?? finished.last
  }

  private mutating func add(_ ids: [Int32], stopId: Int32?, score: Float, length: Int) {
    let value = Double(score) / power(length)
    guard finished.count < width || value > worst else { return }
    finished.append(Hypothesis(value: value, ids: ids, stopId: stopId))
    if finished.count > width {
      var oldestWorst = 0
      for index in finished.indices where finished[index].value < finished[oldestWorst].value { oldestWorst = index }
      finished.remove(at: oldestWorst)
      worst = finished.reduce(.infinity) { min($0, $1.value) }
    } else {
      worst = min(worst, value)
    }
  }

  private func power(_ length: Int) -> Double {
    pow(Double(length), lengthPenalty)
  }
}

/// The best continuations of several rows of scores, found without sorting a vocabulary.
struct BeamCandidates {
  /// Best first.
  private(set) var best: [BeamSearch.Candidate] = []
  private let limit: Int

  init(limit: Int) {
    self.limit = limit
    best.reserveCapacity(limit + 1)
  }

  /// Scores every allowed continuation of beam `parent` as `beamScore` + log-probability.
  ///
  /// The penalty multiplies the log-probability of ids in `seen`, which is not renormalised: as the reference does it.
  /// Scores of seen ids in `row` are overwritten.
  mutating func add(
    _ row: Logits, allowed: [Range<Int>], parent: Int, beamScore: Float, seen: SeenIds, penalty: Float
  ) {
    let (highest, logSum) = row.logNormalizer(in: allowed)
    guard highest.isFinite else {
      offer(.init(score: beamScore, parent: parent, id: Int32(row.bestId(in: allowed))))  // nothing to compare
      return
    }
    if penalty != 1 {
      for id in seen.ids where allowed.holds(Int(id)) {
        let logProbability = row[Int(id)] - highest - logSum
        offer(.init(score: beamScore + logProbability * penalty, parent: parent, id: id))
        row.exclude(Int(id))
      }
    }
    row.forEachVector(in: allowed) { first, scores in
      let candidates = beamScore + (scores - highest - logSum)
      let threshold = best.count < limit ? -Float.infinity : best[limit - 1].score
      guard any(candidates .>= threshold) else { return }
      for lane in 0..<8 where candidates[lane] >= threshold && candidates[lane] > -.infinity {
        offer(.init(score: candidates[lane], parent: parent, id: Int32(first + lane)))
      }
    }
  }

  /// Takes a candidate in if it is among the best.
  mutating func offer(_ candidate: BeamSearch.Candidate) {
    guard candidate.score > -.infinity else { return }
    if best.count == limit && !candidate.precedes(best[limit - 1]) { return }
    var (low, high) = (0, best.count)
    while low < high {
      let middle = (low + high) / 2
      if best[middle].precedes(candidate) { low = middle + 1 } else { high = middle }
    }
    best.insert(candidate, at: low)
    if best.count > limit { best.removeLast() }
  }
}
