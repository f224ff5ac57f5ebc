/// Why codes or samples cannot be processed.
package struct SpeechCodecError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The kind of fault. More may be added, so a `switch` needs a `default`.
  package struct Code: RawRepresentable, Hashable, Sendable {
    package let rawValue: String
    package init(rawValue: String) { self.rawValue = rawValue }

    /// No codebooks, more codebooks than the codec has, or none of the right number in a later piece.
    package static let wrongLevelCount = Code(rawValue: "wrongLevelCount")
    /// The codebooks differ in length.
    package static let unequalCodebooks = Code(rawValue: "unequalCodebooks")
    /// A code that names no codeword.
    package static let codeOutOfRange = Code(rawValue: "codeOutOfRange")
    /// A sample that is not a number, or infinite.
    package static let badSample = Code(rawValue: "badSample")
    /// The network computed something that is no number.
    package static let notFinite = Code(rawValue: "notFinite")
  }

  package let code: Code
  package let message: String

  init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }

  /// - Parameter part: what gave the numbers, "encoder" for example.
  static func notFinite(_ part: String, frame: Int) -> SpeechCodecError {
    SpeechCodecError(
      .notFinite,
      "the speech \(part) gave numbers that are not finite near frame \(frame); its weights are damaged, which "
        + "'mio-lite verify' tells, or no codec's: convert the checkpoint again")
  }

  package var description: String { message }
}
