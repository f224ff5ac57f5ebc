/// The distinct ids of a sequence, in order of first appearance: what a repetition penalty applies to.
package struct SeenIds: Sendable {
  private(set) var ids: [Int32] = []
  private var bits: [UInt64]

  package init(vocabularySize: Int) {
    bits = Array(repeating: 0, count: (vocabularySize + 63) / 64)
  }

  package mutating func insert(_ id: Int32) {
    let (word, bit) = (Int(id) >> 6, UInt64(1) << (UInt64(id) & 63))
    if bits[word] & bit == 0 {
      bits[word] |= bit
      ids.append(id)
    }
  }
}
