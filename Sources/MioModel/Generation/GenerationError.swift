/// Why a request for generated tokens was refused, or why generation could not go on.
package struct GenerationError: Error, CustomStringConvertible {
  /// What kind of fault it is; more codes may come.
  package struct Code: Hashable, Sendable, CustomStringConvertible {
    package let name: String
    package var description: String { name }

    /// The prompt has no tokens.
    package static let emptyPrompt = Code(name: "emptyPrompt")
    /// The prompt leaves no room for a reply and may not be trimmed.
    package static let promptTooLong = Code(name: "promptTooLong")
    /// The tokens that may be generated do not suffice for what the task must produce.
    package static let budgetTooSmall = Code(name: "budgetTooSmall")
    /// What the request may need at most does not fit the cache, even if nothing else runs.
    package static let cacheTooSmall = Code(name: "cacheTooSmall")
    /// A setting is outside its range.
    package static let invalidOption = Code(name: "invalidOption")
    /// A token id is not in the vocabulary.
    package static let tokenOutOfRange = Code(name: "tokenOutOfRange")
    /// The tables of media tokens contradict each other.
    package static let invalidTokenTable = Code(name: "invalidTokenTable")
    /// The language model failed; see ``GenerationError/underlying``.
    package static let scoringFailed = Code(name: "scoringFailed")
  }

  package let code: Code
  /// The setting, range or table at fault.
  package let location: String
  /// What is wrong and what to do about it.
  package let message: String
  package let underlying: (any Error)?

  package init(_ code: Code, at location: String, _ message: String, underlying: (any Error)? = nil) {
    self.code = code
    self.location = location
    self.message = message
    self.underlying = underlying
  }

  package var description: String { "\(location): \(message)" }
}
