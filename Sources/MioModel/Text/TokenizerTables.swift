/// The tables of a tokenizer as the `tokenizer` blob holds them, every rule of the specification checked.
///
/// The layout is section "Tokenizer blob" of `format-spec/SPEC.md`.
struct TokenizerTables: Sendable {
  struct Options: OptionSet, Sendable {
    let rawValue: UInt32
    /// sentencepiece puts one space in front of every segment.
    static let dummyPrefix = Options(rawValue: 1)
    /// Segmentation of transformers before its pull request 24622.
    static let legacy = Options(rawValue: 2)
    static let addsBeginning = Options(rawValue: 4)
    static let addsEnd = Options(rawValue: 8)
    static let all: Options = [.dummyPrefix, .legacy, .addsBeginning, .addsEnd]
  }

  enum PieceKind: UInt8, Sendable {
    case normal = 1
    case unknown = 2
    case control = 3
    case userDefined = 4
    case byte = 6
  }

  struct AddedFlags: OptionSet, Sendable {
    let rawValue: UInt8
    static let stripsLeft = AddedFlags(rawValue: 1)
    static let stripsRight = AddedFlags(rawValue: 2)
    static let special = AddedFlags(rawValue: 4)
    static let separate = AddedFlags(rawValue: 8)
    static let all: AddedFlags = [.stripsLeft, .stripsRight, .special, .separate]
  }

  /// Ids of the tokens that the engine knows by role; nil where the checkpoint has none.
  struct NamedTokens: Sendable {
    var beginning, end, unknown, padding: Int32?
    var turnStart, turnEnd: Int32?
    var imageStart, imageEnd, speechStart, speechEnd: Int32?
  }

  static let maxCount = 1 << 20
  static let maxStringBytes = 4096
  static let maxPoolBytes = 1 << 26
  static let maxID = (1 << 24) - 1

  let options: Options
  /// P pieces, then the added tokens, then what the unknown piece decodes to.
  let strings: StringPool
  let pieceCount: Int
  let scores: [Float]  // [P]
  let pieceKinds: [PieceKind]  // [P]
  let addedIDs: [Int32]  // [A], in the order of the strings' bytes
  let addedFlags: [AddedFlags]  // [A]
  let named: NamedTokens
  let imageCodeIDs: [Int32]  // by number
  let speechCodeIDs: [Int32]  // by number
  let byteIDs: [Int32]  // [256]

  init(parsing blob: [UInt8]) throws(TextError) {
    var reader = BlobReader(blob)
    guard try reader.bytes(4).elementsEqual("MTOK".utf8) else {
      throw TextError(.malformedTokenizer, at: 0, "this is not a tokenizer blob; was the file converted by mio-lite?")
    }
    let version = try reader.u32()
    guard version == 1 else {
      throw TextError(
        .unsupportedVersion, at: 4, "the tokenizer has version \(version), this program reads 1; use a newer mio-lite")
    }
    options = Options(rawValue: try reader.u32())
    try reader.require(options.isSubset(of: .all), "unknown options")
    pieceCount = try reader.count(1...Self.maxCount, "pieces")
    let addedCount = try reader.count(0...Self.maxCount, "added tokens")
    let poolByteCount = try reader.count(0...Self.maxPoolBytes, "string bytes")
    named = NamedTokens(
      beginning: try reader.id(), end: try reader.id(), unknown: try reader.id(), padding: try reader.id(),
      turnStart: try reader.id(), turnEnd: try reader.id(), imageStart: try reader.id(), imageEnd: try reader.id(),
      speechStart: try reader.id(), speechEnd: try reader.id())
    let imageRunCount = try reader.count(0...Self.maxCount, "image runs")
    let speechRunCount = try reader.count(0...Self.maxCount, "speech runs")
    try reader.require(try reader.u32s(2) == [0, 0], "reserved fields are not 0")

    let ends = try reader.u32s(pieceCount + addedCount + 1)
    scores = try reader.u32s(pieceCount).map(Float.init(bitPattern:))
    try reader.require(scores.allSatisfy(\.isFinite), "a score is not finite")
    pieceKinds = try Self.kinds(try reader.padded(pieceCount), reader)
    let ids = try reader.u32s(addedCount)
    try reader.require(ids.allSatisfy { $0 <= Self.maxID }, "an added id is too large")
    addedIDs = ids.map { Int32(truncatingIfNeeded: $0) }
    addedFlags = try reader.padded(addedCount).map(AddedFlags.init(rawValue:))
    try reader.require(addedFlags.allSatisfy { $0.isSubset(of: .all) }, "unknown flags of an added token")
    imageCodeIDs = try reader.runs(imageRunCount)
    speechCodeIDs = try reader.runs(speechRunCount)
    strings = StringPool(bytes: Array(try reader.padded(poolByteCount)), ends: ends)
    try reader.requireEnd()

    byteIDs = try Self.byteTable(pieceKinds, strings, reader)
    try checkStrings(reader)
    try checkIDs(reader)
  }

  private static func kinds(_ raw: ArraySlice<UInt8>, _ reader: BlobReader) throws(TextError) -> [PieceKind] {
    var kinds: [PieceKind] = []
    kinds.reserveCapacity(raw.count)
    for value in raw {
      guard let kind = PieceKind(rawValue: value) else { throw reader.fault("unknown piece type \(value)") }
      kinds.append(kind)
    }
    try reader.require(kinds.count { $0 == .unknown } == 1, "there is not exactly one unknown piece")
    return kinds
  }

  private static func byteTable(
    _ kinds: [PieceKind], _ strings: StringPool, _ reader: BlobReader
  ) throws(TextError) -> [Int32] {
    // Ends are checked later; guard what is touched here.
    var table = [Int32](repeating: -1, count: 256)
    for (id, kind) in kinds.enumerated() where kind == .byte {
      let start = id == 0 ? 0 : strings.ends[id - 1]
      let end = strings.ends[id]
      guard end <= strings.bytes.count, start <= end, end - start == 6 else {
        throw reader.fault("bad byte piece \(id)")
      }
      let text = strings.utf8(id)
      let digits = text.dropFirst(3).prefix(2).map(hexValue)
      guard text.starts(with: "<0x".utf8), text.last == UInt8(ascii: ">"), let high = digits[0], let low = digits[1],
        table[high << 4 | low] < 0
      else { throw reader.fault("bad byte piece \(id)") }
      table[high << 4 | low] = Int32(id)
    }
    try reader.require(!table.contains(-1), "a byte piece is missing")
    return table
  }

  private static func hexValue(_ digit: UInt8) -> Int? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): Int(digit) - 48
    case UInt8(ascii: "A")...UInt8(ascii: "F"): Int(digit) - 55
    default: nil
    }
  }

  private func checkStrings(_ reader: BlobReader) throws(TextError) {
    try reader.require(Int(strings.ends[strings.count - 1]) == strings.bytes.count, "strings do not fill their section")
    try reader.require(String(validating: strings.bytes, as: UTF8.self) != nil, "strings are not UTF-8")
    var start: UInt32 = 0
    for (i, end) in strings.ends.enumerated() {
      let isSurface = i == strings.count - 1
      guard end >= start, end - start <= Self.maxStringBytes, end > start || isSurface, end <= strings.bytes.count
      else {
        throw reader.fault("string \(i) has a bad length")
      }
      guard end == start || strings.bytes[Int(start)] & 0xC0 != 0x80 else {
        throw reader.fault("string \(i) starts inside a character")
      }
      if i > pieceCount, !isSurface, !strings.precedes(i - 1, i) {
        throw reader.fault("added tokens are not in order")
      }
      start = end
    }
  }

  private func checkIDs(_ reader: BlobReader) throws(TextError) {
    var isToken = [Bool](repeating: false, count: max(pieceCount, Int(addedIDs.max() ?? -1) + 1))
    var isAdded = isToken
    for id in 0..<pieceCount { isToken[id] = true }
    for id in addedIDs {
      guard !isAdded[Int(id)] else { throw reader.fault("two added tokens have the id \(id)") }
      isAdded[Int(id)] = true
      isToken[Int(id)] = true
    }
    let roles = [
      named.beginning, named.end, named.unknown, named.padding, named.turnStart, named.turnEnd, named.imageStart,
      named.imageEnd, named.speechStart, named.speechEnd,
    ]
    for id in roles.compactMap({ $0 }) + imageCodeIDs + speechCodeIDs
    where !(isToken.indices.contains(Int(id)) && isToken[Int(id)]) {
      throw reader.fault("the id \(id) is named but has no token")
    }
    for (start, end, codes) in [
      (named.imageStart, named.imageEnd, imageCodeIDs), (named.speechStart, named.speechEnd, speechCodeIDs),
    ] {
      let present = [start != nil, end != nil, !codes.isEmpty]
      try reader.require(Set(present).count == 1, "media tokens are incomplete")
    }
  }
}

/// Reads little-endian fields of a tokenizer blob and never beyond it.
struct BlobReader {
  private let blob: [UInt8]
  private(set) var offset = 0

  init(_ blob: [UInt8]) { self.blob = blob }

  func fault(_ what: String) -> TextError {
    TextError(.malformedTokenizer, at: offset, "the tokenizer is damaged: \(what); convert the checkpoint again")
  }

  func require(_ condition: Bool, _ what: String) throws(TextError) {
    guard condition else { throw fault(what) }
  }

  mutating func bytes(_ count: Int) throws(TextError) -> ArraySlice<UInt8> {
    guard count <= blob.count - offset else { throw fault("it ends too early") }
    defer { offset += count }
    return blob[offset..<offset + count]
  }

  /// `count` bytes, followed by zeros up to a multiple of 4.
  mutating func padded(_ count: Int) throws(TextError) -> ArraySlice<UInt8> {
    let values = try bytes(count)
    try require(try bytes(-count & 3).allSatisfy { $0 == 0 }, "padding is not zero")
    return values
  }

  mutating func u32() throws(TextError) -> UInt32 { word(try bytes(4), 0) }

  mutating func u32s(_ count: Int) throws(TextError) -> [UInt32] {
    let raw = try bytes(4 * count)
    var values: [UInt32] = []
    values.reserveCapacity(count)
    for i in 0..<count { values.append(word(raw, 4 * i)) }
    return values
  }

  private func word(_ raw: ArraySlice<UInt8>, _ i: Int) -> UInt32 {
    let s = raw.startIndex + i
    return UInt32(raw[s]) | UInt32(raw[s + 1]) << 8 | UInt32(raw[s + 2]) << 16 | UInt32(raw[s + 3]) << 24
  }

  mutating func count(_ range: ClosedRange<Int>, _ what: String) throws(TextError) -> Int {
    let value = Int(try u32())
    try require(range.contains(value), "\(value) \(what)")
    return value
  }

  mutating func id() throws(TextError) -> Int32? {
    let value = Int32(bitPattern: try u32())
    try require((-1...Int32(TokenizerTables.maxID)).contains(value), "the id \(value) is out of range")
    return value < 0 ? nil : value
  }

  /// Runs of ascending ids, written out.
  mutating func runs(_ count: Int) throws(TextError) -> [Int32] {
    var ids: [Int32] = []
    for _ in 0..<count {
      let first = Int(try u32())
      let length = Int(try u32())
      try require((1...TokenizerTables.maxCount - ids.count).contains(length), "a run of \(length) ids")
      try require(first + length - 1 <= TokenizerTables.maxID, "a run up to id \(first + length - 1)")
      for id in first..<first + length { ids.append(Int32(id)) }
    }
    return ids
  }

  func requireEnd() throws(TextError) { try require(offset == blob.count, "it goes on after its last section") }
}
