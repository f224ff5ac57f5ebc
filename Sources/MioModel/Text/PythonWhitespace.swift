/// The white space of Python's `str.strip` and `\s`: what the reference removes beside added tokens and around replies.
enum PythonWhitespace {
  /// Length in bytes of the white space character at the start of `text`, or 0.
  static func leading(_ text: ArraySlice<UInt8>) -> Int {
    guard let first = text.first else { return 0 }
    if isASCII(first) { return 1 }
    for length in [2, 3] where text.count >= length && isMultibyte(text.prefix(length)) { return length }
    return 0
  }

  /// Length in bytes of the white space character at the end of `text`, or 0.
  static func trailing(_ text: ArraySlice<UInt8>) -> Int {
    guard let last = text.last else { return 0 }
    if isASCII(last) { return 1 }
    for length in [2, 3] where text.count >= length && isMultibyte(text.suffix(length)) { return length }
    return 0
  }

  /// `text` without white space at the chosen ends.
  static func trim(_ text: ArraySlice<UInt8>, left: Bool = true, right: Bool = true) -> ArraySlice<UInt8> {
    var text = text
    while left, case let length = leading(text), length > 0 { text = text.dropFirst(length) }
    while right, case let length = trailing(text), length > 0 { text = text.dropLast(length) }
    return text
  }

  private static func isASCII(_ byte: UInt8) -> Bool {
    (0x09...0x0D).contains(byte) || (0x1C...0x20).contains(byte)
  }

  /// U+0085, U+00A0, U+1680, U+2000-200A, U+2028, U+2029, U+202F, U+205F, U+3000.
  private static func isMultibyte(_ bytes: ArraySlice<UInt8>) -> Bool {
    let b = Array(bytes)
    switch (b[0], b[1]) {
    case (0xC2, 0x85), (0xC2, 0xA0): return b.count == 2
    case (0xE1, 0x9A): return b.count == 3 && b[2] == 0x80
    case (0xE2, 0x80): return b.count == 3 && ((0x80...0x8A).contains(b[2]) || [0xA8, 0xA9, 0xAF].contains(b[2]))
    case (0xE2, 0x81): return b.count == 3 && b[2] == 0x9F
    case (0xE3, 0x80): return b.count == 3 && b[2] == 0x80
    default: return false
    }
  }
}
