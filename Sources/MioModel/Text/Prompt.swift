/// What goes into the model, before it is cut into tokens: text that may hold control tokens, text that may not, and
/// media.
///
/// Neighbouring pieces of text are encoded as one text, so that the result is the same as if they had been joined
/// into one string; only the right to spell tokens such as `<|im_end|>` or `<spch12>` belongs to trusted text alone.
package struct Prompt: Hashable, Sendable {
  package enum Segment: Hashable, Sendable {
    /// Text of the program or of its operator: token strings in it become tokens.
    case trusted(String)
    /// Text of a user or of a document: every character stands for itself.
    case untrusted(String)
    /// Tokens by id, as media.
    case tokens([Int32])
  }

  package var segments: [Segment]

  package init(_ segments: [Segment] = []) { self.segments = segments }

  package static func trusted(_ text: String) -> Prompt { Prompt([.trusted(text)]) }
  package static func untrusted(_ text: String) -> Prompt { Prompt([.untrusted(text)]) }
  package static func tokens(_ ids: [Int32]) -> Prompt { Prompt([.tokens(ids)]) }

  package mutating func append(_ other: Prompt) { segments += other.segments }

  package static func + (a: Prompt, b: Prompt) -> Prompt { Prompt(a.segments + b.segments) }

  /// Untrusted text from bytes that should be UTF-8.
  ///
  /// - Throws: ``TextError`` with code `.invalidUTF8` and the offset of the first bad byte.
  package static func untrusted(utf8 bytes: some Collection<UInt8>) throws(TextError) -> Prompt {
    .untrusted(try String(checking: bytes))
  }
}

extension String {
  /// The text of `bytes`.
  ///
  /// - Throws: ``TextError`` with code `.invalidUTF8` and the offset of the first bad byte.
  package init(checking bytes: some Collection<UInt8>) throws(TextError) {
    guard let text = String(validating: bytes, as: UTF8.self) else {
      var decoder = UTF8()
      var iterator = bytes.makeIterator()
      var offset = 0
      while case .scalarValue(let scalar) = decoder.decode(&iterator) { offset += UTF8.width(scalar) }
      throw TextError(.invalidUTF8, at: offset, "the text is not UTF-8; convert it with iconv")
    }
    self = text
  }
}
