/// The list of everything in a file.
///
/// It lies at the end and is a sequence of sections, each with a kind of four letters as in PNG: an upper-case first
/// letter means that a reader that does not know the kind must refuse the file, a lower-case one that it may skip it.
struct Directory: Hashable, Sendable {
  static let componentKind: [UInt8] = Array("COMP".utf8)
  static let tensorKind: [UInt8] = Array("TENS".utf8)
  static let blobKind: [UInt8] = Array("BLOB".utf8)

  var components: [Component]
  var tensors: [TensorRecord]
  var blobs: [BlobRecord]
}

// MARK: - Reading

extension Directory {
  /// Reads the records and checks everything that does not need the regions' bytes.
  init(parsing bytes: [UInt8], fileOffset: Int) throws(ModelFileError) {
    var reader = ByteReader(bytes, fileOffset: fileOffset)
    let parts = try Self.sections(&reader)
    var section = parts.components
    components = []
    for _ in 0..<parts.componentCount { components.append(try Component(parsing: &section)) }
    try section.requireEnd("components")
    try Self.checkUnique(components.map { ("", $0.name) }, "component", at: fileOffset)

    section = parts.tensors
    tensors = []
    tensors.reserveCapacity(parts.tensorCount)
    var previous = 0
    for _ in 0..<parts.tensorCount {
      tensors.append(try TensorRecord(parsing: &section, components: components, previous: &previous))
    }
    try section.requireEnd("tensors")
    try Self.checkUnique(tensors.map { ($0.component, $0.name) }, "tensor", at: fileOffset)

    section = parts.blobs
    blobs = []
    previous = 0
    for _ in 0..<parts.blobCount {
      blobs.append(try BlobRecord(parsing: &section, components: components, previous: &previous))
    }
    try section.requireEnd("blobs")
    try Self.checkUnique(blobs.map { ($0.component, $0.name) }, "blob", at: fileOffset)
    try checkCoverage(directoryOffset: fileOffset)
  }

  private typealias Parts = (
    components: ByteReader, componentCount: Int, tensors: ByteReader, tensorCount: Int, blobs: ByteReader,
    blobCount: Int
  )

  /// Splits the directory into its three known sections and skips the optional ones that may follow.
  private static func sections(_ reader: inout ByteReader) throws(ModelFileError) -> Parts {
    let components = try knownSection(&reader, componentKind, limit: FormatLimits.componentCount)
    let tensors = try knownSection(&reader, tensorKind, limit: FormatLimits.tensorCount)
    let blobs = try knownSection(&reader, blobKind, limit: FormatLimits.blobCount)
    var sectionCount = 3
    while reader.remaining > 0 {
      sectionCount += 1
      try checkLimit(sectionCount, FormatLimits.sectionCount, "sections", at: reader.filePosition)
      try skipOptionalSection(&reader)
    }
    return (components.0, components.1, tensors.0, tensors.1, blobs.0, blobs.1)
  }

  private static func knownSection(
    _ reader: inout ByteReader, _ kind: [UInt8], limit: Int
  ) throws(ModelFileError) -> (ByteReader, Int) {
    let start = reader.filePosition
    let name = String(decoding: kind, as: UTF8.self)
    guard try reader.bytes(4, "section kind") == kind else {
      throw ModelFileError(
        .malformedDirectory, "the sections COMP, TENS and BLOB must come first, in this order",
        byteRange: start..<(start + 4), expected: name)
    }
    let count = Int(try reader.integer(UInt32.self, "number of records"))
    try checkLimit(count, limit, "records in section \(name)", at: start + 4)
    let byteCount = try reader.size("length of section \(name)")
    return (try reader.section(byteCount, "section \(name)"), count)
  }

  private static func skipOptionalSection(_ reader: inout ByteReader) throws(ModelFileError) {
    let start = reader.filePosition
    let kind = try reader.bytes(4, "section kind")
    let letters = kind.allSatisfy { (0x41...0x5A).contains($0 & 0xDF) }
    guard letters, kind[0] & 0x20 != 0 else {
      guard letters, ![componentKind, tensorKind, blobKind].contains(kind) else {
        throw ModelFileError(
          .malformedDirectory, "a section has a kind that is repeated or not four letters",
          byteRange: start..<(start + 4))
      }
      throw ModelFileError(
        .unknownRequiredFeature, "the file needs a section that this version does not know; use a newer mio-lite",
        byteRange: start..<(start + 4), found: String(decoding: kind, as: UTF8.self))
    }
    _ = try reader.integer(UInt32.self, "number of records")
    _ = try reader.section(try reader.size("length of a section"), "section")
  }

  private static func checkUnique(
    _ names: [(String, String)], _ what: String, at offset: Int
  ) throws(ModelFileError) {
    var seen: Set<[String]> = []
    seen.reserveCapacity(names.count)
    for (component, name) in names where !seen.insert([component, name]).inserted {
      throw ModelFileError(
        .duplicateName, "two \(what)s have the same name", component: component.isEmpty ? name : component,
        item: component.isEmpty ? nil : name)
    }
  }

  /// The regions must follow each other in the order of their records, each at the next multiple of 64, and the
  /// directory after the last: then no two share a byte and no byte but padding is outside a region.
  private func checkCoverage(directoryOffset: Int) throws(ModelFileError) {
    var end = FileHeader.byteCount
    for tensor in tensors {
      try Self.checkPlace(tensor.byteRange, after: &end, tensor.component, tensor.name)
    }
    for blob in blobs {
      try Self.checkPlace(blob.byteRange, after: &end, blob.component, blob.name)
    }
    try Self.checkPlace(directoryOffset..<directoryOffset, after: &end, nil, nil)
  }

  private static func checkPlace(
    _ range: Range<Int>, after end: inout Int, _ component: String?, _ item: String?
  ) throws(ModelFileError) {
    let expected = FormatLimits.aligned(end)
    let start = range.lowerBound
    if start != expected {
      let (code, message): (ModelFileError.Code, String) =
        if start % FormatLimits.alignment != 0 {
          (.misaligned, "a region must start at a multiple of \(FormatLimits.alignment)")
        } else if start < expected {
          (.overlap, "a region overlaps the one before it")
        } else {
          (.hole, "there is a hole before a region")
        }
      throw ModelFileError(
        code, component == nil ? message + " (the directory)" : message, component: component, item: item,
        byteRange: range, expected: "\(expected)", found: "\(start)")
    }
    end = range.upperBound
  }
}

extension ByteReader {
  /// Refuses bytes after the last record of a section.
  fileprivate func requireEnd(_ records: String) throws(ModelFileError) {
    guard remaining == 0 else {
      throw ModelFileError(
        .malformedDirectory, "there are bytes after the last of the \(records)",
        byteRange: filePosition..<(filePosition + remaining))
    }
  }
}

extension Component {
  fileprivate init(parsing reader: inout ByteReader) throws(ModelFileError) {
    let length = Int(try reader.byte("length of a component's name"))
    let name = try reader.name(length, "component name")
    let start = reader.filePosition
    let flags = try reader.byte("component flags")
    guard flags <= 1 else {
      throw ModelFileError(
        .reservedNotZero, "a reserved flag of a component is set", component: name, byteRange: start..<(start + 1))
    }
    do {
      self.init(name: name, isRequired: flags == 1, config: try ConfigTable(parsing: &reader))
    } catch {
      throw error.located(component: name)
    }
  }
}

/// Reads the component index that tensor and blob records start with. Records are grouped by component.
private func componentName(
  _ reader: inout ByteReader, _ components: [Component], previous: inout Int
) throws(ModelFileError) -> String {
  let start = reader.filePosition
  let index = Int(try reader.integer(UInt16.self, "component index"))
  guard index < components.count else {
    throw ModelFileError(
      .malformedDirectory, "a record belongs to a component that does not exist", byteRange: start..<(start + 2),
      expected: "less than \(components.count)", found: "\(index)")
  }
  guard index >= previous else {
    throw ModelFileError(
      .unsorted, "records must be grouped by component, in the order of the components",
      byteRange: start..<(start + 2), expected: "at least \(previous)", found: "\(index)")
  }
  previous = index
  return components[index].name
}

extension TensorRecord {
  fileprivate init(
    parsing reader: inout ByteReader, components: [Component], previous: inout Int
  ) throws(ModelFileError) {
    let start = reader.filePosition
    let component = try componentName(&reader, components, previous: &previous)
    let encodingCode = try reader.integer(UInt16.self, "encoding")
    let rank = Int(try reader.byte("rank"))
    let nameLength = Int(try reader.byte("length of a tensor's name"))
    guard try reader.integer(UInt16.self, "reserved field") == 0 else {
      throw ModelFileError(
        .reservedNotZero, "a reserved field of a tensor is not zero", component: component,
        byteRange: start + 6..<(start + 8))
    }
    let offset = try reader.size("tensor offset")
    let byteCount = try reader.size("tensor length")
    guard (1...FormatLimits.rank).contains(rank) else {
      throw ModelFileError(
        .invalidShape, "a tensor must have 1 to \(FormatLimits.rank) dimensions", component: component,
        byteRange: start + 4..<(start + 5), found: "\(rank)")
    }
    var shape: [Int] = []
    for _ in 0..<rank { shape.append(Int(try reader.integer(UInt32.self, "dimension"))) }
    let digest = try reader.digest("tensor digest")
    let name = try reader.name(nameLength, "tensor name")
    let record = start..<reader.filePosition
    guard let encoding = TensorEncoding(rawValue: encodingCode) else {
      throw ModelFileError(
        .unknownEncoding, "the tensor has an encoding that this version does not know; use a newer mio-lite",
        component: component, item: name, byteRange: record, found: "\(encodingCode)")
    }
    guard let expected = encoding.byteCount(of: shape) else {
      throw ModelFileError(
        .invalidShape, "the shape does not fit the encoding \(encoding.name)", component: component, item: name,
        byteRange: record, found: "\(shape)")
    }
    guard byteCount == expected else {
      throw ModelFileError(
        .wrongByteCount, "shape and encoding \(encoding.name) give another number of bytes", component: component,
        item: name, byteRange: record, expected: "\(expected)", found: "\(byteCount)")
    }
    self.init(
      component: component, name: name, encoding: encoding, shape: shape, offset: offset, byteCount: byteCount,
      digest: digest)
  }

  fileprivate func encode(into bytes: inout [UInt8], componentIndex: Int) {
    bytes.append(littleEndian: UInt16(componentIndex))
    bytes.append(littleEndian: encoding.rawValue)
    bytes.append(UInt8(shape.count))
    bytes.append(UInt8(name.utf8.count))
    bytes.append(littleEndian: UInt16(0))
    bytes.append(littleEndian: UInt64(offset))
    bytes.append(littleEndian: UInt64(byteCount))
    for dimension in shape { bytes.append(littleEndian: UInt32(dimension)) }
    bytes += digest.bytes
    bytes += name.utf8
  }
}

extension BlobRecord {
  fileprivate init(
    parsing reader: inout ByteReader, components: [Component], previous: inout Int
  ) throws(ModelFileError) {
    let start = reader.filePosition
    let component = try componentName(&reader, components, previous: &previous)
    let compressionCode = try reader.byte("compression")
    let nameLength = Int(try reader.byte("length of a blob's name"))
    guard try reader.integer(UInt32.self, "reserved field") == 0 else {
      throw ModelFileError(
        .reservedNotZero, "a reserved field of a blob is not zero", component: component,
        byteRange: start + 4..<(start + 8))
    }
    let offset = try reader.size("blob offset")
    let byteCount = try reader.size("blob length")
    let contentByteCount = try reader.size("length of a blob's content")
    let digest = try reader.digest("blob digest")
    let name = try reader.name(nameLength, "blob name")
    let record = start..<reader.filePosition
    guard let compression = BlobCompression(rawValue: compressionCode) else {
      throw ModelFileError(
        .unknownCompression, "the blob has a compression that this version does not know; use a newer mio-lite",
        component: component, item: name, byteRange: record, found: "\(compressionCode)")
    }
    guard max(byteCount, contentByteCount) <= FormatLimits.blobByteCount else {
      throw ModelFileError(
        .limitExceeded, "the blob is too long", component: component, item: name, byteRange: record,
        expected: "at most \(FormatLimits.blobByteCount) bytes", found: "\(max(byteCount, contentByteCount))")
    }
    // No LZ4 block gives more than 255 bytes for one of its own, so a small file cannot ask for much memory.
    let fits = compression == .none ? byteCount == contentByteCount : contentByteCount <= 255 * byteCount
    guard byteCount > 0, fits else {
      throw ModelFileError(
        .wrongByteCount, "the blob's content cannot have this length", component: component, item: name,
        byteRange: record, expected: "\(byteCount) bytes in the file", found: "\(contentByteCount) of content")
    }
    self.init(
      component: component, name: name, compression: compression, offset: offset, byteCount: byteCount,
      contentByteCount: contentByteCount, digest: digest)
  }

  fileprivate func encode(into bytes: inout [UInt8], componentIndex: Int) {
    bytes.append(littleEndian: UInt16(componentIndex))
    bytes.append(compression.rawValue)
    bytes.append(UInt8(name.utf8.count))
    bytes.append(littleEndian: UInt32(0))
    bytes.append(littleEndian: UInt64(offset))
    bytes.append(littleEndian: UInt64(byteCount))
    bytes.append(littleEndian: UInt64(contentByteCount))
    bytes += digest.bytes
    bytes += name.utf8
  }
}

// MARK: - Writing

extension Directory {
  func encoded() -> [UInt8] {
    var indexes: [String: Int] = [:]
    for (index, component) in components.enumerated() { indexes[component.name] = index }
    var bytes: [UInt8] = []
    Self.appendSection(Self.componentKind, components, to: &bytes) { component, bytes in
      bytes.append(UInt8(component.name.utf8.count))
      bytes += component.name.utf8
      bytes.append(component.isRequired ? 1 : 0)
      component.config.encode(into: &bytes)
    }
    Self.appendSection(Self.tensorKind, tensors, to: &bytes) { tensor, bytes in
      tensor.encode(into: &bytes, componentIndex: indexes[tensor.component, default: 0])
    }
    Self.appendSection(Self.blobKind, blobs, to: &bytes) { blob, bytes in
      blob.encode(into: &bytes, componentIndex: indexes[blob.component, default: 0])
    }
    return bytes
  }

  private static func appendSection<Record>(
    _ kind: [UInt8], _ records: [Record], to bytes: inout [UInt8], _ encode: (Record, inout [UInt8]) -> Void
  ) {
    var body: [UInt8] = []
    for record in records { encode(record, &body) }
    bytes += kind
    bytes.append(littleEndian: UInt32(records.count))
    bytes.append(littleEndian: UInt64(body.count))
    bytes += body
  }
}
