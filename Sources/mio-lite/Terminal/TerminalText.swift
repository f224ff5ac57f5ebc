extension String {
  /// The text with a replacement character for every control character but line feed and tab.
  ///
  /// Words of a model and names in a file come from strangers; a terminal would take an escape sequence in them as an order
  /// to move its cursor, change its title or type for the user.
  var withoutTerminalControls: String {
    guard unicodeScalars.contains(where: \.isTerminalControl) else { return self }
    return String(String.UnicodeScalarView(unicodeScalars.map { $0.isTerminalControl ? "\u{FFFD}" : $0 }))
  }

  /// The text on one line: every run of white space is a space, none at the ends.
  var onOneLine: String { split(whereSeparator: \.isWhitespace).joined(separator: " ") }

  /// Columns that the text takes on a terminal, or a few more: terminals do not agree about every character.
  var maxColumns: Int { reduce(0) { $0 + $1.maxColumns } }

  /// The beginning of the text that takes at most so many columns.
  func cut(toColumns limit: Int) -> String {
    var columns = 0
    return String(
      prefix { character in
        columns += character.maxColumns
        return columns <= limit
      })
  }
}

extension Character {
  /// Scripts with characters of two columns begin with Hangul's letters; what is put together may be shown apart.
  fileprivate var maxColumns: Int { unicodeScalars.reduce(0) { $0 + ($1.value < 0x1100 ? 1 : 2) } }
}

extension Unicode.Scalar {
  fileprivate var isTerminalControl: Bool { properties.generalCategory == .control && self != "\n" && self != "\t" }
}
