/// Paths as text: to the system they are bytes, which need not be UTF-8.
///
/// Bytes that are no text become characters of a private range, from which the calls of the system get them back; all other
/// paths are the text that they seem to be.
public enum PathText {
  /// Private characters for the bytes 0x80 to 0xFF.
  private static let escapes: ClosedRange<UInt32> = 0x10F780...0x10F7FF

  /// The text for a path of the system.
  public static func text(_ bytes: some Sequence<UInt8>) -> String {
    let bytes = Array(bytes)
    if let text = String(validating: bytes, as: UTF8.self), !hasEscapes(text) { return text }
    var scalars = String.UnicodeScalarView()
    var rest = bytes[...]
    while let first = rest.first {
      if let (scalar, length) = leadingScalar(rest), !isEscape(scalar) {
        scalars.append(scalar)
        rest = rest.dropFirst(length)
      } else {
        if let escape = Unicode.Scalar(escapes.lowerBound - 0x80 + UInt32(first)) { scalars.append(escape) }
        rest = rest.dropFirst()
      }
    }
    return String(scalars)
  }

  /// The bytes of a path, as ``text(_:)`` was given them.
  public static func bytes(_ text: String) -> [UInt8] {
    guard hasEscapes(text) else { return Array(text.utf8) }
    return text.unicodeScalars.flatMap { scalar in
      isEscape(scalar) ? [UInt8(scalar.value - escapes.lowerBound + 0x80)] : Array(String(scalar).utf8)
    }
  }

  /// The path for people: a replacement character for every byte that is no text.
  public static func shown(_ text: String) -> String {
    guard hasEscapes(text) else { return text }
    return String(String.UnicodeScalarView(text.unicodeScalars.map { isEscape($0) ? "\u{FFFD}" : $0 }))
  }

  private static func isEscape(_ scalar: Unicode.Scalar) -> Bool { escapes.contains(scalar.value) }
  private static func hasEscapes(_ text: String) -> Bool { text.unicodeScalars.contains(where: isEscape) }

  private static func leadingScalar(_ bytes: ArraySlice<UInt8>) -> (Unicode.Scalar, length: Int)? {
    for length in 1...4 where length <= bytes.count {
      if let text = String(validating: bytes.prefix(length), as: UTF8.self), let scalar = text.unicodeScalars.first {
        return (scalar, length)
      }
    }
    return nil
  }
}

extension String {
  /// Hands the bytes of a path to a call of the system.
  package func withSystemPath<Result>(_ body: (UnsafePointer<CChar>) -> Result) -> Result {
    let path = PathText.bytes(self).map { CChar(bitPattern: $0) } + [0]
    return unsafe path.withUnsafeBufferPointer { unsafe body($0.baseAddress!) }
  }
}
