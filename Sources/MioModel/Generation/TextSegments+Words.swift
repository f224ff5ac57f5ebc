extension TextSegments {
  /// The words of a text, each with the break that follows it.
  ///
  /// A word is a run without white space; scripts that put none between words (Chinese, Japanese, Thai ...) may break
  /// after any character. Words longer than a segment are cut.
  static func words(of text: String, lengths: Lengths, measure: (Substring) -> Int) -> [Word] {
    var words: [Word] = []
    var index = text.startIndex
    while index < text.endIndex {
      if text[index].isWhitespace {
        index = text.index(after: index)
        continue
      }
      let start = index
      while index < text.endIndex && !text[index].isWhitespace { index = text.index(after: index) }
      append(text[start..<index], lengths: lengths, measure: measure, to: &words)
      let (gap, next) = self.gap(in: text, from: index)
      words[words.count - 1].end = breakAfter(text[start..<index], gap: gap, before: text[next...], in: text)
      index = next
    }
    return words
  }

  private enum Gap {
    case space, line, blankLine
  }

  private static func gap(in text: String, from start: String.Index) -> (Gap, String.Index) {
    var (index, lines) = (start, 0)
    while index < text.endIndex, text[index].isWhitespace {
      if text[index].isNewline { lines += text[index] == "\u{2029}" ? 2 : 1 }
      index = text.index(after: index)
    }
    return (lines > 1 ? .blankLine : lines == 1 ? .line : .space, index)
  }

  // MARK: - Inside a run of characters

  /// Appends a run as one word, or as several where it may be broken.
  private static func append(
    _ run: Substring, lengths: Lengths, measure: (Substring) -> Int, to words: inout [Word]
  ) {
    var start = run.startIndex
    var index = run.startIndex
    var mark: Break?  // of the punctuation that the characters before `index` end with
    while index < run.endIndex {
      let character = run[index]
      mark = breakAtMark(character) ?? (closers.contains(character) ? mark : nil)
      index = run.index(after: index)
      guard index < run.endIndex, !staysWithWord(run[index]) else { continue }
      let next = run[index]
      let isLetters = isUnspaced(character) && (isUnspaced(next) || next.isLetter || next.isNumber)
      guard let end = mark ?? (isLetters ? .word : nil) else { continue }
      appendWord(run[start..<index], end: end, lengths: lengths, measure: measure, to: &words)
      start = index
    }
    appendWord(run[start...], end: .word, lengths: lengths, measure: measure, to: &words)
  }

  /// The break after a mark that needs no white space behind it.
  private static func breakAtMark(_ character: Character) -> Break? {
    if wideStops.contains(character) { return .sentence }
    if character == "；" || character == "：" { return .strongClause }
    return character == "—" || wideClauseMarks.contains(character) ? .clause : nil
  }

  /// Whether the character is punctuation that no break may separate from the word before it.
  private static func staysWithWord(_ character: Character) -> Bool {
    closers.contains(character) || fullStops.contains(character) || clauseMarks.contains(character)
      || breakAtMark(character) != nil
  }

  private static func appendWord(
    _ word: Substring, end: Break, lengths: Lengths, measure: (Substring) -> Int, to words: inout [Word]
  ) {
    let length = measure(word)
    if length > lengths.longestFirst && word.count > 1 {
      let middle = word.index(word.startIndex, offsetBy: word.count / 2)
      appendWord(word[..<middle], end: .insideWord, lengths: lengths, measure: measure, to: &words)
      appendWord(word[middle...], end: end, lengths: lengths, measure: measure, to: &words)
    } else {
      words.append(Word(range: word.startIndex..<word.endIndex, length: length, end: end))
    }
  }

  // MARK: - Between runs

  /// The break after `run`, which white space separates from `rest`.
  private static func breakAfter(_ run: Substring, gap: Gap, before rest: Substring, in text: String) -> Break {
    if gap == .blankLine || rest.isEmpty { return .paragraph }
    var body = run
    while let last = body.last, closers.contains(last) { body.removeLast() }
    let weakest: Break = gap == .line ? .clause : .word
    guard let last = body.last else { return weakest }
    if wideStops.contains(last) { return .sentence }
    if fullStops.contains(last) {
      return max(weakest, stop(last, body: body, before: rest, isLineEnd: gap == .line, in: text))
    }
    if strongClauseMarks.contains(last) { return .strongClause }
    if clauseMarks.contains(last) || wideClauseMarks.contains(last) || body.endIndex < run.endIndex { return .clause }
    return weakest
  }

  /// The break at a full stop, question mark, exclamation mark or ellipsis at the end of `body`.
  private static func stop(
    _ mark: Character, body: Substring, before rest: Substring, isLineEnd: Bool, in text: String
  ) -> Break {
    guard let next = rest.first(where: { $0.isLetter || $0.isNumber || fullStops.contains($0) }) else {
      return .sentence
    }
    if next.isLowercase { return .clause }  // "What?" he said; e.g. this; and ... then
    if mark != "." || body.hasSuffix("..") { return .sentence }
    var word = body.dropLast()
    while let first = word.first, !first.isLetter && !first.isNumber { word.removeFirst() }
    if word.allSatisfy(\.isNumber) {  // "1. First": the number belongs to what follows
      let isNumbering = body.startIndex == text.startIndex || text[text.index(before: body.startIndex)].isNewline
      return isNumbering ? .word : .sentence
    }
    if titles.contains(word.lowercased()) { return .word }
    if word.count == 1 && word != "I" && !isSpelled(before: body.startIndex, in: text) { return .word }  // an initial
    if word.contains(".") { return .strongClause }  // "U.S.", "a.m.": may end a sentence or not
    return .sentence
  }

  /// Whether a letter stands alone before, as in "the F B I.": what follows is no initial.
  private static func isSpelled(before index: String.Index, in text: String) -> Bool {
    let end = Array(text[..<index].suffix(3))
    guard end.count >= 2, end[end.count - 1].isWhitespace, end[end.count - 2].isUppercase else { return false }
    return end.count == 2 || end[0].isWhitespace
  }

  // MARK: - Characters

  private static let fullStops: Set<Character> = [".", "!", "?", "…", "‼", "⁇", "⁈", "⁉", "؟", "۔", "।", "॥", "։", "።"]
  private static let wideStops: Set<Character> = ["。", "！", "？", "｡"]
  private static let wideClauseMarks: Set<Character> = ["、", "，", "；", "："]
  private static let strongClauseMarks: Set<Character> = [";", ":", "—", "–", "；", "：", "؛"]
  private static let clauseMarks: Set<Character> = [",", "،", ";", ":", "-"]
  private static let closers: Set<Character> = [
    "\"", "'", "”", "’", "»", "›", ")", "]", "}", "」", "』", "）", "】", "》", "〉", "*", "_",
  ]

  /// Abbreviations that a name or number follows, in lower case without the stop.
  private static let titles: Set<String> = [
    "mr", "mrs", "ms", "dr", "prof", "st", "jr", "sr", "gen", "col", "lt", "sgt", "capt", "rev", "hon", "mt", "messrs",
    "no", "nos", "nr", "vol", "fig", "figs", "pp", "ch", "sec", "eq", "vs", "cf", "approx", "ca", "al", "art", "bzw",
    "mme", "mlle", "sra", "srta", "dra", "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov",
    "dec", "tel", "ext", "dept", "univ", "gov", "sen", "rep", "pres",
  ]

  /// Whether the character's script puts no spaces between words.
  static func isUnspaced(_ character: Character) -> Bool {
    guard let scalar = character.unicodeScalars.first?.value else { return false }
    return switch scalar {
    case 0x0E00...0x0EFF, 0x0F00...0x0FFF, 0x1000...0x109F, 0x1780...0x17FF: true  // Thai, Lao, Tibetan, Burmese, Khmer
    case 0x3040...0x30FF, 0x31F0...0x31FF, 0xFF66...0xFF9D: true  // kana
    case 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xF900...0xFAFF, 0x20000...0x3FFFF: true  // Han
    default: false
    }
  }
}
