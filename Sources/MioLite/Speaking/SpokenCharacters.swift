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
    var result = String.UnicodeScalarView()
    var previous: Unicode.Scalar?
    for scalar in text.unicodeScalars {
      switch scalar.value {
      case 0x0A where previous == "\r": break
      case 0x0A, 0x0B, 0x0C, 0x0D, 0x85, 0x2028: result.append("\n")
      case 0x2029: result.append(contentsOf: "\n\n".unicodeScalars)
      case _ where scalar.properties.isWhitespace: result.append(" ")
      case _ where isInvisible(scalar): break
      default: result.append(scalar)
      }
      previous = scalar
    }
    return String(result)
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
    for character in text.precomposedStringWithCanonicalMapping {
      guard let scalar = character.unicodeScalars.first, scalar.value >= 0xA0, !isWide(scalar), !isPlain(scalar) else {
        result.append(character)
        continue
      }
      let plain = String(character).precomposedStringWithCompatibilityMapping
      // "2½" is not 21/2, "10²" not 102 and "Acme™" not "AcmeTM".
      let isApart =
        plain != String(character) && !character.isLetter && plain.first.map { $0.isLetter || $0.isNumber } ?? false
      if isApart, result.last?.isLetter == true || result.last?.isNumber == true { result.append(" ") }
      result += plain.replacingOccurrences(of: "\u{2044}", with: "/")
    }
    return result
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
    var (last, count): (Character?, Int) = (nil, 0)
    for character in text {
      count = character == last ? count + 1 : 1
      last = character
      let isMark = !character.isLetter && !character.isNumber && !character.isWhitespace
      if isMark && count > longestRun { continue }
      result.append(character)
    }
    return result
  }
}
