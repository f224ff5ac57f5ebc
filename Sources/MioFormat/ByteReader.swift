/// Reads little-endian fields from untrusted bytes; every read is checked against the end.
struct ByteReader {
  private let bytes: [UInt8]
  /// The file offset of the first byte, for error messages.
  private let fileOffset: Int
  private(set) var position: Int
  private(set) var end: Int

  init(_ bytes: [UInt8], fileOffset: Int) {
    self.bytes = bytes
    self.fileOffset = fileOffset
    position = 0
    end = bytes.count
  }

  var remaining: Int { end - position }
  var filePosition: Int { fileOffset + position }

  /// Takes `count` bytes and returns their positions.
  private mutating func take(_ count: Int, for field: String) throws(ModelFileError) -> Range<Int> {
    guard count <= remaining else {
      throw ModelFileError(
        .malformedDirectory, "\(field) reaches beyond its section", byteRange: filePosition..<filePosition,
        expected: "at most \(remaining) bytes", found: "\(count)")
    }
    defer { position += count }
    return position..<(position + count)
  }

  mutating func integer<T: FixedWidthInteger & UnsignedInteger>(
    _ type: T.Type, _ field: String
  ) throws(ModelFileError) -> T {
    let range = try take(MemoryLayout<T>.size, for: field)
    var value: T = 0
    for index in range.reversed() { value = (value << 8) | T(bytes[index]) }
    return value
  }

  mutating func byte(_ field: String) throws(ModelFileError) -> UInt8 { try integer(UInt8.self, field) }

  mutating func bytes(_ count: Int, _ field: String) throws(ModelFileError) -> [UInt8] {
    Array(bytes[try take(count, for: field)])
  }

  mutating func digest(_ field: String) throws(ModelFileError) -> Digest {
    Digest(bytes: try bytes(Digest.byteCount, field))
  }

  /// A file offset or size: 64 bits of which a file can use 44.
  mutating func size(_ field: String) throws(ModelFileError) -> Int {
    let start = filePosition
    let value = try integer(UInt64.self, field)
    guard value <= UInt64(FormatLimits.fileByteCount) else {
      throw ModelFileError(
        .limitExceeded, "\(field) is larger than any file may be", byteRange: start..<(start + 8),
        expected: "at most \(FormatLimits.fileByteCount)", found: "\(value)")
    }
    return Int(value)
  }

  /// A name of `count` printable ASCII characters without spaces.
  mutating func name(_ count: Int, _ field: String) throws(ModelFileError) -> String {
    let start = filePosition
    let text = try bytes(count, field)
    guard let name = validName(text) else {
      throw ModelFileError(
        .invalidName, "\(field) must have 1 to \(FormatLimits.nameByteCount) printable ASCII characters and no spaces",
        byteRange: start..<(start + count))
    }
    return name
  }

  mutating func text(_ count: Int, _ field: String) throws(ModelFileError) -> String {
    let start = filePosition
    guard let text = String(validating: try bytes(count, field), as: UTF8.self) else {
      throw ModelFileError(.invalidText, "\(field) is not UTF-8", byteRange: start..<(start + count))
    }
    return text
  }

  /// A reader limited to the next `count` bytes, which this reader skips.
  mutating func section(_ count: Int, _ field: String) throws(ModelFileError) -> ByteReader {
    let range = try take(count, for: field)
    var inner = self
    inner.position = range.lowerBound
    inner.end = range.upperBound
    return inner
  }
}

/// `bytes` as a name, or nil: 1 to 255 characters of printable ASCII, so that names look the same to every reader
/// and two names are equal exactly if their bytes are.
func validName(_ bytes: [UInt8]) -> String? {
  guard (1...FormatLimits.nameByteCount).contains(bytes.count), bytes.allSatisfy({ (0x21...0x7E).contains($0) }) else {
    return nil
  }
  return String(validating: bytes, as: UTF8.self)
}

extension Array where Element == UInt8 {
  /// Appends an integer, least significant byte first.
  mutating func append<T: FixedWidthInteger & UnsignedInteger>(littleEndian value: T) {
    for index in 0..<MemoryLayout<T>.size { append(UInt8(truncatingIfNeeded: value >> (8 * index))) }
  }
}
