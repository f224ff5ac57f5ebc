/// Finds pieces by their bytes: an open-addressing hash table over the string pool.
struct PieceIndex: Sendable {
  private let strings: StringPool
  /// Upper half: upper half of the hash. Lower half: id + 1, or 0 where empty.
  private var slots: [UInt64]
  private let mask: Int
  /// Bytes of the longest piece.
  private(set) var maxLength = 0

  /// Longer searches than this do not happen with honest data (the table is at most half full).
  private static let maxProbes = 512

  /// Indexes strings 0 ..< `count`. Fails when two are equal, or when so many collide that somebody must have planned
  /// it.
  init?(_ strings: StringPool, count: Int) {
    self.strings = strings
    var size = 16
    while size < 2 * count { size *= 2 }
    mask = size - 1
    slots = [UInt64](repeating: 0, count: size)
    for id in 0..<count {
      let range = strings.range(id)
      maxLength = max(maxLength, range.count)
      let hash = Self.hash(strings.bytes, range)
      var slot = Int(truncatingIfNeeded: hash) & mask
      var probes = 0
      while slots[slot] != 0 {
        probes += 1
        guard probes < Self.maxProbes, !matches(slots[slot], hash, strings.bytes, range) else { return nil }
        slot = (slot + 1) & mask
      }
      slots[slot] = hash & 0xFFFF_FFFF_0000_0000 | UInt64(id + 1)
    }
  }

  /// The id of the piece whose string is `text[range]`, or -1.
  func id(of text: [UInt8], _ range: Range<Int>) -> Int32 {
    guard range.count <= maxLength else { return -1 }
    let hash = Self.hash(text, range)
    var slot = Int(truncatingIfNeeded: hash) & mask
    while slots[slot] != 0 {
      if matches(slots[slot], hash, text, range) { return Int32(truncatingIfNeeded: slots[slot] & 0xFFFF_FFFF) - 1 }
      slot = (slot + 1) & mask
    }
    return -1
  }

  private func matches(_ slot: UInt64, _ hash: UInt64, _ text: [UInt8], _ range: Range<Int>) -> Bool {
    guard (slot ^ hash) >> 32 == 0 else { return false }
    let own = strings.range(Int(slot & 0xFFFF_FFFF) - 1)
    guard own.count == range.count else { return false }
    for i in 0..<own.count where strings.bytes[own.lowerBound + i] != text[range.lowerBound + i] { return false }
    return true
  }

  /// FNV-1a with a final mix, because the low bits choose the slot.
  private static func hash(_ text: [UInt8], _ range: Range<Int>) -> UInt64 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for i in range { hash = (hash ^ UInt64(text[i])) &* 0x0000_0100_0000_01B3 }
    hash = (hash ^ (hash >> 32)) &* 0x9E37_79B9_7F4A_7C15
    return hash ^ (hash >> 29)
  }
}
