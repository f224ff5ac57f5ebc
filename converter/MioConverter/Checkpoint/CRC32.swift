/// The checksum of zip entries (CRC-32, polynomial 0xEDB88320).
package struct CRC32 {
  private static let table: [UInt32] = (0..<256).map { index in
    (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
  }

  private var state: UInt32 = ~0

  package init() {}

  /// The checksum of everything so far.
  package var value: UInt32 { ~state }

  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    unsafe Self.table.withUnsafeBufferPointer { table in
      var state = state
      for index in 0..<bytes.count { unsafe state = state >> 8 ^ table[Int((state ^ UInt32(bytes[index])) & 0xFF)] }
      self.state = state
    }
  }

  package static func checksum(_ bytes: [UInt8]) -> UInt32 {
    var checksum = CRC32()
    unsafe bytes.withUnsafeBytes { unsafe checksum.update($0) }
    return checksum.value
  }
}
