import MioFormat

/// The invalid files of `format-spec/vectors`: each has one fault, and the name of the error that it must give.
struct InvalidVector {
  enum Stage: String { case open, verify }

  let name: String
  let error: ModelFileError.Code
  /// Whether opening the file shows the fault, or only a check of every byte.
  let stage: Stage
  let bytes: [UInt8]

  private init(
    _ name: String, _ error: ModelFileError.Code, _ stage: Stage = .open, _ edit: (inout RawFile) -> Void
  ) {
    var file = ValidVector.tiny
    edit(&file)
    (self.name, self.error, self.stage, bytes) = (name, error, stage, file.encoded())
  }

  private init(bytes name: String, _ error: ModelFileError.Code, _ edit: (inout [UInt8]) -> Void) {
    var bytes = ValidVector.tiny.encoded()
    edit(&bytes)
    (self.name, self.error, stage, self.bytes) = (name, error, .open, bytes)
  }

  static let all = length + header + directory + config + tensors + blobs + regions

  private static let length = [
    InvalidVector(bytes: "length-zero", .truncated) { $0 = [] },
    InvalidVector(bytes: "length-in-magic", .truncated) { $0 = Array($0.prefix(5)) },
    InvalidVector(bytes: "length-in-header", .truncated) { $0 = Array($0.prefix(127)) },
    InvalidVector(bytes: "length-header-only", .truncated) { $0 = Array($0.prefix(128)) },
    InvalidVector(bytes: "length-last-byte-missing", .truncated) { $0.removeLast() },
    InvalidVector(bytes: "length-one-byte-more", .trailingBytes) { $0.append(0) },
  ]

  private static let header = [
    InvalidVector(bytes: "magic-of-another-format", .badMagic) { $0.replaceSubrange(0..<4, with: "GGUF".utf8) },
    InvalidVector(bytes: "magic-last-byte", .badMagic) { $0[7] = 0 },
    InvalidVector(bytes: "text-mode-line-feeds", .textModeDamage) { bytes in
      bytes = zip(bytes, bytes.dropFirst() + [0]).filter { !($0 == 13 && $1 == 10) }.map(\.0)
    },
    InvalidVector(bytes: "text-mode-carriage-returns", .textModeDamage) {
      $0 = $0.flatMap { $0 == 10 ? [13, 10] : [$0] }
    },
    InvalidVector(bytes: "text-mode-seven-bits", .textModeDamage) { $0 = $0.map { $0 & 0x7F } },
    InvalidVector(bytes: "text-mode-latin-1-to-utf-8", .textModeDamage) {
      $0.replaceSubrange(0..<1, with: [0xC2, 0x89])
    },
    InvalidVector(bytes: "text-mode-replacement-character", .textModeDamage) {
      $0.replaceSubrange(0..<1, with: [0xEF, 0xBF, 0xBD])
    },
    InvalidVector("byte-order-big-endian", .badByteOrder) { $0.byteOrder = 0x0403_0201 },
    InvalidVector("byte-order-zero", .badByteOrder) { $0.byteOrder = 0 },
    InvalidVector("version-0", .unsupportedVersion) { $0.version = 0 },
    InvalidVector("version-2", .unsupportedVersion) { $0.version = 2 },
    InvalidVector("version-largest", .unsupportedVersion) { $0.version = .max },
    InvalidVector("header-digest", .headerHashMismatch) { $0.headerDigest = [UInt8](repeating: 0, count: 32) },
    InvalidVector("header-flipped-bit", .headerHashMismatch) { $0.editBytes = { $0[32] ^= 1 } },
    InvalidVector("file-length-beyond-limit", .limitExceeded) { $0.fileByteCount = 1 << 44 + 1 },
    InvalidVector("file-length-largest", .limitExceeded) { $0.fileByteCount = .max },
    InvalidVector("file-length-too-small", .trailingBytes) { $0.fileByteCount = 512 },
    InvalidVector("file-length-too-large", .truncated) { $0.fileByteCount = 1 << 44 },
    InvalidVector("required-feature-lowest", .unknownRequiredFeature) { $0.requiredFeatures = 1 },
    InvalidVector("required-feature-highest", .unknownRequiredFeature) { $0.requiredFeatures = 1 << 63 },
    InvalidVector("header-reserved", .reservedNotZero) { $0.reserved = 1 },
    InvalidVector("directory-offset-largest", .limitExceeded) { $0.directoryOffset = .max },
    InvalidVector("directory-offset-too-large", .malformedDirectory) { $0.directoryOffset = 1 << 44 },
    InvalidVector("directory-offset-zero", .malformedDirectory) { file in
      file.directoryOffset = 0
      file.directoryByteCount = UInt64(file.encoded().count)
    },
    InvalidVector("directory-length-beyond-limit", .limitExceeded) { $0.directoryByteCount = 1 << 24 + 1 },
    InvalidVector("directory-length-zero", .malformedDirectory) { $0.directoryByteCount = 0 },
  ]

  private static let directory = [
    InvalidVector("directory-digest", .directoryHashMismatch) { $0.directoryDigest = [UInt8](repeating: 0, count: 32) },
    InvalidVector("directory-flipped-bit", .directoryHashMismatch) { $0.editBytes = { $0[$0.count - 1] ^= 0x10 } },
    InvalidVector("sections-none", .malformedDirectory) { $0.editSections = { $0 = [] } },
    InvalidVector("sections-out-of-order", .malformedDirectory) { $0.editSections = { $0.swapAt(0, 1) } },
    InvalidVector("sections-without-blobs", .malformedDirectory) { $0.editSections = { $0.removeLast() } },
    InvalidVector("section-repeated", .malformedDirectory) { $0.editSections = { $0.append($0[2]) } },
    InvalidVector("section-kind-not-letters", .malformedDirectory) {
      $0.editSections = { $0.append(.init("se3k", 0, [])) }
    },
    InvalidVector("section-unknown-required", .unknownRequiredFeature) {
      $0.editSections = { $0.append(.init("Seek", 0, [])) }
    },
    InvalidVector("section-too-long", .malformedDirectory) { $0.editSections = { $0[1].byteCount = 1 << 30 } },
    InvalidVector("section-length-largest", .limitExceeded) { $0.editSections = { $0[1].byteCount = .max } },
    InvalidVector("section-bytes-left-over", .malformedDirectory) { $0.editSections = { $0[1].body.append(0) } },
    InvalidVector("section-record-missing", .malformedDirectory) { $0.editSections = { $0[1].count += 1 } },
    InvalidVector("section-header-cut", .malformedDirectory) { $0.editSections = { $0[2].byteCount = 1000 } },
    InvalidVector("sections-too-many", .limitExceeded) {
      $0.editSections = { for _ in 3..<17 { $0.append(.init("seek", 0, [])) } }
    },
    InvalidVector("components-too-many", .limitExceeded) { $0.editSections = { $0[0].count = 65 } },
    InvalidVector("tensors-too-many", .limitExceeded) { $0.editSections = { $0[1].count = 32_769 } },
    InvalidVector("tensors-largest-count", .limitExceeded) { $0.editSections = { $0[1].count = .max } },
    InvalidVector("blobs-too-many", .limitExceeded) { $0.editSections = { $0[2].count = 1_025 } },
    InvalidVector("component-flag", .reservedNotZero) { $0.components[0].flags = 2 },
    InvalidVector("component-name-empty", .invalidName) { $0.components[0].name = [] },
    InvalidVector("component-name-with-space", .invalidName) { $0.components[0].name = Array("a b".utf8) },
    InvalidVector("component-name-not-ascii", .invalidName) { $0.components[0].name = Array("ü".utf8) },
    InvalidVector("component-name-not-utf-8", .invalidName) { $0.components[0].name = [0x61, 0xFF] },
    InvalidVector("component-name-zero-byte", .invalidName) { $0.components[0].name = [0x61, 0] },
    InvalidVector("component-name-twice", .duplicateName) { $0.components[1].name = $0.components[0].name },
  ]

  private static let config = [
    InvalidVector("config-too-many-entries", .limitExceeded) { $0.components[0].entryCount = 257 },
    InvalidVector("config-entry-missing", .malformedDirectory) { file in
      file.components[1].entryCount = 2
    },
    InvalidVector("config-keys-unsorted", .unsorted) { $0.components[0].entries.swapAt(0, 1) },
    InvalidVector("config-key-twice", .duplicateName) {
      $0.components[0].entries[0].key = $0.components[0].entries[1].key
    },
    InvalidVector("config-key-empty", .invalidName) { $0.components[0].entries[0].key = [] },
    InvalidVector("config-key-not-utf-8", .invalidName) { $0.components[0].entries[0].key = [0x80] },
    InvalidVector("config-type-0", .invalidConfig) { $0.components[0].entries[0].type = 0 },
    InvalidVector("config-type-8", .invalidConfig) { $0.components[0].entries[0].type = 8 },
    InvalidVector("config-truth-of-2", .invalidConfig) { $0.components[0].entries = [.bool("x", 2)] },
    InvalidVector("config-number-infinite", .invalidConfig) { $0.components[0].entries = [.float("x", .infinity)] },
    InvalidVector("config-number-nan", .invalidConfig) { $0.components[0].entries = [.floats("x", [1, .nan])] },
    InvalidVector("config-text-not-utf-8", .invalidText) {
      $0.components[0].entries = [.init("x", 4, le(UInt32(1)) + [0xC0])]
    },
    InvalidVector("config-text-surrogate", .invalidText) {
      $0.components[0].entries = [.init("x", 7, le(UInt32(1)) + le(UInt32(3)) + [0xED, 0xA0, 0x80])]
    },
    InvalidVector("config-text-too-long", .limitExceeded) {
      $0.components[0].entries = [.init("x", 4, le(UInt32(65_537)))]
    },
    InvalidVector("config-text-cut", .malformedDirectory) {
      $0.components[1].entries = [.init("x", 4, le(UInt32(9)) + [65])]
    },
    InvalidVector("config-list-too-long", .limitExceeded) {
      $0.components[0].entries = [.init("x", 5, le(UInt32(65_537)))]
    },
    InvalidVector("config-list-cut", .malformedDirectory) {
      $0.components[0].entries = [.init("x", 5, le(UInt32(65_536)))]
    },
  ]

  private static let tensors = [
    InvalidVector("tensor-without-component", .malformedDirectory) { $0.tensors[1].component = 2 },
    InvalidVector("tensors-not-grouped", .unsorted) { $0.tensors[0].component = 1 },
    InvalidVector("tensor-encoding-0", .unknownEncoding) { $0.tensors[0].encoding = 0 },
    InvalidVector("tensor-encoding-unknown", .unknownEncoding) { $0.tensors[0].encoding = 20 },
    InvalidVector("tensor-reserved", .reservedNotZero) { $0.tensors[0].reserved = 0x8000 },
    InvalidVector("tensor-rank-0", .invalidShape) { $0.tensors[0].shape = [] },
    InvalidVector("tensor-rank-5", .invalidShape) { $0.tensors[0].shape = [3, 1, 1, 1, 1] },
    InvalidVector("tensor-dimension-0", .invalidShape) { $0.tensors[0].shape = [3, 0] },
    InvalidVector("tensor-dimension-beyond-limit", .invalidShape) { $0.tensors[0].shape = [1 << 31] },
    InvalidVector("tensor-shape-overflows", .invalidShape) {
      $0.tensors[0].shape = [1 << 30, 1 << 30, 1 << 30, 1 << 30]
    },
    InvalidVector("tensor-shape-wraps-to-12-bytes", .invalidShape) {
      // 4 · 2^31 · 2^31 wraps to 0 in 64 bits; with the factor below the product wraps to a small number.
      $0.tensors[0].shape = [0x7FFF_FFFF, 0x7FFF_FFFF, 0x7FFF_FFFF, 3]
    },
    InvalidVector("tensor-panels-of-a-vector", .invalidShape) { $0.tensors[1].shape = [10] },
    InvalidVector("tensor-panels-of-three-dimensions", .invalidShape) { $0.tensors[1].shape = [1, 2, 5] },
    InvalidVector("tensor-panels-overflow", .invalidShape) { $0.tensors[1].shape = [0x7FFF_FFFF, 0x7FFF_FFFF] },
    InvalidVector("tensor-byte-count-too-small", .wrongByteCount) { $0.tensors[0].shape = [2] },
    InvalidVector("tensor-byte-count-too-large", .wrongByteCount) { $0.tensors[0].shape = [4] },
    InvalidVector("tensor-byte-count-of-panels", .wrongByteCount) { $0.tensors[1].shape = [17, 5] },
    InvalidVector("tensor-byte-count-largest", .limitExceeded) { $0.tensors[0].byteCount = .max },
    InvalidVector("tensor-offset-largest", .limitExceeded) { $0.tensors[0].offset = .max },
    InvalidVector("tensor-name-empty", .invalidName) { $0.tensors[0].name = [] },
    InvalidVector("tensor-name-not-utf-8", .invalidName) { $0.tensors[0].name[2] = 0xC3 },
    InvalidVector("tensor-name-twice", .duplicateName) { $0.tensors[1].name = $0.tensors[0].name },
    InvalidVector("tensor-misaligned", .misaligned) { $0.tensors[1].offset = 224 },
    InvalidVector("tensor-in-header", .overlap) { $0.tensors[0].offset = 64 },
    InvalidVector("tensors-overlap", .overlap) { $0.tensors[1].offset = 128 },
    InvalidVector("tensor-after-hole", .hole) { $0.tensors[1].offset = 256 },
    InvalidVector("tensor-beyond-the-end", .hole) { $0.tensors[1].offset = 1 << 40 },
    InvalidVector("directory-after-hole", .hole) { $0.gap = [UInt8](repeating: 0, count: 64) },
    InvalidVector("directory-misaligned", .misaligned) { $0.gap = [0] },
    InvalidVector("directory-overlaps", .overlap) { file in
      // The last region claims 64 bytes more than it has.
      file.blobs[0].bytes += [UInt8](repeating: 0, count: 64)
      file.blobs[0].byteCount = UInt64(file.blobs[0].bytes.count + 64)
    },
  ]

  private static let blobs = [
    InvalidVector("blob-without-component", .malformedDirectory) { $0.blobs[0].component = .max },
    InvalidVector("blobs-not-grouped", .unsorted) { $0.blobs.append(.init("x", stored: [1])) },
    InvalidVector("blob-compression-unknown", .unknownCompression) { $0.blobs[0].compression = 2 },
    InvalidVector("blob-reserved", .reservedNotZero) { $0.blobs[0].reserved = 1 },
    InvalidVector("blob-content-beyond-limit", .limitExceeded) { $0.blobs[0].contentByteCount = 1 << 26 + 1 },
    InvalidVector("blob-length-beyond-limit", .limitExceeded) { $0.blobs[0].byteCount = 1 << 26 + 1 },
    InvalidVector("blob-content-largest", .limitExceeded) { $0.blobs[0].contentByteCount = .max },
    InvalidVector("blob-content-impossible", .wrongByteCount) { $0.blobs[0].contentByteCount = 13 * 255 + 1 },
    InvalidVector("blob-stored-of-another-length", .wrongByteCount) {
      $0.blobs[0] = .init("x", stored: [1, 2], component: 1)
      $0.blobs[0].contentByteCount = 3
    },
    InvalidVector("blob-of-no-bytes", .wrongByteCount) { $0.blobs[0] = .init("x", stored: [], component: 1) },
    InvalidVector("blob-name-twice", .duplicateName) { $0.blobs.append($0.blobs[0]) },
    InvalidVector("blob-name-too-odd", .invalidName) { $0.blobs[0].name = [0x7F] },
  ]

  private static let regions = [
    InvalidVector("region-tensor-flipped-bit", .hashMismatch, .verify) { $0.editBytes = { $0[130] ^= 0x40 } },
    InvalidVector("region-panel-flipped-bit", .hashMismatch, .verify) { $0.editBytes = { $0[479] ^= 1 } },
    InvalidVector("region-blob-flipped-bit", .hashMismatch, .verify) { $0.editBytes = { $0[513] ^= 1 } },
    InvalidVector("padding-flipped-bit", .nonZeroPadding, .verify) { $0.editBytes = { $0[140] ^= 1 } },
    InvalidVector("padding-before-directory", .nonZeroPadding, .verify) { $0.editBytes = { $0[575] ^= 0x80 } },
    blob("blob-offset-zero", [0x13, 0x61, 0, 0, 0x50] + "bcdef".utf8, content: 13),
    blob("blob-match-before-start", [0x13, 0x61, 2, 0, 0x50] + "bcdef".utf8, content: 13),
    blob("blob-match-too-near-the-end", [0x12, 0x61, 1, 0, 0x50] + "bcdef".utf8, content: 12),
    blob("blob-last-literals-too-few", [0x14, 0x61, 1, 0, 0x40] + "bcde".utf8, content: 13),
    blob("blob-ends-with-a-match", [0x1F, 0x61, 1, 0, 4], content: 24),
    blob("blob-content-too-short", [0x50] + "bcdef".utf8, content: 6),
    blob("blob-content-too-long", [0x50] + "bcdef".utf8, content: 4),
    blob("blob-literals-cut", [0x60] + "bcdef".utf8, content: 6),
    blob("blob-length-cut", [0xF0, 255], content: 20),
    blob("blob-offset-cut", [0x13, 0x61, 1], content: 13),
    blob("blob-bytes-left-over", [0x50] + "bcdef".utf8 + [0x50] + "bcdef".utf8, content: 5),
  ]

  private static func blob(_ name: String, _ bytes: [UInt8], content: Int) -> InvalidVector {
    InvalidVector(name, .corruptBlob, .verify) { $0.blobs[0] = .init("x", lz4: bytes, content: content, component: 1) }
  }
}
