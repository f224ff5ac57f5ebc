/// Evaluated beginnings of prompts, kept for later requests that begin alike.
///
/// Any request may go on from the longest beginning that it has in common with a kept sequence: keys and values of a token
/// depend on the tokens before it alone. What was not used for the longest time makes room.
struct PrefixCache {
  private struct Entry {
    let tokens: [Int32]
    let sequence: Int
    var lastUse: Int
  }

  /// Most sequences that are kept.
  let limit: Int
  /// Most tokens of all of them; what they share is counted for each.
  let tokenLimit: Int
  private var entries: [Entry] = []
  private var tokenCount = 0
  private var clock = 0

  /// Beginnings shorter than this are evaluated again: a fork copies a page.
  static let minTokens = 8

  init(limit: Int, tokenLimit: Int) {
    self.limit = limit
    self.tokenLimit = tokenLimit
  }

  /// The kept sequence that has the most tokens at its beginning in common with `prompt`, at most all but the last, which must
  /// be evaluated for its scores.
  mutating func longest(for prompt: [Int32]) -> (sequence: Int, count: Int)? {
    var best: (index: Int, count: Int)?
    for (index, entry) in entries.enumerated() {
      let count = prompt.commonCount(entry.tokens)
      if count >= Self.minTokens, count > best?.count ?? 0 { best = (index, count) }
    }
    guard let best else { return nil }
    clock += 1
    entries[best.index].lastUse = clock
    return (entries[best.index].sequence, best.count)
  }

  /// Takes over a sequence that holds exactly `tokens`, unless a kept one begins with them; those that it continues make room.
  mutating func insert(_ tokens: [Int32], sequence: Int, decoder: any SequenceDecoder) {
    clock += 1
    if tokens.count < Self.minTokens || limit == 0 { return decoder.release(sequence) }
    if let longer = entries.firstIndex(where: { $0.tokens.starts(with: tokens) }) {
      decoder.release(sequence)
      entries[longer].lastUse = clock
      return
    }
    for index in entries.indices.reversed() where tokens.starts(with: entries[index].tokens) {
      remove(at: index, decoder: decoder)
    }
    entries.append(Entry(tokens: tokens, sequence: sequence, lastUse: clock))
    tokenCount += tokens.count
    while entries.count > limit || tokenCount > tokenLimit { removeOldest(decoder: decoder) }
  }

  /// Gives back what was not used for the longest time; false if nothing is kept.
  @discardableResult
  mutating func removeOldest(decoder: any SequenceDecoder) -> Bool {
    guard let oldest = entries.indices.min(by: { entries[$0].lastUse < entries[$1].lastUse }) else { return false }
    remove(at: oldest, decoder: decoder)
    return true
  }

  mutating func removeAll(decoder: any SequenceDecoder) {
    while removeOldest(decoder: decoder) {}
  }

  private mutating func remove(at index: Int, decoder: any SequenceDecoder) {
    let entry = entries.remove(at: index)
    tokenCount -= entry.tokens.count
    decoder.release(entry.sequence)
  }
}

extension [Int32] {
  /// Tokens at the beginning of this prompt that `others` begins with too, at most all but the last.
  func commonCount(_ others: some Collection<Int32>) -> Int {
    zip(dropLast(), others).prefix { $0 == $1 }.count
  }
}
