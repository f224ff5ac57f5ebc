// MARK: - Decoding as the reference does

extension TextTokenizer {
  /// The text of `ids`, with special tokens and with the spaces that transformers puts around media tokens.
  ///
  /// Same as `tokenizer.decode(ids)` of transformers 4.34, odd as it is in places: every token set apart is
  /// surrounded by one space, and the first `▁` of each run of text is dropped. ``plainText(of:continuing:)`` gives
  /// text for people.
  ///
  /// - Parameters:
  ///   - skippingSpecials: Leaves special tokens out (`skip_special_tokens`).
  ///   - continuing: Whether `ids` go on behind a text token, as a reply does behind its prompt.
  /// - Throws: ``TextError`` with code `.unknownToken`.
  package func decode(
    _ ids: [Int32], skippingSpecials: Bool = false, continuing: Bool = false
  ) throws(TextError) -> String {
    var text: [UInt8] = []
    var run: [Int32] = []
    var isFirstPart = true
    func add(_ part: some Sequence<UInt8>) {
      if !isFirstPart { text.append(UInt8(ascii: " ")) }
      text += part
      isFirstPart = false
    }
    var isContinued = continuing
    func closeRun(isLast: Bool) {
      guard !run.isEmpty || isContinued else { return }
      let part = decodeRun(run, continuing: isContinued)
      if !part.isEmpty || isLast || isContinued { add(part) }
      isContinued = false
      run.removeAll(keepingCapacity: true)
    }
    for id in ids {
      guard let index = poolIndex(id) else {
        throw TextError(.unknownToken, "the id \(id) has no token; ids are 0 to \(idCount - 1)")
      }
      let flags = addedFlags(id) ?? []
      if skippingSpecials, flags.contains(.special) { continue }
      if flags.contains(.separate) {
        closeRun(isLast: false)
        add(tables.strings.utf8(index))
      } else {
        run.append(id)
      }
    }
    closeRun(isLast: true)
    return String(decoding: text, as: UTF8.self)
  }

  /// One run of tokens without separate ones (`convert_tokens_to_string` of `LlamaTokenizer`).
  private func decodeRun(_ ids: [Int32], continuing: Bool) -> [UInt8] {
    var text: [UInt8] = []
    var pending = PendingPieces(self)
    if continuing { pending.isAtStart = false }
    var afterSpecial = false
    for (i, id) in ids.enumerated() {
      guard isSpecial(id), let index = poolIndex(id) else {
        pending.append(id, withoutSpace: i == 0 && !continuing)
        afterSpecial = false
        continue
      }
      if !afterSpecial, i > 0 || continuing, tables.options.contains(.legacy) { text.append(UInt8(ascii: " ")) }
      text += pending.take()
      text += tables.strings.utf8(index)
      afterSpecial = true
    }
    return text + pending.take()
  }

  /// Pieces between two special tokens, as `SentencePieceProcessor::Decode` turns them into text.
  private struct PendingPieces {
    private let tokenizer: TextTokenizer
    private var text: [UInt8] = []
    private var bytes = ByteDecoder()
    /// Nothing was put out and no dummy prefix was taken off yet.
    var isAtStart = true

    init(_ tokenizer: TextTokenizer) { self.tokenizer = tokenizer }

    /// - Parameter withoutSpace: Drops the piece's leading `▁`; what is left is looked up again, as the reference does.
    mutating func append(_ id: Int32, withoutSpace: Bool) {
      let tables = tokenizer.tables
      guard let index = tokenizer.poolIndex(id) else { return }
      var piece = tables.strings.utf8(index)
      let dropsSpace = withoutSpace && piece.starts(with: PieceModel.space)
      if dropsSpace { piece = piece.dropFirst(PieceModel.space.count) }
      let kind: TokenizerTables.PieceKind
      if index < tables.pieceCount, !dropsSpace {
        kind = tables.pieceKinds[index]
      } else {
        // Strings, and so those of added tokens that are neither special nor set apart, are looked up among the pieces; what
        // is none stays as it is.
        let other = tokenizer.pieces.index.id(of: tables.strings.bytes, piece.indices)
        guard other >= 0 else { return put(piece) }
        kind = tables.pieceKinds[Int(other)]
      }
      switch kind {
      case .byte:
        bytes.append(ByteDecoder.value(ofPiece: piece), to: &text)
        if !text.isEmpty { isAtStart = false }
      case .control: put([])
      case .unknown: put(tables.strings.utf8(tables.strings.count - 1))
      case .normal, .userDefined:
        flushBytes()
        if isAtStart, tokenizer.pieces.hasDummyPrefix, piece.starts(with: PieceModel.space) {
          piece = piece.dropFirst(PieceModel.space.count)
          isAtStart = false
        }
        put(PieceModel.spelled(piece))
      }
    }

    private mutating func flushBytes() {
      bytes.flush(to: &text)
      if !text.isEmpty { isAtStart = false }
    }

    private mutating func put(_ more: some Collection<UInt8>) {
      flushBytes()
      text += more
      if !text.isEmpty { isAtStart = false }
    }

    mutating func take() -> [UInt8] {
      flushBytes()
      defer {
        text = []
        isAtStart = true
      }
      return text
    }
  }
}

extension PieceModel {
  /// A piece's string with spaces for `▁`.
  static func spelled(_ piece: ArraySlice<UInt8>) -> [UInt8] {
    var text: [UInt8] = []
    var rest = piece
    while let byte = rest.first {
      if byte == space[0], rest.starts(with: space) {
        text.append(UInt8(ascii: " "))
        rest = rest.dropFirst(space.count)
      } else {
        text.append(byte)
        rest = rest.dropFirst()
      }
    }
    return text
  }
}

/// Collects the values of byte pieces and turns them into UTF-8, with U+FFFD for every byte that belongs to no
/// character.
struct ByteDecoder {
  /// Bytes that may be the beginning of a character.
  private var pending: [UInt8] = []

  private static let replacement: [UInt8] = Array("\u{FFFD}".utf8)

  var isEmpty: Bool { pending.isEmpty }

  /// The value of `<0xHH>`.
  static func value(ofPiece piece: ArraySlice<UInt8>) -> UInt8 {
    func digit(_ c: UInt8) -> UInt8 { c < 65 ? c &- 48 : c &- 55 }
    return digit(piece[piece.startIndex + 3]) << 4 | digit(piece[piece.startIndex + 4])
  }

  /// Takes one byte, and puts out what is certain by now.
  mutating func append(_ byte: UInt8, to text: inout [UInt8]) {
    pending.append(byte)
    while !pending.isEmpty {
      switch Self.state(of: pending) {
      case .complete(let length):
        text += pending.prefix(length)
        pending.removeFirst(length)
      case .incomplete: return
      case .invalid:
        text += Self.replacement
        pending.removeFirst()
      }
    }
  }

  /// Nothing follows: what is pending is no character.
  mutating func flush(to text: inout [UInt8]) {
    while !pending.isEmpty {
      if case .complete(let length) = Self.state(of: pending) {
        text += pending.prefix(length)
        pending.removeFirst(length)
      } else {
        text += Self.replacement
        pending.removeFirst()
      }
    }
  }

  private enum State {
    case complete(Int)
    case incomplete
    case invalid
  }

  /// What the start of `bytes` is. Overlong forms, surrogates and values above U+10FFFF are invalid.
  private static func state(of bytes: [UInt8]) -> State {
    let first = bytes[0]
    let length: Int
    var second: ClosedRange<UInt8> = 0x80...0xBF
    switch first {
    case 0..<0x80: return .complete(1)
    case 0xC2...0xDF: length = 2
    case 0xE0...0xEF:
      length = 3
      if first == 0xE0 { second = 0xA0...0xBF }
      if first == 0xED { second = 0x80...0x9F }
    case 0xF0...0xF4:
      length = 4
      if first == 0xF0 { second = 0x90...0xBF }
      if first == 0xF4 { second = 0x80...0x8F }
    default: return .invalid
    }
    for (i, byte) in bytes.prefix(length).enumerated().dropFirst() {
      guard (i == 1 ? second : 0x80...0xBF).contains(byte) else { return .invalid }
    }
    return bytes.count < length ? .incomplete : .complete(length)
  }
}
