/// Possible merges of neighbouring symbols, best first: a binary heap.
///
/// The order is that of `bpe_model.cc` of google/sentencepiece: higher score first, then further left.
struct MergeQueue {
  struct Merge {
    /// Rank of the score (smaller is better) in the upper half, index of the left symbol in the lower.
    let key: UInt64
    let right: Int32
    /// The piece that the merge makes.
    let piece: Int32

    var left: Int32 { Int32(truncatingIfNeeded: key & 0xFFFF_FFFF) }

    init(rank: UInt32, left: Int32, right: Int32, piece: Int32) {
      key = UInt64(rank) << 32 | UInt64(UInt32(bitPattern: left))
      self.right = right
      self.piece = piece
    }
  }

  private var heap: [Merge] = []

  mutating func removeAll() { heap.removeAll(keepingCapacity: true) }

  mutating func push(_ merge: Merge) {
    var i = heap.count
    heap.append(merge)
    while i > 0 {
      let parent = (i - 1) / 2
      guard merge.key < heap[parent].key else { break }
      heap[i] = heap[parent]
      i = parent
    }
    heap[i] = merge
  }

  mutating func pop() -> Merge? {
    guard let best = heap.first, let last = heap.popLast() else { return nil }
    let count = heap.count
    guard count > 0 else { return best }
    var i = 0
    while true {
      var child = 2 * i + 1
      guard child < count else { break }
      if child + 1 < count, heap[child + 1].key < heap[child].key { child += 1 }
      guard heap[child].key < last.key else { break }
      heap[i] = heap[child]
      i = child
    }
    heap[i] = last
    return best
  }
}
