import MioFormat

/// A file described field by field, so that tests can write any file, right or wrong.
///
/// It shares no code with the writer; what is left nil is laid out as the specification says.
struct RawFile: Sendable {
  struct Entry: Sendable {
    var key: [UInt8]
    var type: UInt8
    var value: [UInt8]

    init(_ key: String, _ type: UInt8, _ value: [UInt8]) {
      (self.key, self.type, self.value) = (Array(key.utf8), type, value)
    }

    static func int(_ key: String, _ value: Int64) -> Entry { Entry(key, 1, le(UInt64(bitPattern: value))) }
    static func float(_ key: String, _ value: Double) -> Entry { Entry(key, 2, le(value.bitPattern)) }
    static func bool(_ key: String, _ value: UInt8) -> Entry { Entry(key, 3, [value]) }
    static func string(_ key: String, _ value: String) -> Entry { Entry(key, 4, text(value)) }
    static func ints(_ key: String, _ values: [Int64]) -> Entry {
      Entry(key, 5, le(UInt32(values.count)) + values.flatMap { le(UInt64(bitPattern: $0)) })
    }
    static func floats(_ key: String, _ values: [Double]) -> Entry {
      Entry(key, 6, le(UInt32(values.count)) + values.flatMap { le($0.bitPattern) })
    }
    static func strings(_ key: String, _ values: [String]) -> Entry {
      Entry(key, 7, le(UInt32(values.count)) + values.flatMap { text($0) })
    }
    private static func text(_ value: String) -> [UInt8] { le(UInt32(value.utf8.count)) + Array(value.utf8) }
  }

  struct Part: Sendable {
    var name: [UInt8]
    var flags: UInt8 = 1
    var entries: [Entry] = []
    var entryCount: UInt16?

    init(_ name: String, flags: UInt8 = 1, _ entries: [Entry] = []) {
      (self.name, self.flags, self.entries) = (Array(name.utf8), flags, entries)
    }
  }

  struct Tensor: Sendable {
    var component: UInt16 = 0
    var name: [UInt8]
    var encoding: UInt16
    var rank: UInt8?
    var reserved: UInt16 = 0
    var shape: [UInt32]
    var bytes: [UInt8]
    var offset: UInt64?
    var byteCount: UInt64?
    var digest: [UInt8]?

    init(_ name: String, _ encoding: TensorEncoding, _ shape: [UInt32], _ bytes: [UInt8], component: UInt16 = 0) {
      (self.name, self.encoding, self.shape, self.bytes) = (Array(name.utf8), encoding.rawValue, shape, bytes)
      self.component = component
    }
  }

  struct Blob: Sendable {
    var component: UInt16 = 0
    var name: [UInt8]
    var compression: UInt8
    var reserved: UInt32 = 0
    var bytes: [UInt8]
    var contentByteCount: UInt64
    var offset: UInt64?
    var byteCount: UInt64?
    var digest: [UInt8]?

    init(_ name: String, lz4 bytes: [UInt8], content: Int, component: UInt16 = 0) {
      (self.name, compression, self.bytes, contentByteCount) = (Array(name.utf8), 1, bytes, UInt64(content))
      self.component = component
    }

    init(_ name: String, stored bytes: [UInt8], component: UInt16 = 0) {
      (self.name, compression, self.bytes, contentByteCount) = (Array(name.utf8), 0, bytes, UInt64(bytes.count))
      self.component = component
    }
  }

  struct Section: Sendable {
    var kind: [UInt8]
    var count: UInt32
    var body: [UInt8]
    var byteCount: UInt64?

    init(_ kind: String, _ count: Int, _ body: [UInt8]) {
      (self.kind, self.count, self.body) = (Array(kind.utf8), UInt32(count), body)
    }
  }

  // Header.
  var magic: [UInt8] = [0x89, 0x4D, 0x49, 0x4F, 0x0D, 0x0A, 0x1A, 0x0A]
  var byteOrder: UInt32 = 0x0102_0304
  var version: UInt32 = 1
  var fileByteCount: UInt64?
  var requiredFeatures: UInt64 = 0
  var optionalFeatures: UInt64 = 0
  var directoryOffset: UInt64?
  var directoryByteCount: UInt64?
  var reserved: UInt64 = 0
  var directoryDigest: [UInt8]?
  var headerDigest: [UInt8]?
  // Records.
  var components: [Part] = []
  var tensors: [Tensor] = []
  var blobs: [Blob] = []
  /// Extra bytes between the last region and the directory.
  var gap: [UInt8] = []
  /// Edits of the three sections and whatever else the directory holds.
  var editSections: @Sendable (inout [Section]) -> Void = { _ in }
  /// The last step, after every digest has been computed.
  var editBytes: @Sendable (inout [UInt8]) -> Void = { _ in }

  func encoded() -> [UInt8] {
    var body: [UInt8] = []  // everything after the header
    func place(_ bytes: [UInt8]) -> UInt64 {
      body += [UInt8](repeating: 0, count: -body.count & 63)
      defer { body += bytes }
      return UInt64(128 + body.count)
    }
    let tensorBody = tensors.flatMap { record($0, at: place($0.bytes)) }
    let blobBody = blobs.flatMap { record($0, at: place($0.bytes)) }
    _ = place([])
    body += gap
    var sections = [
      Section("COMP", components.count, components.flatMap(record)), Section("TENS", tensors.count, tensorBody),
      Section("BLOB", blobs.count, blobBody),
    ]
    editSections(&sections)
    var directory: [UInt8] = []
    for section in sections {
      directory += section.kind + le(section.count)
      directory += le(section.byteCount ?? UInt64(section.body.count)) + section.body
    }
    let offset = UInt64(128 + body.count)
    body += directory

    var header = magic + le(byteOrder) + le(version) + le(fileByteCount ?? UInt64(128 + body.count))
    header += le(requiredFeatures) + le(optionalFeatures)
    header += le(directoryOffset ?? offset)
    header += le(directoryByteCount ?? UInt64(directory.count)) + le(reserved)
    header += directoryDigest ?? Digest(of: directory).bytes
    header += headerDigest ?? Digest(of: header).bytes
    var bytes = header + body
    editBytes(&bytes)
    return bytes
  }

  private func record(_ part: Part) -> [UInt8] {
    var bytes = [UInt8(truncatingIfNeeded: part.name.count)] + part.name + [part.flags]
    bytes += le(part.entryCount ?? UInt16(part.entries.count))
    for entry in part.entries {
      bytes += [UInt8(truncatingIfNeeded: entry.key.count)] + entry.key + [entry.type] + entry.value
    }
    return bytes
  }

  private func record(_ tensor: Tensor, at offset: UInt64) -> [UInt8] {
    var bytes = le(tensor.component) + le(tensor.encoding)
    bytes += [tensor.rank ?? UInt8(tensor.shape.count), UInt8(truncatingIfNeeded: tensor.name.count)]
    bytes += le(tensor.reserved) + le(tensor.offset ?? offset)
    bytes += le(tensor.byteCount ?? UInt64(tensor.bytes.count))
    for dimension in tensor.shape { bytes += le(dimension) }
    return bytes + (tensor.digest ?? Digest(of: tensor.bytes).bytes) + tensor.name
  }

  private func record(_ blob: Blob, at offset: UInt64) -> [UInt8] {
    var bytes = le(blob.component) + [blob.compression, UInt8(truncatingIfNeeded: blob.name.count)]
    bytes += le(blob.reserved) + le(blob.offset ?? offset)
    bytes += le(blob.byteCount ?? UInt64(blob.bytes.count)) + le(blob.contentByteCount)
    return bytes + (blob.digest ?? Digest(of: blob.bytes).bytes) + blob.name
  }
}

/// The bytes of an integer, least significant first.
func le<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
  (0..<MemoryLayout<Value>.size).map { UInt8(truncatingIfNeeded: value >> Value(8 * $0)) }
}
