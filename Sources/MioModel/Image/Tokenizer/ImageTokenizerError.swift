/// Why an image or its codes cannot be processed.
package struct ImageTokenizerError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The kind of fault. More may be added, so a `switch` needs a `default`.
  package struct Code: RawRepresentable, Hashable, Sendable {
    package let rawValue: String
    package init(rawValue: String) { self.rawValue = rawValue }

    /// Another number of codes than an image has.
    package static let wrongCodeCount = Code(rawValue: "wrongCodeCount")
    /// A code that names no codeword.
    package static let codeOutOfRange = Code(rawValue: "codeOutOfRange")
    /// Another number of pixels than the network sees.
    package static let wrongPixelCount = Code(rawValue: "wrongPixelCount")
    /// A pixel that is not a number, or infinite.
    package static let badPixel = Code(rawValue: "badPixel")
    /// The network computed something that is no number.
    package static let notFinite = Code(rawValue: "notFinite")
  }

  package let code: Code
  package let message: String

  init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }

  package var description: String { message }
}
