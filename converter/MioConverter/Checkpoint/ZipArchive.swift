import MioFormat

/// The directory of a zip file, as far as `torch.save` uses the format: stored entries, zip64 where needed.
///
/// Sizes come from the central directory; the local headers only tell where the bytes begin.
///
/// - SeeAlso: PKWARE APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.12, 4.3.14 to 4.3.16 and 4.5.3.
struct ZipArchive {
  struct Entry {
    let name: String
    /// Where the entry's bytes lie in the file.
    let range: Range<Int>
    let checksum: UInt32
  }

  /// More entries than any checkpoint has tensors.
  static let entryLimit = 1_000_000

  /// Entries in the order of the directory.
  let entries: [Entry]

  init(_ mapping: MappedFile, file: String) throws(ConversionError) {
    let reader = Reader(mapping: mapping, file: file)
    let directory = try Self.locateDirectory(reader)
    var entries: [Entry] = []
    var names = Set<[UInt8]>()
    var position = directory.range.lowerBound
    for _ in 0..<directory.entryCount {
      let (entry, next) = try Self.entry(reader, at: position, limit: directory.range.upperBound)
      guard names.insert(Array(entry.name.utf8)).inserted else {
        throw reader.failure("the archive has two entries named \(entry.name)")
      }
      entries.append(entry)
      position = next
    }
    guard position == directory.range.upperBound else {
      throw reader.failure("the archive's directory has \(directory.range.upperBound - position) bytes too many")
    }
    self.entries = entries
  }

  // MARK: - Directory

  private struct Directory {
    let range: Range<Int>
    let entryCount: Int
  }

  private static func locateDirectory(_ reader: Reader) throws(ConversionError) -> Directory {
    let end = reader.mapping.byteCount
    guard end >= 22 else { throw reader.failure("\(end) bytes are too few for a zip archive") }
    // The end record is followed only by a comment of at most 65535 bytes.
    let tailStart = max(0, end - 22 - 65535)
    let tail = try reader.bytes(tailStart..<end)
    let signature: [UInt8] = [0x50, 0x4B, 0x05, 0x06]
    func isRecord(_ offset: Int) -> Bool {
      let commentLength = Int(tail[offset + 20]) | Int(tail[offset + 21]) << 8
      return tail[offset] == signature[0] && tail[offset..<(offset + 4)].elementsEqual(signature)
        && offset + 22 + commentLength == tail.count
    }
    guard let offset = (0...(tail.count - 22)).last(where: isRecord) else {
      throw reader.failure("the end of the zip archive is missing; is the file truncated?")
    }
    let record = tailStart + offset
    var count: Int = try reader.u16(record + 10)
    var size: Int = try reader.u32(record + 12)
    var start: Int = try reader.u32(record + 16)
    let isWide = try hasZip64Locator(reader, before: record)
    if isWide || count == 0xFFFF || size == 0xFFFF_FFFF || start == 0xFFFF_FFFF {
      let wide = try zip64Record(reader, before: record)
      (count, size, start) = (try reader.u64(wide + 32), try reader.u64(wide + 40), try reader.u64(wide + 48))
    }
    guard count <= entryLimit else { throw reader.failure("the archive claims \(count) entries") }
    guard start <= record, size <= record - start else {
      throw reader.failure("the archive's directory lies outside of the file")
    }
    return Directory(range: start..<(start + size), entryCount: count)
  }

  private static func hasZip64Locator(_ reader: Reader, before record: Int) throws(ConversionError) -> Bool {
    guard record >= 20 else { return false }
    return try reader.u32(record - 20) == 0x0706_4B50
  }

  private static func zip64Record(_ reader: Reader, before record: Int) throws(ConversionError) -> Int {
    guard try hasZip64Locator(reader, before: record) else {
      throw reader.failure("the archive's zip64 record is missing; is the file truncated?")
    }
    let wide = try reader.u64(record - 20 + 8)
    guard wide <= record - 20 - 56, try reader.u32(wide) == 0x0606_4B50 else {
      throw reader.failure("the archive's zip64 record is not where its locator says")
    }
    return wide
  }

  // MARK: - Entries

  private static func entry(
    _ reader: Reader, at position: Int, limit: Int
  ) throws(ConversionError) -> (Entry, next: Int) {
    guard position + 46 <= limit, try reader.u32(position) == 0x0201_4B50 else {
      throw reader.failure("the archive's directory is damaged at byte \(position)")
    }
    let nameLength = try reader.u16(position + 28)
    let extraLength = try reader.u16(position + 30)
    let commentLength = try reader.u16(position + 32)
    let next = position + 46 + nameLength + extraLength + commentLength
    guard next <= limit else { throw reader.failure("the archive's directory is damaged at byte \(position)") }
    let nameBytes = try reader.bytes((position + 46)..<(position + 46 + nameLength))
    guard let name = String(validating: nameBytes, as: UTF8.self) else {
      throw reader.failure("an entry whose name is not UTF-8 at byte \(position)")
    }
    guard try reader.u16(position + 8) & 1 == 0 else { throw reader.failure("entry \(name) is encrypted") }
    guard try reader.u16(position + 10) == 0 else {
      throw reader.failure(
        "entry \(name) is compressed; torch.save never does that. Save the file again with torch.save")
    }
    var sizes = Sizes(
      full: try reader.u32(position + 24), stored: try reader.u32(position + 20), header: try reader.u32(position + 42))
    let extraStart = position + 46 + nameLength
    try sizes.widen(reader, extra: extraStart..<(extraStart + extraLength), name: name)
    guard sizes.full == sizes.stored else { throw reader.failure("entry \(name) has two different sizes") }
    let start = try dataStart(reader, header: sizes.header, name: name, nameBytes: nameBytes)
    guard start <= reader.mapping.byteCount, sizes.full <= reader.mapping.byteCount - start else {
      throw reader.failure("entry \(name) reaches beyond the end of the file; is the file truncated?")
    }
    let entry = Entry(
      name: name, range: start..<(start + sizes.full), checksum: UInt32(try reader.u32(position + 16)))
    return (entry, next)
  }

  private struct Sizes {
    var full: Int
    var stored: Int
    var header: Int

    /// Replaces the fields that do not fit 32 bits by those of the zip64 extra field.
    mutating func widen(_ reader: Reader, extra: Range<Int>, name: String) throws(ConversionError) {
      guard full == 0xFFFF_FFFF || stored == 0xFFFF_FFFF || header == 0xFFFF_FFFF else { return }
      var field = extra.lowerBound
      while field + 4 <= extra.upperBound {
        let (kind, length) = (try reader.u16(field), try reader.u16(field + 2))
        guard field + 4 + length <= extra.upperBound else { break }
        if kind == 1 {
          var position = field + 4
          func take() throws(ConversionError) -> Int {
            guard position + 8 <= field + 4 + length else { throw reader.failure("entry \(name): short zip64 field") }
            defer { position += 8 }
            return try reader.u64(position)
          }
          if full == 0xFFFF_FFFF { full = try take() }
          if stored == 0xFFFF_FFFF { stored = try take() }
          if header == 0xFFFF_FFFF { header = try take() }
          return
        }
        field += 4 + length
      }
      throw reader.failure("entry \(name) has no zip64 field")
    }
  }

  private static func dataStart(
    _ reader: Reader, header: Int, name: String, nameBytes: [UInt8]
  ) throws(ConversionError) -> Int {
    guard header <= reader.mapping.byteCount - 30, try reader.u32(header) == 0x0403_4B50 else {
      throw reader.failure("entry \(name) does not begin where the directory says")
    }
    let nameEnd = header + 30 + (try reader.u16(header + 26))
    guard nameEnd <= reader.mapping.byteCount, try reader.bytes((header + 30)..<nameEnd) == nameBytes else {
      throw reader.failure("entry \(name) has another name in its own header")
    }
    return nameEnd + (try reader.u16(header + 28))
  }

  /// Little-endian numbers at checked positions.
  private struct Reader {
    let mapping: MappedFile
    let file: String

    func failure(_ message: String) -> ConversionError { ConversionError(.badArchive, file: file, message) }

    func bytes(_ range: Range<Int>) throws(ConversionError) -> [UInt8] { try mapping.read(range, label: file) }

    private func number(_ position: Int, _ length: Int) throws(ConversionError) -> UInt64 {
      guard position >= 0, position <= mapping.byteCount - length else {
        throw failure("a record of the archive reaches beyond the end of the file; is the file truncated?")
      }
      return try bytes(position..<(position + length)).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    func u16(_ position: Int) throws(ConversionError) -> Int { Int(try number(position, 2)) }
    func u32(_ position: Int) throws(ConversionError) -> Int { Int(try number(position, 4)) }

    func u64(_ position: Int) throws(ConversionError) -> Int {
      guard let value = Int(exactly: try number(position, 8)) else {
        throw failure("a size in the archive's directory is out of range")
      }
      return value
    }
  }
}
