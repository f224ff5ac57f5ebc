/// What is wrong with a model file, where, and what to do about it.
package struct ModelFileError: Error, Hashable, Sendable {
  /// The kind of fault. The raw values are the error names of `format-spec/SPEC.md`; new ones may be added.
  package struct Code: RawRepresentable, Hashable, Sendable {
    package let rawValue: String
    package init(rawValue: String) { self.rawValue = rawValue }
  }

  package var code: Code
  /// One sentence that says what is wrong and, where that helps, what to do.
  package var message: String
  package var path: String?
  package var component: String?
  /// The tensor, blob or configuration key at fault.
  package var item: String?
  /// The bytes of the file at fault; empty where only a position is known.
  package var byteRange: Range<Int>?
  package var expected: String?
  package var found: String?

  package init(
    _ code: Code, _ message: String, path: String? = nil, component: String? = nil, item: String? = nil,
    byteRange: Range<Int>? = nil, expected: String? = nil, found: String? = nil
  ) {
    self.code = code
    self.message = message
    self.path = path
    self.component = component
    self.item = item
    self.byteRange = byteRange
    self.expected = expected
    self.found = found
  }

  /// Where the fault begins in the file.
  package var byteOffset: Int? { byteRange?.lowerBound }

  /// The same error with places filled in that the thrower could not know.
  func located(path: String? = nil, component: String? = nil, item: String? = nil) -> ModelFileError {
    var error = self
    error.path = error.path ?? path
    error.component = error.component ?? component
    error.item = error.item ?? item
    return error
  }
}

extension ModelFileError: CustomStringConvertible {
  package var description: String {
    let place = [component, item].compactMap { $0 }.joined(separator: "/")
    var text = [path, place.isEmpty ? nil : place].compactMap { $0 }.map { $0 + ": " }.joined() + message
    if let expected, let found { text += " (expected \(expected), found \(found))" }
    if let byteRange {
      let (start, end) = (byteRange.lowerBound, byteRange.upperBound)
      text += byteRange.count > 1 ? " [bytes \(start)..<\(end)]" : " [byte \(start)]"
    }
    return text
  }
}

extension ModelFileError.Code {
  // The file as a whole.
  package static let cannotOpen = Self(rawValue: "cannotOpen")
  package static let notRegularFile = Self(rawValue: "notRegularFile")
  package static let readFailed = Self(rawValue: "readFailed")
  package static let truncated = Self(rawValue: "truncated")
  package static let trailingBytes = Self(rawValue: "trailingBytes")

  // The header.
  package static let badMagic = Self(rawValue: "badMagic")
  package static let textModeDamage = Self(rawValue: "textModeDamage")
  package static let badByteOrder = Self(rawValue: "badByteOrder")
  package static let unsupportedVersion = Self(rawValue: "unsupportedVersion")
  package static let headerHashMismatch = Self(rawValue: "headerHashMismatch")
  package static let reservedNotZero = Self(rawValue: "reservedNotZero")
  package static let unknownRequiredFeature = Self(rawValue: "unknownRequiredFeature")

  // The directory.
  package static let directoryHashMismatch = Self(rawValue: "directoryHashMismatch")
  package static let malformedDirectory = Self(rawValue: "malformedDirectory")
  package static let limitExceeded = Self(rawValue: "limitExceeded")
  package static let invalidName = Self(rawValue: "invalidName")
  package static let invalidText = Self(rawValue: "invalidText")
  package static let invalidConfig = Self(rawValue: "invalidConfig")
  package static let duplicateName = Self(rawValue: "duplicateName")
  package static let unsorted = Self(rawValue: "unsorted")
  package static let unknownEncoding = Self(rawValue: "unknownEncoding")
  package static let unknownCompression = Self(rawValue: "unknownCompression")
  package static let invalidShape = Self(rawValue: "invalidShape")
  package static let wrongByteCount = Self(rawValue: "wrongByteCount")
  package static let misaligned = Self(rawValue: "misaligned")
  package static let overlap = Self(rawValue: "overlap")
  package static let hole = Self(rawValue: "hole")

  // The regions.
  package static let hashMismatch = Self(rawValue: "hashMismatch")
  package static let nonZeroPadding = Self(rawValue: "nonZeroPadding")
  package static let corruptBlob = Self(rawValue: "corruptBlob")

  // What a network asks for.
  package static let missingComponent = Self(rawValue: "missingComponent")
  package static let unknownRequiredComponent = Self(rawValue: "unknownRequiredComponent")
  package static let missingTensor = Self(rawValue: "missingTensor")
  package static let missingBlob = Self(rawValue: "missingBlob")
  package static let missingConfig = Self(rawValue: "missingConfig")
  package static let wrongConfigType = Self(rawValue: "wrongConfigType")
  package static let wrongShape = Self(rawValue: "wrongShape")
  package static let wrongEncoding = Self(rawValue: "wrongEncoding")

  // Writing and interruption.
  package static let cannotWrite = Self(rawValue: "cannotWrite")
  package static let invalidLayout = Self(rawValue: "invalidLayout")
  package static let cancelled = Self(rawValue: "cancelled")
}
