import MioFiles

/// The first 128 bytes of a file: what it is, how long it is, and where its directory lies.
struct FileHeader: Hashable, Sendable {
  static let byteCount = 128
  /// As PNG's: a byte above 127, both kinds of line end and an end-of-file mark, so that a transfer in text mode shows.
  static let magic: [UInt8] = [0x89, 0x4D, 0x49, 0x4F, 0x0D, 0x0A, 0x1A, 0x0A]
  static let formatVersion: UInt32 = 1
  static let byteOrderMark: UInt32 = 0x0102_0304
  /// Bits of features that a reader must know to read the file. None are defined yet.
  static let knownRequiredFeatures: UInt64 = 0
  /// The part that the header's own digest covers.
  static let hashedByteCount = 96

  var fileByteCount: Int
  var requiredFeatures: UInt64 = 0
  var optionalFeatures: UInt64 = 0
  var directoryOffset: Int
  var directoryByteCount: Int
  var directoryDigest: Digest

  init(fileByteCount: Int, directoryOffset: Int, directoryByteCount: Int, directoryDigest: Digest) {
    self.fileByteCount = fileByteCount
    self.directoryOffset = directoryOffset
    self.directoryByteCount = directoryByteCount
    self.directoryDigest = directoryDigest
  }

  /// The 128 bytes, their digest last.
  func encoded() -> [UInt8] {
    var bytes = Self.magic
    bytes.append(littleEndian: Self.byteOrderMark)
    bytes.append(littleEndian: Self.formatVersion)
    bytes.append(littleEndian: UInt64(fileByteCount))
    bytes.append(littleEndian: requiredFeatures)
    bytes.append(littleEndian: optionalFeatures)
    bytes.append(littleEndian: UInt64(directoryOffset))
    bytes.append(littleEndian: UInt64(directoryByteCount))
    bytes.append(littleEndian: UInt64(0))
    bytes += directoryDigest.bytes
    return bytes + Digest(of: bytes).bytes
  }
}

extension FileHeader {
  /// Reads and checks a header in the order in which its fields can be trusted: kind, byte order and version first,
  /// because they are in the same place in every version; then the digest; then everything else.
  ///
  /// - Parameter actualByteCount: the length of the file on disk.
  init(parsing bytes: [UInt8], actualByteCount: Int) throws(ModelFileError) {
    try Self.checkMagic(bytes)
    guard bytes.count == Self.byteCount else {
      throw ModelFileError(
        .truncated, "the file ends inside its header; copy or convert it again", byteRange: 0..<bytes.count,
        expected: "at least \(Self.byteCount) bytes", found: "\(bytes.count)")
    }
    var reader = ByteReader(bytes, fileOffset: 0)
    _ = try reader.bytes(Self.magic.count, "magic")
    try Self.checkByteOrderAndVersion(&reader)
    guard Digest(of: Array(bytes[..<Self.hashedByteCount])).bytes == Array(bytes[Self.hashedByteCount...]) else {
      throw ModelFileError(
        .headerHashMismatch, "the header is damaged; copy or convert the file again", byteRange: 0..<Self.byteCount)
    }
    let fileByteCount = try reader.size("file length")
    let required = try reader.integer(UInt64.self, "required features")
    let optional = try reader.integer(UInt64.self, "optional features")
    guard required & ~Self.knownRequiredFeatures == 0 else {
      let unknown = required & ~Self.knownRequiredFeatures
      throw ModelFileError(
        .unknownRequiredFeature, "the file needs features that this version does not know; use a newer mio-lite",
        byteRange: 24..<32, expected: "only known bits", found: "0x" + String(unknown, radix: 16))
    }
    let directoryOffset = try reader.size("directory offset")
    let directoryByteCount = try reader.size("directory length")
    guard directoryByteCount <= FormatLimits.directoryByteCount else {
      throw ModelFileError(
        .limitExceeded, "the directory is too long", byteRange: 48..<56,
        expected: "at most \(FormatLimits.directoryByteCount) bytes", found: "\(directoryByteCount)")
    }
    guard try reader.integer(UInt64.self, "reserved field") == 0 else {
      throw ModelFileError(.reservedNotZero, "a reserved field of the header is not zero", byteRange: 56..<64)
    }
    self.init(
      fileByteCount: fileByteCount, directoryOffset: directoryOffset, directoryByteCount: directoryByteCount,
      directoryDigest: try reader.digest("directory digest"))
    requiredFeatures = required
    optionalFeatures = optional
    try checkLengths(actualByteCount: actualByteCount)
  }

  private static func checkMagic(_ bytes: [UInt8]) throws(ModelFileError) {
    let found = Array(bytes.prefix(magic.count))
    guard found != magic else { return }
    if found.starts(with: [0x09, 0x4D, 0x49, 0x4F]) || found.starts(with: [0x89, 0x4D, 0x49, 0x4F, 0x0A])
      || found.starts(with: [0x89, 0x4D, 0x49, 0x4F, 0x0D, 0x0D]) || found.starts(with: [0xC2, 0x89, 0x4D, 0x49])
      || found.starts(with: [0xEF, 0xBF, 0xBD, 0x4D])
    {
      throw ModelFileError(
        .textModeDamage, "the file was changed by a transfer in text mode; copy it again in binary mode",
        byteRange: 0..<magic.count)
    }
    if !bytes.isEmpty, magic.starts(with: found) {
      throw ModelFileError(
        .truncated, "the file ends inside its header; copy or convert it again", byteRange: 0..<bytes.count,
        expected: "at least \(byteCount) bytes", found: "\(bytes.count)")
    }
    throw ModelFileError(
      .badMagic,
      "this is not a .mio file; "
        + (FileKind(bytes).complaint(for: .model) ?? "mio-lite convert makes one from a checkpoint directory"),
      byteRange: 0..<found.count)
  }

  private static func checkByteOrderAndVersion(_ reader: inout ByteReader) throws(ModelFileError) {
    let mark = try reader.integer(UInt32.self, "byte order mark")
    guard mark == byteOrderMark else {
      let hint = mark == byteOrderMark.byteSwapped ? "it was written in big-endian byte order" : "it is damaged"
      throw ModelFileError(.badByteOrder, "the byte order mark is wrong: \(hint)", byteRange: 8..<12)
    }
    let version = try reader.integer(UInt32.self, "format version")
    guard version == formatVersion else {
      throw ModelFileError(
        .unsupportedVersion,
        "this program does not read this format version; use a newer mio-lite, or convert the checkpoint again",
        byteRange: 12..<16, expected: "\(formatVersion)", found: "\(version)")
    }
  }

  private func checkLengths(actualByteCount: Int) throws(ModelFileError) {
    guard actualByteCount >= fileByteCount else {
      throw ModelFileError(
        .truncated, "the file is shorter than it says; copy or download it again",
        byteRange: actualByteCount..<actualByteCount, expected: "\(fileByteCount) bytes", found: "\(actualByteCount)")
    }
    guard actualByteCount == fileByteCount else {
      throw ModelFileError(
        .trailingBytes, "something was appended to the file", byteRange: fileByteCount..<actualByteCount,
        expected: "\(fileByteCount) bytes", found: "\(actualByteCount)")
    }
    // Both terms are at most 2^44, so the sum cannot overflow.
    guard directoryOffset >= Self.byteCount, directoryOffset + directoryByteCount == fileByteCount else {
      throw ModelFileError(
        .malformedDirectory, "the directory must be the last thing in the file", byteRange: 40..<56,
        expected: "an end at byte \(fileByteCount)", found: "\(directoryOffset + directoryByteCount)")
    }
  }
}
