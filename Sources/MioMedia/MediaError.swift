/// Why a sound, an image or a video could not be read or written: what happened, to which file, and what to do about it.
package struct MediaError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The kind of fault. More may be added, so a `switch` needs a `default`.
  package struct Code: RawRepresentable, Hashable, Sendable {
    package let rawValue: String
    package init(rawValue: String) { self.rawValue = rawValue }

    /// The file is missing or the system refuses to open it.
    package static let cannotOpen = Code(rawValue: "cannotOpen")
    /// The system failed while reading.
    package static let readFailed = Code(rawValue: "readFailed")
    /// The bytes are no sound file that can be read.
    package static let notAudio = Code(rawValue: "notAudio")
    /// The bytes are no image that can be read.
    package static let notImage = Code(rawValue: "notImage")
    /// A sound or image that contradicts itself or is cut off.
    package static let malformed = Code(rawValue: "malformed")
    /// A sound file without a single sample, or a file without bytes.
    package static let empty = Code(rawValue: "empty")
    /// A sample rate outside ``Resampler/supportedRates``.
    package static let unsupportedRate = Code(rawValue: "unsupportedRate")
    /// A sample that is not a number, infinite or absurdly large.
    package static let badSample = Code(rawValue: "badSample")
    /// More data than the stated limit.
    package static let tooLong = Code(rawValue: "tooLong")
    /// An image of more pixels or bytes than the stated limit.
    package static let tooLarge = Code(rawValue: "tooLarge")
    /// A file name whose suffix names no format that can be written.
    package static let unknownFormat = Code(rawValue: "unknownFormat")
    /// The target cannot be created or written, for example because the disk is full.
    package static let writeFailed = Code(rawValue: "writeFailed")
    /// A program that is needed is not installed or does not start.
    package static let missingProgram = Code(rawValue: "missingProgram")
    /// The caller cancelled.
    package static let cancelled = Code(rawValue: "cancelled")
    /// The reader of a pipe has gone away.
    package static let brokenPipe = Code(rawValue: "brokenPipe")
  }

  package let code: Code
  /// The file, as the caller named it.
  package let source: String
  /// What happened and what to do, without the name of the file.
  package let message: String

  package init(_ code: Code, _ source: String, _ message: String) {
    self.code = code
    self.source = source
    self.message = message
  }

  package var description: String { "\(source): \(message)" }
}
