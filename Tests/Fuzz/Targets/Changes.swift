/// Changes of files, as damage and malice make them: the same from the same seed.
package struct Changes {
  private var state: UInt64

  package init(seed: UInt64) { state = seed }

  private mutating func number(_ count: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int(state >> 33) % max(1, count)
  }

  /// Values at which sizes and counts go wrong.
  private static let extremes: [UInt32] = [
    0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF,
  ]

  /// One to four changes of a file, now and then with a part of another one.
  package mutating func change(_ bytes: [UInt8], others: [[UInt8]] = []) -> [UInt8] {
    var changed = bytes
    for _ in 0...number(3) where !changed.isEmpty {
      let place = number(changed.count)
      switch number(8) {
      case 0...2: changed[place] = UInt8(number(256))
      case 3: changed[place] ^= 1 << UInt8(number(8))
      case 4: changed.removeLast(number(changed.count))
      case 5: changed.removeSubrange(place..<min(changed.count, place + 1 + number(16)))
      case 6:
        let value = Self.extremes[number(Self.extremes.count)]
        let (width, isBig) = ([1, 2, 4][number(3)], number(2) == 0)
        for index in 0..<width where place + index < changed.count {
          changed[place + index] = UInt8(truncatingIfNeeded: value >> UInt32(8 * (isBig ? width - 1 - index : index)))
        }
      default:
        let other = others.isEmpty ? bytes : others[number(others.count)]
        let start = number(other.count)
        changed.insert(contentsOf: other[start..<min(other.count, start + 1 + number(64))], at: place)
      }
    }
    return changed
  }
}
