/// Evaluated beginnings of prompts that later sequences fork instead of evaluating them again.
struct PromptTrunks {
  private struct Trunk {
    let tokens: [Int32]
    let sequence: Int
    var lastUse: Int
  }

  let limit: Int
  private var trunks: [Trunk] = []
  private var clock = 0

  init(limit: Int) {
    self.limit = limit
  }

  /// The longest trunk that is a proper beginning of `prompt`: at least one token is left to evaluate for its scores.
  mutating func longest(for prompt: [Int32]) -> (sequence: Int, count: Int)? {
    var best: Int?
    for (index, trunk) in trunks.enumerated()
    where trunk.tokens.count < prompt.count && trunk.tokens.count > best.map({ trunks[$0].tokens.count }) ?? 0
      && prompt.starts(with: trunk.tokens)
    {
      best = index
    }
    guard let best else { return nil }
    clock += 1
    trunks[best].lastUse = clock
    return (trunks[best].sequence, trunks[best].tokens.count)
  }

  /// Takes over a sequence that holds exactly `tokens`; the trunk unused for the longest time makes room.
  mutating func insert(_ tokens: [Int32], sequence: Int, scorer: any SequenceScorer) {
    clock += 1
    if let same = trunks.firstIndex(where: { $0.tokens == tokens }) {
      scorer.release(sequence)
      trunks[same].lastUse = clock
      return
    }
    trunks.append(Trunk(tokens: tokens, sequence: sequence, lastUse: clock))
    while trunks.count > limit, let oldest = trunks.indices.min(by: { trunks[$0].lastUse < trunks[$1].lastUse }) {
      scorer.release(trunks.remove(at: oldest).sequence)
    }
  }

  mutating func removeAll(scorer: any SequenceScorer) {
    for trunk in trunks { scorer.release(trunk.sequence) }
    trunks = []
  }
}
