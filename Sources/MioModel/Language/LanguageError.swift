/// Why a language session cannot take the tokens it was given.
package struct LanguageError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The kind of fault; new ones may be added.
  package struct Code: RawRepresentable, Hashable, Sendable {
    package let rawValue: String
    package init(rawValue: String) { self.rawValue = rawValue }

    /// The sequence would become longer than the session's context.
    package static let contextFull = Code(rawValue: "contextFull")
    /// All sequences together would need more pages than the cache may have.
    package static let cacheFull = Code(rawValue: "cacheFull")
    /// A token id is not a row of the embedding.
    package static let tokenOutOfRange = Code(rawValue: "tokenOutOfRange")
    /// The network computed something that is no number.
    package static let notFinite = Code(rawValue: "notFinite")
  }

  package let code: Code
  /// One sentence that says what is wrong and what to do.
  package let message: String

  package var description: String { message }

  static func contextFull(needed: Int, contextLength: Int) -> LanguageError {
    LanguageError(
      code: .contextFull,
      message:
        "the text needs \(needed) tokens of context, but there are \(contextLength); shorten it or ask for a longer context")
  }

  static func cacheFull(missingTokens: Int) -> LanguageError {
    LanguageError(
      code: .cacheFull,
      message:
        "the key/value cache lacks room for \(missingTokens) tokens; use fewer beams or pieces at a time, or a shorter context")
  }

  /// - Parameter part: what gave the numbers, "layer 3" for example.
  static func notFinite(_ part: String, position: Int) -> LanguageError {
    LanguageError(
      code: .notFinite,
      message:
        "the language model's \(part) gave numbers that are not finite, or too large for the cache, within the first \(position) "
        + "tokens; the weights are damaged, which 'mio-lite verify' tells, or need a wider cache: --cache f32")
  }

  static func tokenOutOfRange(_ token: Int32, vocabularySize: Int) -> LanguageError {
    LanguageError(
      code: .tokenOutOfRange, message: "token \(token) does not exist; ids of this model are 0 to \(vocabularySize - 1)")
  }
}
