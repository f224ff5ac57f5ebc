/// Byte-fallback BPE over the pieces of a sentencepiece model: what one segment of text becomes.
///
/// Same result as `SentencePieceProcessor.encode` of google/sentencepiece for models with an identity normaliser that
/// keeps spaces. O(n log n) in the length of the segment; sentencepiece merges without splitting into words first, so
/// must we.
struct PieceModel: Sendable {
  let strings: StringPool
  let index: PieceIndex
  let hasDummyPrefix: Bool
  private let byteIDs: [Int32]  // [256]
  /// Order in which merges into a piece happen, smaller first; `unreachable` for pieces that characters never form.
  private let ranks: [UInt32]  // [P]
  private let userDefined: PrefixMatcher
  /// Pieces that only trusted text may spell.
  private let isGuarded: [Bool]  // [P]

  private static let unreachable = UInt32.max

  init(_ tables: TokenizerTables) throws(TextError) {
    strings = tables.strings
    guard let index = PieceIndex(tables.strings, count: tables.pieceCount) else {
      throw TextError(
        .malformedTokenizer, "the tokenizer is damaged: two pieces are the same; convert the checkpoint again")
    }
    self.index = index
    hasDummyPrefix = tables.options.contains(.dummyPrefix)
    byteIDs = tables.byteIDs
    isGuarded = Self.guardedPieces(tables, index)
    ranks = (0..<tables.pieceCount).map { id in
      let isText = tables.pieceKinds[id] == .normal || tables.pieceKinds[id] == .userDefined
      return isText ? Self.rank(tables.scores[id]) : Self.unreachable
    }
    let symbols = (0..<Int32(tables.pieceCount)).filter { tables.pieceKinds[Int($0)] == .userDefined }
    userDefined = PrefixMatcher(
      tables.strings, order: symbols.sorted { tables.strings.precedes(Int($0), Int($1)) })
  }

  /// Pieces that steer the model rather than spell text. They are: every piece that is also an added token (by id or by
  /// string), and every user-defined piece of three bytes or more that is written in angle or square brackets, such as
  /// `<|im_end|>` or `[INST]`. Text that is not trusted never becomes one of them; other pieces or bytes spell it.
  private static func guardedPieces(_ tables: TokenizerTables, _ index: PieceIndex) -> [Bool] {
    var guarded = [Bool](repeating: false, count: tables.pieceCount)
    for id in 0..<tables.pieceCount where tables.pieceKinds[id] == .userDefined {
      let text = tables.strings.utf8(id)
      let ends = (text.first, text.last)
      let isBracketed =
        ends == (UInt8(ascii: "<"), UInt8(ascii: ">")) || ends == (UInt8(ascii: "["), UInt8(ascii: "]"))
      guarded[id] = isBracketed && text.count > 2
    }
    for (i, id) in tables.addedIDs.enumerated() {
      if id < tables.pieceCount { guarded[Int(id)] = true }
      let same = index.id(of: tables.strings.bytes, tables.strings.range(tables.pieceCount + i))
      if same >= 0 { guarded[Int(same)] = true }
    }
    return guarded
  }

  /// Maps scores to integers so that a higher score gives a smaller rank.
  private static func rank(_ score: Float) -> UInt32 {
    let bits = (score + 0).bitPattern  // -0 becomes 0
    return bits >> 31 == 0 ? ~(bits | 1 << 31) : bits
  }

  /// Whether the piece is a control-like one; see ``guardedPieces``.
  func isControl(_ id: Int32) -> Bool { Int(id) < isGuarded.count && isGuarded[Int(id)] }
}

extension PieceModel {
  /// A stretch of equally trusted bytes.
  struct TrustRun: Hashable, Sendable {
    var end: Int
    var isTrusted: Bool
  }

  fileprivate struct Symbol {
    var start: Int32
    var length: Int32  // 0 once it is part of its left neighbour
    var previous: Int32
    var next: Int32
    /// The piece, or -1 where it was not looked up.
    var piece: Int32
    /// A user-defined piece found in the text; it takes no part in merges.
    var isFrozen: Bool
  }

  /// Buffers of ``encode``, kept between segments.
  struct Scratch {
    fileprivate var text: [UInt8] = []  // the segment with every space as U+2581
    fileprivate var trust: [TrustRun] = []  // runs of `text`
    fileprivate var symbols: [Symbol] = []
    fileprivate var queue = MergeQueue()
  }

  static let space: [UInt8] = Array("\u{2581}".utf8)

  /// Appends the ids of `bytes[range]` to `ids`.
  ///
  /// - Parameters:
  ///   - bytes: Valid UTF-8; `range` starts and ends between characters.
  ///   - trust: Runs that cover `range`, in order; positions are those of `bytes`.
  ///   - prefix: Bytes to put in front of the segment, trusted.
  func encode(
    _ bytes: [UInt8], _ range: Range<Int>, trust: [TrustRun], prefix: [UInt8] = [], into ids: inout [Int32],
    scratch: inout Scratch
  ) {
    guard !range.isEmpty || !prefix.isEmpty else { return }
    makeSymbols(bytes, range, trust, prefix, &scratch)
    merge(&scratch)
    var i: Int32 = 0
    while i >= 0 {
      let symbol = scratch.symbols[Int(i)]
      append(symbol, scratch, to: &ids)
      i = symbol.next
    }
  }

  /// Steps 1 and 2: the prefix, spaces as U+2581, user-defined pieces, characters.
  private func makeSymbols(
    _ bytes: [UInt8], _ range: Range<Int>, _ trust: [TrustRun], _ prefix: [UInt8], _ scratch: inout Scratch
  ) {
    scratch.text.removeAll(keepingCapacity: true)
    if hasDummyPrefix { scratch.text += Self.space }
    scratch.text += prefix
    scratch.trust = [TrustRun(end: scratch.text.count, isTrusted: true)]
    var run = Self.run(containing: range.lowerBound, in: trust)
    var at = range.lowerBound
    while at < range.upperBound {
      let end = min(trust[run].end, range.upperBound)
      for byte in bytes[at..<end] {
        if byte == UInt8(ascii: " ") { scratch.text += Self.space } else { scratch.text.append(byte) }
      }
      if trust[run].isTrusted == scratch.trust[scratch.trust.count - 1].isTrusted {
        scratch.trust[scratch.trust.count - 1].end = scratch.text.count
      } else {
        scratch.trust.append(TrustRun(end: scratch.text.count, isTrusted: trust[run].isTrusted))
      }
      at = end
      run += 1
    }
    splitIntoSymbols(&scratch)
  }

  /// Index of the run that `position` lies in.
  private static func run(containing position: Int, in trust: [TrustRun]) -> Int {
    var (low, high) = (0, trust.count)
    while low < high {
      let middle = (low + high) / 2
      if trust[middle].end <= position { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// Whether characters at `range` may become `piece`: guarded pieces come from trusted text alone.
  private func allows(_ piece: Int32, _ range: Range<Int>, _ scratch: Scratch) -> Bool {
    guard isGuarded[Int(piece)] else { return true }
    let run = scratch.trust[Self.run(containing: range.lowerBound, in: scratch.trust)]
    return run.isTrusted && range.upperBound <= run.end
  }

  private func splitIntoSymbols(_ scratch: inout Scratch) {
    let count = scratch.text.count
    scratch.symbols.removeAll(keepingCapacity: true)
    scratch.symbols.reserveCapacity(count)
    var at = 0
    while at < count {
      let byte = scratch.text[at]
      var length = min(Self.characterLength(byte), count - at)
      var piece: Int32 = -1
      if userDefined.canStart(with: byte) {
        let match = userDefined.longestMatch(in: scratch.text, at: at, end: count) { id, length in
          allows(id, at..<at + length, scratch)
        }
        if let match { (piece, length) = (match.index, match.length) }
      }
      let i = Int32(scratch.symbols.count)
      scratch.symbols.append(
        Symbol(
          start: Int32(at), length: Int32(length), previous: i - 1, next: at + length < count ? i + 1 : -1,
          piece: piece, isFrozen: piece >= 0))
      at += length
    }
  }

  /// Bytes of the UTF-8 character that starts with `byte`.
  private static func characterLength(_ byte: UInt8) -> Int {
    switch byte {
    case 0..<0xC0: 1
    case 0xC0..<0xE0: 2
    case 0xE0..<0xF0: 3
    default: 4
    }
  }

  /// Step 3: merges the best pair until none is a piece.
  private func merge(_ scratch: inout Scratch) {
    scratch.queue.removeAll()
    for i in scratch.symbols.indices.dropFirst() { offer(Int32(i - 1), Int32(i), &scratch) }
    while let merge = scratch.queue.pop() {
      let left = Int(merge.left)
      let right = Int(merge.right)
      let joined = scratch.symbols[left].length + scratch.symbols[right].length
      // A pair is stale when one of its symbols was merged or has grown since.
      guard scratch.symbols[left].length > 0, scratch.symbols[right].length > 0,
        joined == Int32(strings.range(Int(merge.piece)).count)
      else { continue }
      let next = scratch.symbols[right].next
      scratch.symbols[left].length = joined
      scratch.symbols[left].piece = merge.piece
      scratch.symbols[left].next = next
      scratch.symbols[right].length = 0
      if next >= 0 { scratch.symbols[Int(next)].previous = merge.left }
      offer(scratch.symbols[left].previous, merge.left, &scratch)
      offer(merge.left, next, &scratch)
    }
  }

  private func offer(_ left: Int32, _ right: Int32, _ scratch: inout Scratch) {
    guard left >= 0, right >= 0 else { return }
    let a = scratch.symbols[Int(left)]
    let b = scratch.symbols[Int(right)]
    guard !a.isFrozen, !b.isFrozen else { return }
    let range = Int(a.start)..<Int(a.start + a.length + b.length)
    let piece = index.id(of: scratch.text, range)
    guard piece >= 0, ranks[Int(piece)] != Self.unreachable, allows(piece, range, scratch) else { return }
    scratch.queue.push(.init(rank: ranks[Int(piece)], left: left, right: right, piece: piece))
  }

  /// Step 4: the symbol's piece, or its bytes.
  private func append(_ symbol: Symbol, _ scratch: Scratch, to ids: inout [Int32]) {
    let range = Int(symbol.start)..<Int(symbol.start + symbol.length)
    let piece = symbol.piece >= 0 ? symbol.piece : index.id(of: scratch.text, range)
    if piece >= 0, ranks[Int(piece)] != Self.unreachable, allows(piece, range, scratch) {
      ids.append(piece)
    } else {
      for byte in scratch.text[range] { ids.append(byteIDs[Int(byte)]) }
    }
  }
}
