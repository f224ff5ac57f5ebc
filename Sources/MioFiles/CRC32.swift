/// The checksum of zip entries and of PNG chunks (CRC-32, polynomial 0xEDB88320), and, with its bits mirrored, of Ogg pages.
package struct CRC32 {
  /// Eight tables, one after the other: what a byte adds that is followed by 0, 1 ... 7 others.
  private static let tables: [UInt32] = {
    var tables: [UInt32] = (0..<256).map { (index: UInt32) -> UInt32 in
      var value = index
      for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
      return value
    }
    for index in 256..<2048 {
      let before = tables[index - 256]
      tables.append(before >> 8 ^ tables[Int(before & 0xFF)])
    }
    return tables
  }()

  private var state: UInt32 = ~0

  package init() {}

  /// The checksum of everything so far.
  package var value: UInt32 { ~state }

  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    unsafe Self.tables.withUnsafeBufferPointer { tables in
      var state = state
      let words = bytes.count / 8
      for word in 0..<words {
        let stored = unsafe bytes.loadUnaligned(fromByteOffset: word * 8, as: UInt64.self)
        let next: UInt64 = UInt64(littleEndian: stored) ^ UInt64(state)
        var sum: UInt32 = 0
        for byte in 0..<8 {
          let index = Int(truncatingIfNeeded: next >> UInt64(8 * byte)) & 0xFF
          unsafe sum ^= tables[(7 - byte) * 256 + index]
        }
        state = sum
      }
      for index in words * 8..<bytes.count { unsafe state = state >> 8 ^ tables[Int((state ^ UInt32(bytes[index])) & 0xFF)] }
      self.state = state
    }
  }

  /// The checksum of an Ogg page: the same polynomial from the highest bit on, starting at 0.
  package static func oggChecksum(_ page: [UInt8]) -> UInt32 {
    var checksum = CRC32()
    checksum.state = 0
    let mirrored = page.map { UInt8(truncatingIfNeeded: mirror(UInt32($0)) >> 24) }
    unsafe mirrored.withUnsafeBytes { unsafe checksum.update($0) }
    return mirror(checksum.state)
  }

  /// The bits in the opposite order.
  private static func mirror(_ value: UInt32) -> UInt32 {
    var value = value.byteSwapped
    for (width, mask) in [(UInt32(4), UInt32(0x0F0F_0F0F)), (2, 0x3333_3333), (1, 0x5555_5555)] {
      value = value >> width & mask | (value & mask) << width
    }
    return value
  }

  package static func checksum(_ bytes: [UInt8]) -> UInt32 {
    var checksum = CRC32()
    unsafe bytes.withUnsafeBytes { unsafe checksum.update($0) }
    return checksum.value
  }
}
