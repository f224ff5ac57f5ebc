/// Why a tokenizer directory cannot be imported: every problem that was found, not only the first.
package struct TokenizerImportError: Error, Hashable, Sendable, CustomStringConvertible {
  /// One thing that is wrong, where, and what to do about it.
  package struct Problem: Hashable, Sendable, CustomStringConvertible {
    /// What kind of problem it is; extensible.
    package struct Code: Hashable, Sendable, RawRepresentable {
      package let rawValue: String
      package init(rawValue: String) { self.rawValue = rawValue }

      /// A file that must be there is absent or cannot be read.
      package static let missingFile = Code(rawValue: "missingFile")
      /// A file is not what its name says.
      package static let malformedFile = Code(rawValue: "malformedFile")
      /// A setting that this converter does not implement.
      package static let unsupported = Code(rawValue: "unsupported")
      /// Files or entries contradict each other.
      package static let inconsistent = Code(rawValue: "inconsistent")
    }

    package let code: Code
    /// The file at fault, relative to the checkpoint directory.
    package let file: String
    /// The fault, and what to do.
    package let message: String

    package init(_ code: Code, file: String, _ message: String) {
      self.code = code
      self.file = file
      self.message = message
    }

    package var description: String { "\(file): \(message)" }
  }

  package let problems: [Problem]

  package init(_ problems: [Problem]) {
    precondition(!problems.isEmpty, "an import error needs at least one problem")
    self.problems = problems
  }

  package var description: String { problems.map(\.description).joined(separator: "\n") }
}
