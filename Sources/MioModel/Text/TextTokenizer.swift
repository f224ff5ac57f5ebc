/// Turns text into token ids and back, exactly as `LlamaTokenizer` of transformers 4.34 does with the checkpoint's
/// files.
///
/// - SeeAlso: `tokenization_utils.py`, `tokenization_llama.py` of huggingface/transformers 4.34.0;
///   google/sentencepiece. Checked by `TextTokenizerTests` on seven tokenizer directories.
package final class TextTokenizer: Sendable {
  let tables: TokenizerTables
  let pieces: PieceModel
  /// Added tokens; indices are those of the string pool.
  private let addedTokens: PrefixMatcher
  /// Index among the added tokens by id, -1 where the id is not an added token.
  private let addedIndex: [Int32]
  /// How many pieces sentencepiece makes of the unknown token's string; matters without legacy segmentation only.
  private let unknownPieceCount: Int

  package let media: MediaTokens

  /// Bytes of text that one call accepts.
  package static let maxTextBytes = 1 << 28

  /// Reads the `tokenizer` blob of a model file.
  ///
  /// - Throws: ``TextError`` with code `.malformedTokenizer` or `.unsupportedVersion`.
  /// - Complexity: O(bytes of the blob).
  package init(parsing blob: [UInt8]) throws(TextError) {
    let tables = try TokenizerTables(parsing: blob)
    let pieces = try PieceModel(tables)
    let addedRange = Int32(tables.pieceCount)..<Int32(tables.pieceCount + tables.addedIDs.count)
    var addedIndex = [Int32](repeating: -1, count: max(tables.pieceCount, Int(tables.addedIDs.max() ?? -1) + 1))
    for (i, id) in tables.addedIDs.enumerated() { addedIndex[Int(id)] = Int32(i) }
    self.tables = tables
    self.pieces = pieces
    self.addedIndex = addedIndex
    addedTokens = PrefixMatcher(tables.strings, order: Array(addedRange))
    media = MediaTokens(tables)
    var count = 0
    if let id = tables.named.unknown, !tables.options.contains(.legacy) {
      let text = Array(tables.strings.utf8(Self.poolIndex(id, addedIndex, tables.pieceCount)))
      var ids: [Int32] = []
      var scratch = PieceModel.Scratch()
      let trust = [PieceModel.TrustRun(end: text.count, isTrusted: true)]
      pieces.encode(text, text.indices, trust: trust, into: &ids, scratch: &scratch)
      count = ids.count
    }
    unknownPieceCount = count
  }

  /// One more than the highest id that has a token.
  package var idCount: Int { addedIndex.count }
  /// Ids that have a token; rows of an embedding may be more, padded to a round number, or have gaps.
  package var idsWithTokens: [Range<Int>] { .covering((0..<Int32(idCount)).filter { poolIndex($0) != nil }) }
  /// Number of sentencepiece pieces.
  package var pieceCount: Int { tables.pieceCount }

  package var beginningID: Int32? { tables.named.beginning }
  package var endID: Int32? { tables.named.end }
  package var unknownID: Int32? { tables.named.unknown }
  package var paddingID: Int32? { tables.named.padding }
  /// `<|im_start|>`.
  package var turnStartID: Int32? { tables.named.turnStart }
  /// `<|im_end|>`.
  package var turnEndID: Int32? { tables.named.turnEnd }

  /// The string of a token, `▁` for spaces, or nil where the id has none.
  package func piece(_ id: Int32) -> String? { poolIndex(id).map(tables.strings.string) }

  /// The id of the token with exactly this string.
  package func id(of piece: String) -> Int32? {
    let text = Array(piece.utf8)
    if let match = addedTokens.longestMatch(in: text, at: 0, end: text.count, accepts: { $1 == text.count }) {
      return tables.addedIDs[Int(match.index) - pieceCount]
    }
    let id = pieces.index.id(of: text, text.indices)
    return id < 0 ? nil : id
  }

  /// Whether the token belongs to the special ones: bos, eos, unk, pad, and the added tokens marked so.
  package func isSpecial(_ id: Int32) -> Bool { addedFlags(id)?.contains(.special) ?? false }

  /// Whether the token steers the model instead of spelling text: every added token, every control piece, the unknown
  /// piece, and user-defined pieces in brackets. Untrusted text never becomes one of these.
  package func isControl(_ id: Int32) -> Bool {
    guard addedFlags(id) == nil, Int(id) < pieceCount, id >= 0 else { return true }
    switch tables.pieceKinds[Int(id)] {
    case .control, .unknown: return true
    case .normal, .userDefined: return pieces.isControl(id)
    case .byte: return false
    }
  }

  func addedFlags(_ id: Int32) -> TokenizerTables.AddedFlags? {
    guard addedIndex.indices.contains(Int(id)), addedIndex[Int(id)] >= 0 else { return nil }
    return tables.addedFlags[Int(addedIndex[Int(id)])]
  }

  /// Where the token's string lies in the pool.
  func poolIndex(_ id: Int32) -> Int? {
    guard addedIndex.indices.contains(Int(id)), addedIndex[Int(id)] >= 0 || id < pieceCount else { return nil }
    return Self.poolIndex(id, addedIndex, pieceCount)
  }

  private static func poolIndex(_ id: Int32, _ addedIndex: [Int32], _ pieceCount: Int) -> Int {
    addedIndex[Int(id)] >= 0 ? pieceCount + Int(addedIndex[Int(id)]) : Int(id)
  }
}

// MARK: - Encoding

extension TextTokenizer {
  /// The ids of a text.
  ///
  /// - Parameters:
  ///   - trusted: Whether token strings in the text, such as `<|im_end|>` or `<spch12>`, become tokens. Pass false for
  ///     what users type: then every character stands for itself.
  ///   - addsEnds: Whether to put bos in front and eos behind where the checkpoint's files ask for it.
  /// - Throws: ``TextError`` with code `.textTooLong`.
  /// - Complexity: O(n log n).
  package func encode(_ text: String, trusted: Bool, addsEnds: Bool = true) throws(TextError) -> [Int32] {
    try encode(trusted ? .trusted(text) : .untrusted(text), addsEnds: addsEnds)
  }

  /// The ids of a prompt: the same as those of its segments joined to one string, except that untrusted text is never
  /// taken for a token.
  package func encode(_ prompt: Prompt, addsEnds: Bool = true) throws(TextError) -> [Int32] {
    var ids: [Int32] = []
    if addsEnds, tables.options.contains(.addsBeginning), let id = beginningID { ids.append(id) }
    try appendSegments(of: prompt, to: &ids)
    if addsEnds, tables.options.contains(.addsEnd), let id = endID { ids.append(id) }
    return ids
  }

  /// A token cut out of the text.
  private struct Cut {
    var range: Range<Int>
    var id: Int32
  }

  private func appendSegments(of prompt: Prompt, to ids: inout [Int32]) throws(TextError) {
    let joined = try join(prompt)
    let cuts = cutAddedTokens(joined)
    var scratch = PieceModel.Scratch()
    let first = ids.count
    var start = 0
    var left: TokenizerTables.AddedFlags = []
    for cut in cuts {
      let flags = addedFlags(cut.id) ?? []
      appendSegment(joined, start..<cut.range.lowerBound, left, flags, &ids, &scratch)
      ids.append(cut.id)
      left = flags
      start = cut.range.upperBound
    }
    appendSegment(joined, start..<joined.bytes.count, left, [], &ids, &scratch)
    // Without legacy segmentation the text got a space in front, which is dropped again before a special token.
    if !tables.options.contains(.legacy), ids.count > first + 1, isSpecial(ids[first + 1]),
      tables.strings.utf8(poolIndex(ids[first]) ?? 0).elementsEqual(PieceModel.space)
    {
      ids.remove(at: first)
    }
  }

  /// Encodes the text between two tokens; `left` and `right` are the flags of those tokens.
  private func appendSegment(
    _ joined: JoinedText, _ range: Range<Int>, _ left: TokenizerTables.AddedFlags, _ right: TokenizerTables.AddedFlags,
    _ ids: inout [Int32], _ scratch: inout PieceModel.Scratch
  ) {
    let text = PythonWhitespace.trim(
      joined.bytes[range], left: left.contains(.stripsRight), right: right.contains(.stripsLeft))
    guard let first = text.first else { return }
    let isSpaced = first == UInt8(ascii: " ") || text.starts(with: PieceModel.space)
    guard isSpaced, unknownPieceCount > 0, let unknown = unknownID.flatMap(poolIndex) else {
      pieces.encode(joined.bytes, text.indices, trust: joined.trust, into: &ids, scratch: &scratch)
      return
    }
    // Without legacy segmentation, `LlamaTokenizer._tokenize` encodes "<unk> text" and cuts the pieces of "<unk>" off.
    var own: [Int32] = []
    pieces.encode(
      joined.bytes, text.indices, trust: joined.trust, prefix: Array(tables.strings.utf8(unknown)), into: &own,
      scratch: &scratch)
    ids += own.dropFirst(own.count >= unknownPieceCount ? unknownPieceCount : 0)
  }

  /// The text of a prompt as one buffer, with the right to spell tokens and the tokens given by id.
  private struct JoinedText {
    var bytes: [UInt8] = []
    var trust: [PieceModel.TrustRun] = []
    var tokens: [Cut] = []

    mutating func append(_ text: some Sequence<UInt8>, trusted: Bool) {
      let before = bytes.count
      bytes += text
      guard bytes.count > before else { return }
      if let last = trust.last, last.isTrusted == trusted {
        trust[trust.count - 1].end = bytes.count
      } else {
        trust.append(.init(end: bytes.count, isTrusted: trusted))
      }
    }
  }

  private func join(_ prompt: Prompt) throws(TextError) -> JoinedText {
    var joined = JoinedText()
    let isLegacy = tables.options.contains(.legacy)
    for segment in prompt.segments {
      switch segment {
      case .trusted(let text): append(text, trusted: true, isLegacy, &joined)
      case .untrusted(let text): append(text, trusted: false, isLegacy, &joined)
      case .tokens(let ids):
        for id in ids {
          guard let index = poolIndex(id) else {
            throw TextError(.unknownToken, "the id \(id) has no token; ids are 0 to \(idCount - 1)")
          }
          if addedFlags(id) != nil {
            if joined.bytes.isEmpty, !isLegacy { joined.append(PieceModel.space, trusted: true) }
            joined.tokens.append(Cut(range: joined.bytes.count..<joined.bytes.count, id: id))
          } else {
            // A piece does not divide the text around it; its string stands for it.
            append(tables.strings.string(index), trusted: true, isLegacy, &joined)
          }
        }
      }
      guard joined.bytes.count <= Self.maxTextBytes else {
        throw TextError(.textTooLong, "the text is longer than \(Self.maxTextBytes) bytes; pass it in parts")
      }
    }
    return joined
  }

  private func append(_ text: String, trusted: Bool, _ isLegacy: Bool, _ joined: inout JoinedText) {
    guard !isLegacy else { return joined.append(text.utf8, trusted: trusted) }
    guard !text.isEmpty else { return }
    if joined.bytes.isEmpty { joined.append(PieceModel.space, trusted: true) }
    joined.append(Self.replacingSpacePieces(Array(text.utf8)), trusted: trusted)
  }

  /// `text` with every U+2581 replaced by a space.
  private static func replacingSpacePieces(_ text: [UInt8]) -> [UInt8] {
    guard text.contains(PieceModel.space[0]) else { return text }
    var plain: [UInt8] = []
    plain.reserveCapacity(text.count)
    var rest = text[...]
    while let byte = rest.first {
      if byte == PieceModel.space[0], rest.starts(with: PieceModel.space) {
        plain.append(UInt8(ascii: " "))
        rest.removeFirst(PieceModel.space.count)
      } else {
        plain.append(byte)
        rest.removeFirst()
      }
    }
    return plain
  }

  /// Finds the added tokens in trusted text: leftmost first, at one place the longest.
  private func cutAddedTokens(_ joined: JoinedText) -> [Cut] {
    var cuts: [Cut] = []
    var fixed = joined.tokens[...]
    var start = 0
    for run in joined.trust {
      var at = start
      start = run.end
      while at < run.end {
        while let token = fixed.first, token.range.lowerBound <= at {
          cuts.append(token)
          fixed.removeFirst()
        }
        let end = min(run.end, fixed.first?.range.lowerBound ?? run.end)
        guard run.isTrusted else {
          at = end
          continue
        }
        while at < end {
          let byte = joined.bytes[at]
          if addedTokens.canStart(with: byte),
            let match = addedTokens.longestMatch(in: joined.bytes, at: at, end: end)
          {
            cuts.append(Cut(range: at..<at + match.length, id: tables.addedIDs[Int(match.index) - pieceCount]))
            at += match.length
          } else {
            at += 1
          }
        }
      }
    }
    return cuts + fixed
  }
}
