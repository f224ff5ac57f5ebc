import Foundation

/// A text in the characters that are meant: Unicode has many for the same.
enum SpokenCharacters {
  /// White space becomes spaces and line ends, what is invisible goes, and compatibility characters (ligatures, superscripts,
  /// fractions, letters in circles) become the plain ones. Long runs of one mark become three of it.
  static func plain(_ text: String) -> String {
    shortened(compatible(visible(text)))
  }

  /// Spaces for white space, and nothing for what has no width.
  static func visible(_ text: String) -> String {
    // Most texts are printable ASCII, tabs and line ends aside.
    if text.utf8.allSatisfy({ $0 < 0x7F && ($0 >= 0x20 || $0 == 0x0A) }) { return text }
    var result = ""
    result.reserveCapacity(text.utf8.count)
    let scalars = text.unicodeScalars
    // What stays is copied in one piece.
    var (start, index) = (scalars.startIndex, scalars.startIndex)
    var previous: Unicode.Scalar?
    while index < scalars.endIndex {
      let scalar = scalars[index]
      let next = scalars.index(after: index)
      if !isVisible(scalar) {
        result += text[start..<index]
        start = next
        switch scalar.value {
        case 0x0A where previous == "\r": break
        case 0x0A, 0x0B, 0x0C, 0x0D, 0x85, 0x2028: result += "\n"
        case 0x2029: result += "\n\n"
        case _ where scalar.properties.isWhitespace: result += " "
        default: break
        }
      }
      previous = scalar
      index = next
    }
    return result + text[start...]
  }

  /// Whether a character stays as it is.
  private static func isVisible(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.value < 0x7F { return scalar.value >= 0x20 }
    return isPlain(scalar) || !scalar.properties.isWhitespace && !isInvisible(scalar)
  }

  private static func isInvisible(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.value == 0x2800 || scalar.properties.isDefaultIgnorableCodePoint { return true }
    switch scalar.properties.generalCategory {
    case .control, .format: return true
    default: return false
    }
  }

  /// Normal form KC, but for the wide marks of East Asian texts, at which sentences end.
  private static func compatible(_ text: String) -> String {
    if text.utf8.allSatisfy({ $0 < 0x80 }) { return text }
    var result = ""
    result.reserveCapacity(text.utf8.count)
    var known: [Character: String] = [:]
    // Runs of plain characters are copied in one piece.
    var start = text.startIndex
    text.forEachCharacter { _, _ in
    } other: { character, range in
      let scalars = character.unicodeScalars
      if let scalar = scalars.first, isPlain(scalar), scalars.count == 1 { return }
      result += text[start..<range.lowerBound]
      start = range.upperBound
      let composed = known[character] ?? String(character).precomposedStringWithCanonicalMapping
      known[character] = composed
      append(composed, to: &result)
    }
    return result + text[start...]
  }

  private static func append(_ composed: String, to result: inout String) {
    guard let character = composed.first, let scalar = composed.unicodeScalars.first, scalar.value >= 0xA0, !isWide(scalar),
      !isPlain(scalar)
    else {
      result += composed
      return
    }
    let plain = composed.precomposedStringWithCompatibilityMapping
    // "2½" is not 21/2, "10²" not 102 and "Acme™" not "AcmeTM".
    let isApart = plain != composed && !character.isLetter && plain.first.map { $0.isLetter || $0.isNumber } ?? false
    if isApart, result.last?.isLetter == true || result.last?.isNumber == true { result.append(" ") }
    result += plain.replacingOccurrences(of: "\u{2044}", with: "/")
  }

  /// Letters that no form changes: a quick way through long texts.
  private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
    (0x400...0x52F).contains(scalar.value) || (0x4E00...0x9FFF).contains(scalar.value)
      || (0xAC00...0xD7A3).contains(scalar.value)
  }

  private static func isWide(_ scalar: Unicode.Scalar) -> Bool {
    (0x3000...0x303F).contains(scalar.value) || (0xFF00...0xFFEF).contains(scalar.value)
  }

  /// Longest run of one mark that is left as it is.
  private static let longestRun = 4

  private static func shortened(_ text: String) -> String {
    var result = ""
    var start = text.startIndex
    var count = 0
    var (lastByte, last): (UInt8?, Character?) = (nil, nil)
    func leave(out range: Range<String.Index>) {
      result += text[start..<range.lowerBound]
      start = range.upperBound
    }
    text.forEachCharacter { byte, range in
      count = byte == lastByte ? count + 1 : 1
      (lastByte, last) = (byte, nil)
      if count > longestRun, !byte.isLetterOrDigit, !byte.isSpace { leave(out: range) }
    } other: { character, range in
      count = character == last ? count + 1 : 1
      (lastByte, last) = (nil, character)
      let isMark = !character.isLetter && !character.isNumber && !character.isWhitespace
      if count > longestRun, isMark { leave(out: range) }
    }
    return result + text[start...]
  }
}

extension UInt8 {
  /// Of ASCII.
  var isLowercaseLetter: Bool { (0x61...0x7A).contains(self) }
  var isUppercaseLetter: Bool { (0x41...0x5A).contains(self) }
  var isLetterOrDigit: Bool { isLowercaseLetter || isUppercaseLetter || (0x30...0x39).contains(self) }
  var isSpace: Bool { self == 0x20 || (0x09...0x0D).contains(self) }
}

extension String {
  /// Goes through the characters, those that are a byte as bytes: a quick way through long texts.
  func forEachCharacter(ascii: (UInt8, Range<Index>) -> Void, other: (Character, Range<Index>) -> Void) {
    var index = startIndex
    while index < endIndex {
      let byte = utf8[index]
      let second = utf8.index(after: index)
      // What is not ASCII may belong to the character before it.
      let isAlone = byte < 0x80 && (second == endIndex || utf8[second] < 0x80)
      let next = isAlone ? second : self.index(after: index)
      if byte < 0x80, next == second { ascii(byte, index..<next) } else { other(self[index], index..<next) }
      index = next
    }
  }
}
