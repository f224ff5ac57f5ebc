/// Why text or tokens could not be used, and what to do about it.
package struct TextError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The kind of failure; extensible.
  package struct Code: Hashable, Sendable, RawRepresentable {
    package let rawValue: String
    package init(rawValue: String) { self.rawValue = rawValue }

    /// The tokenizer in the file contradicts its specification.
    package static let malformedTokenizer = Code(rawValue: "malformedTokenizer")
    /// The tokenizer in the file has a version that this program does not read.
    package static let unsupportedVersion = Code(rawValue: "unsupportedVersion")
    /// Text that is not UTF-8.
    package static let invalidUTF8 = Code(rawValue: "invalidUTF8")
    /// Text longer than the tokenizer takes at once.
    package static let textTooLong = Code(rawValue: "textTooLong")
    /// An id that has no token.
    package static let unknownToken = Code(rawValue: "unknownToken")
    /// The prompt needs a token that this checkpoint does not have.
    package static let missingToken = Code(rawValue: "missingToken")
    /// A code of an image or of speech that has no token.
    package static let codeOutOfRange = Code(rawValue: "codeOutOfRange")
    /// Turns that the chat template cannot express.
    package static let invalidConversation = Code(rawValue: "invalidConversation")
  }

  package let code: Code
  /// Where the fault lies, in bytes of the text or of the tokenizer blob.
  package let byteOffset: Int?
  package let message: String

  package init(_ code: Code, at byteOffset: Int? = nil, _ message: String) {
    self.code = code
    self.byteOffset = byteOffset
    self.message = message
  }

  package var description: String { byteOffset.map { "\(message) (byte \($0))" } ?? message }
}
