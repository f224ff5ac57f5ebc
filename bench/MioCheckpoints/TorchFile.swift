import MioConverter
import MioFiles

/// The parts of a `torch.save` file around its tensors: a pickle of protocol 2 and the records of a zip archive.
///
/// Entries are stored without compression and begin at multiples of 64 bytes, as PyTorch writes them.
package struct TorchFile {
  /// An entry and where its bytes lie.
  package struct Entry {
    package let name: String
    package let byteCount: Int
    /// Of its local header.
    let headerOffset: Int
    /// Of its bytes.
    package let offset: Int
  }

  /// The tensors' entries, in their order, then the small ones.
  package let tensorEntries: [Entry]
  package let smallEntries: [(entry: Entry, bytes: [UInt8])]
  /// Where the central directory begins.
  package let directoryOffset: Int
  /// Writes zip64 records even where none are needed.
  private let forcesZip64: Bool

  /// - Parameter stem: the archive's top folder.
  package init(_ tensors: [TensorSpecification], stem: String, forcesZip64: Bool = false) {
    let pickle = PickleWriter.stateDictionary(tensors)
    self.init(
      tensorByteCounts: tensors.map(\.byteCount), pickle: pickle, stem: stem, byteOrder: "little",
      forcesZip64: forcesZip64)
  }

  /// Any pickle and any storages, for files that are wrong on purpose.
  package init(
    tensorByteCounts: [Int], pickle: [UInt8], stem: String, byteOrder: String = "little", forcesZip64: Bool = false
  ) {
    var end = 0
    func entry(_ name: String, _ byteCount: Int) -> Entry {
      let header = end
      let offset = (header + 30 + name.utf8.count + 4 + 63) / 64 * 64
      end = offset + byteCount
      return Entry(name: name, byteCount: byteCount, headerOffset: header, offset: offset)
    }
    let small: [(String, [UInt8])] = [
      ("data.pkl", pickle), ("byteorder", Array(byteOrder.utf8)), ("version", Array("3\n".utf8)),
    ]
    smallEntries = small.map { (entry("\(stem)/\($0)", $1.count), $1) }
    tensorEntries = tensorByteCounts.enumerated().map { entry("\(stem)/data/\($0)", $1) }
    directoryOffset = end
    self.forcesZip64 = forcesZip64
  }

  /// The whole file, for small contents.
  package func bytes(_ storages: [[UInt8]]) -> [UInt8] {
    var file = [UInt8](repeating: 0, count: directoryOffset)
    func place(_ bytes: [UInt8], at offset: Int) { file.replaceSubrange(offset..<(offset + bytes.count), with: bytes) }
    for (entry, bytes) in zip(tensorEntries, storages) + smallEntries {
      place(localHeader(entry, checksum: CRC32.checksum(bytes)), at: entry.headerOffset)
      place(bytes, at: entry.offset)
    }
    return file + directory(checksums: storages.map(CRC32.checksum))
  }

  /// What precedes the bytes of an entry.
  func localHeader(_ entry: Entry, checksum: UInt32) -> [UInt8] {
    var bytes = LittleEndianBytes()
    bytes.u32(0x0403_4B50)
    bytes.u16(entry.byteCount >= 0xFFFF_FFFF ? 45 : 20, 0x0800, 0, 0, 0)
    // The size is in the central directory, too; entries beyond 4 GiB have it only there.
    let size = UInt32(clamping: entry.byteCount)
    bytes.u32(checksum, size, size)
    let padding = entry.offset - entry.headerOffset - 30 - entry.name.utf8.count
    bytes.u16(entry.name.utf8.count, padding)
    bytes.bytes += Array(entry.name.utf8)
    // A field of zeros that aligns what follows.
    bytes.u16(0x4246, padding - 4)
    bytes.bytes += Array(repeating: 0, count: padding - 4)
    return bytes.bytes
  }

  /// The central directory and the end of the archive.
  func directory(checksums: [UInt32]) -> [UInt8] {
    var bytes = LittleEndianBytes()
    let entries =
      zip(tensorEntries, checksums).map { ($0, $1) } + smallEntries.map { ($0.entry, CRC32.checksum($0.bytes)) }
    for (entry, checksum) in entries.sorted(by: { $0.0.headerOffset < $1.0.headerOffset }) {
      var wide = LittleEndianBytes()
      func field(_ value: Int) -> UInt32 {
        guard forcesZip64 || value >= 0xFFFF_FFFF else { return UInt32(value) }
        wide.u64(value)
        return 0xFFFF_FFFF
      }
      let (size, stored, header) = (field(entry.byteCount), field(entry.byteCount), field(entry.headerOffset))
      bytes.u32(0x0201_4B50)
      bytes.u16(45, 45, 0x0800, 0, 0, 0)
      bytes.u32(checksum, stored, size)
      bytes.u16(entry.name.utf8.count, wide.bytes.isEmpty ? 0 : wide.bytes.count + 4, 0, 0, 0)
      bytes.u32(0, header)
      bytes.bytes += Array(entry.name.utf8)
      if !wide.bytes.isEmpty {
        bytes.u16(1, wide.bytes.count)
        bytes.bytes += wide.bytes
      }
    }
    return bytes.bytes + endRecords(entryCount: entries.count, directoryByteCount: bytes.bytes.count)
  }

  private func endRecords(entryCount: Int, directoryByteCount: Int) -> [UInt8] {
    var bytes = LittleEndianBytes()
    let isWide = forcesZip64 || entryCount >= 0xFFFF || directoryOffset >= 0xFFFF_FFFF
    if isWide {
      bytes.u32(0x0606_4B50)
      bytes.u64(44)
      bytes.u16(45, 45)
      bytes.u32(0, 0)
      bytes.u64(entryCount, entryCount, directoryByteCount, directoryOffset)
      bytes.u32(0x0706_4B50, 0)
      bytes.u64(directoryOffset + directoryByteCount)
      bytes.u32(1)
    }
    bytes.u32(0x0605_4B50)
    bytes.u16(0, 0, isWide ? 0xFFFF : entryCount, isWide ? 0xFFFF : entryCount)
    bytes.u32(isWide ? 0xFFFF_FFFF : UInt32(directoryByteCount), isWide ? 0xFFFF_FFFF : UInt32(directoryOffset))
    bytes.u16(0)
    return bytes.bytes
  }
}

private func + (left: Zip2Sequence<[TorchFile.Entry], [[UInt8]]>, right: [(entry: TorchFile.Entry, bytes: [UInt8])])
  -> [(TorchFile.Entry, [UInt8])]
{
  left.map { ($0, $1) } + right.map { ($0.entry, $0.bytes) }
}

/// Numbers in little-endian order, one after the other.
package struct LittleEndianBytes {
  package var bytes: [UInt8] = []

  package init() {}

  package mutating func u16(_ values: Int...) { values.forEach { append($0, 2) } }
  package mutating func u32(_ values: UInt32...) { values.forEach { append(Int($0), 4) } }
  package mutating func u64(_ values: Int...) { values.forEach { append($0, 8) } }

  private mutating func append(_ value: Int, _ count: Int) {
    for shift in 0..<count { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * shift))) }
  }
}
