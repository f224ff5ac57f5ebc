/// Turns tokens into text for people, one at a time: no control or media tokens, no spaces that were not in the text.
///
/// Bytes that may still become a character are held back, so every string put out is whole. Joined, the strings are
/// ``TextTokenizer/plainText(of:continuing:)``, and that gives back what
/// ``TextTokenizer/encode(_:trusted:addsEnds:)`` was given (except for white space that the tokenizer removes beside
/// tokens with lstrip or rstrip).
package struct PlainTextDecoder: Sendable {
  private let tokenizer: TextTokenizer
  private var bytes = ByteDecoder()
  /// The next piece begins a segment, whose dummy prefix is no part of the text.
  private var isAtSegmentStart: Bool

  /// - Parameter continuing: Whether the tokens go on behind a text token, as a reply does behind its prompt.
  package init(_ tokenizer: TextTokenizer, continuing: Bool) {
    self.tokenizer = tokenizer
    isAtSegmentStart = !continuing
  }

  /// Takes the next token and returns the text that is certain by now.
  package mutating func append(_ id: Int32) -> String {
    var text: [UInt8] = []
    guard tokenizer.kind(of: id) == .text else {
      bytes.flush(to: &text)
      // A new segment begins behind added tokens; without legacy segmentation only the first has a prefix.
      if tokenizer.addedFlags(id) != nil { isAtSegmentStart = tokenizer.tables.options.contains(.legacy) }
      return String(decoding: text, as: UTF8.self)
    }
    var piece = tokenizer.tables.strings.utf8(Int(id))
    if tokenizer.tables.pieceKinds[Int(id)] == .byte {
      bytes.append(ByteDecoder.value(ofPiece: piece), to: &text)
    } else {
      bytes.flush(to: &text)
      if isAtSegmentStart, tokenizer.hasSegmentPrefix, piece.starts(with: PieceModel.space) {
        piece = piece.dropFirst(PieceModel.space.count)
      }
      text += PieceModel.spelled(piece)
    }
    isAtSegmentStart = false
    return String(decoding: text, as: UTF8.self)
  }

  /// What was held back; nothing follows.
  package mutating func finish() -> String {
    var text: [UInt8] = []
    bytes.flush(to: &text)
    return String(decoding: text, as: UTF8.self)
  }
}

extension TextTokenizer {
  /// Whether encoding puts a space in front of text: by sentencepiece, or by transformers without legacy segmentation.
  var hasSegmentPrefix: Bool { pieces.hasDummyPrefix || !tables.options.contains(.legacy) }

  /// The text that `ids` spell, without control and media tokens.
  package func plainText(of ids: [Int32], continuing: Bool = false) -> String {
    var decoder = PlainTextDecoder(self, continuing: continuing)
    var text = ""
    for id in ids { text += decoder.append(id) }
    return text + decoder.finish()
  }
}
