/// Writes out what a text has in digits, signs and abbreviations, as somebody who reads it aloud says it: "$3.50" is "three
/// dollars and fifty cents". The words of the text stay as they are, and so do its lines.
///
/// A text is gone through word by word; what stands around a number decides how it is read: a unit, a month, a currency behind
/// or before it.
package struct EnglishText {
  /// A run without white space, parted into what opens it, its core, and what closes it.
  struct Word {
    var opening: Substring
    var core: Substring
    var closing: Substring
    /// White space before it.
    var gap: Substring

    var isPlain: Bool { opening.isEmpty && closing.isEmpty }
  }

  private(set) var words: [Word] = []
  private let line: Substring
  /// Whether most letters of the text are capitals, which then mean nothing.
  private let isShouted: Bool

  /// - Parameter text: white space in it is spaces, tabs and line ends, as ``SpokenCharacters/visible(_:)`` leaves it.
  package static func spoken(_ text: String) -> String {
    var result = ""
    result.reserveCapacity(text.utf8.count)
    // Line by line, so that a book takes no more memory than its longest paragraph.
    let bytes = text.utf8
    var index = text.startIndex
    while index < text.endIndex {
      let end = bytes[index...].firstIndex(of: newline) ?? text.endIndex
      EnglishText(text[index..<end]).append(to: &result)
      index = bytes[end...].firstIndex { $0 != newline } ?? text.endIndex
      result += text[end..<index]
    }
    return result
  }

  private static let newline: UInt8 = 0x0A

  private init(_ line: Substring) {
    self.line = line
    isShouted = Self.isShouted(line)
    words = Self.words(of: line)
  }

  private static func isShouted(_ line: Substring) -> Bool {
    // Small letters are more than a fifth in all that is not.
    if line.utf8.count(where: \.isLowercaseLetter) * 5 >= line.utf8.count { return false }
    let letters = line.filter(\.isLetter)
    let words = line.split(whereSeparator: \.isWhitespace)
    return words.count > 2 && letters.count > 8 && letters.count(where: \.isUppercase) * 10 > letters.count * 8
      && words.contains { EnglishWords.capitalWords.contains(String($0)) }
  }

  // MARK: - Words

  private static let openers: Set<Character> = ["(", "[", "{", "\"", "'", "“", "‘", "«", "¿", "¡", "*", "_"]
  private static let closers: Set<Character> = [
    ")", "]", "}", "\"", "'", "”", "’", "»", ",", ";", ":", "!", "?", ".", "…", "*", "_",
  ]

  private static func words(of line: Substring) -> [Word] {
    var words: [Word] = []
    let bytes = line.utf8
    var index = line.startIndex
    while index < line.endIndex {
      let start = bytes[index...].firstIndex { !$0.isSpace } ?? line.endIndex
      let end = bytes[start...].firstIndex(where: \.isSpace) ?? line.endIndex
      let run = line[start..<end]
      let core = self.core(of: run)
      words.append(
        Word(opening: run[..<core.startIndex], core: core, closing: run[core.endIndex...], gap: line[index..<start]))
      index = end
    }
    return words
  }

  /// A run without what opens and closes it.
  private static func core(of run: Substring) -> Substring {
    var core = run
    while core.utf8.first?.isLetterOrDigit == false, let first = core.first, openers.contains(first), !isDecade(core) {
      core.removeFirst()
    }
    while core.utf8.last?.isLetterOrDigit == false, let last = core.last, closers.contains(last) {
      if last == ")" && core.contains("(") { break }
      core.removeLast()
    }
    return core
  }

  /// '80s
  private static func isDecade(_ core: Substring) -> Bool {
    guard let first = core.first, first == "'" || first == "’" else { return false }
    let digits = core.dropFirst().prefix(while: EnglishNumbers.isDigit)
    return digits.count == 2 && core.dropFirst(3).prefix(1) == "s"
  }

  private func core(_ index: Int) -> String { words.indices.contains(index) ? String(words[index].core) : "" }

  private func closes(_ index: Int) -> Bool { words.indices.contains(index) && !words[index].closing.isEmpty }

  // MARK: - Reading

  private func append(to result: inout String) {
    var index = 0
    // What stays is copied in one piece.
    var copied = line.startIndex
    while index < words.count {
      if stays(words[index]) {
        index += 1
        continue
      }
      let reading = reading(at: index)
      let first = words[index]
      let last = words[index + reading.count - 1]
      result += line[copied..<first.gap.endIndex]
      copied = last.closing.endIndex
      index += reading.count
      guard reading.keepsMarks else {
        result += reading.text
        continue
      }
      let isParted = reading.count > 1 && first.closing.first == ")" && first.opening.last == "("
      result += isParted ? first.opening.dropLast() : first.opening
      result +=
        first.core.first?.isUppercase == true && reading.isExpanded
        ? reading.text.prefix(1).uppercased() + reading.text.dropFirst() : reading.text
      // The full stop of an abbreviation belongs to the abbreviation, unless a sentence ends there.
      result += reading.keepsStop ? last.closing : last.closing.dropFirst()
    }
    result += line[copied...]
  }

  /// Whether a word is none that could be read as another, whatever is around it: a quick way through long texts.
  private func stays(_ word: Word) -> Bool {
    var isCapital = false
    var count = 0
    for byte in word.core.utf8 {
      if count == 0 && byte.isUppercaseLetter { isCapital = true } else if !byte.isLowercaseLetter { return false }
      count += 1
    }
    if word.closing.utf8.first == 0x2E { return count > EnglishWords.longestAbbreviation }
    return count > (isCapital ? EnglishWords.longestMonth : EnglishWords.longestPlainAbbreviation)
      || count > 1 && !isCapital && EnglishWords.plainAbbreviations[String(word.core)] == nil
  }

  private struct Reading {
    var text: String
    /// Words that it reads.
    var count = 1
    var keepsStop = true
    /// Whether the marks around it stay.
    var keepsMarks = true
    /// Whether it stands for a word, whose capital it takes over.
    var isExpanded = false
  }

  /// Bytes of the longest run that may mean something.
  private static let longestWord = 256

  private static let arithmetic = [
    "-": "minus", "–": "minus", "*": "times", "x": "times", "+": "plus", "=": "equals", "/": "over",
  ]

  private func isNumber(_ index: Int) -> Bool { core(index).last?.isNumber == true || core(index).first?.isNumber == true }

  private func reading(at index: Int) -> Reading {
    let word = words[index]
    let run = line[word.opening.startIndex..<word.closing.endIndex]
    if run.utf8.count <= 3, let sign = Self.arithmetic[String(run)], isNumber(index - 1), isNumber(index + 1) {
      return Reading(text: sign, keepsMarks: false)
    }
    guard let first = word.core.first else { return Reading(text: "") }
    guard word.core.utf8.count <= Self.longestWord else { return Reading(text: String(word.core)) }
    if word.core.allSatisfy({ $0.isLowercase && $0.isASCII }) && word.closing.first != "." {
      return Reading(text: EnglishWords.plainAbbreviations[String(word.core)] ?? String(word.core))
    }
    if var reading = abbreviation(at: index) {
      reading.isExpanded = true
      return reading
    }
    if let reading = address(at: index) { return reading }
    if word.core.contains(where: { $0.isNumber && !$0.isLetter }) {
      if let numeric = numeric(at: index, words) {
        return Reading(text: numeric.text, count: numeric.count, keepsStop: !numeric.dropsMark)
      }
      return Reading(text: mixed(String(word.core)))
    }
    if first.isUppercase, word.core.count <= 4, word.closing.isEmpty, isNumber(index + 1),
      let month = EnglishWords.month(String(word.core))
    {
      return Reading(text: EnglishWords.months[month - 1], isExpanded: true)
    }
    if first.isUppercase, let text = capitals(at: index) { return Reading(text: text) }
    if word.core.allSatisfy({ $0.isLetter || $0 == "-" || $0 == "'" || $0 == "’" }) {
      return Reading(text: compound(String(word.core)))
    }
    return Reading(text: signs(in: String(word.core)))
  }

  /// Parts of a compound, of which some may be capitals.
  private func compound(_ core: String) -> String {
    guard core.utf8.contains(0x2D), core.contains(where: \.isUppercase) else { return core }
    return core.split(separator: "-", omittingEmptySubsequences: false).map { part in
      Self.letters(of: String(part), isShouted: isShouted) ?? String(part)
    }.joined(separator: "-")
  }

  // MARK: - Abbreviations

  /// Abbreviations that are words of their own, too.
  private static let ambiguous: Set<String> = [
    "no", "mon", "sun", "sat", "wed", "art", "mar", "jan", "dec", "ed", "al", "co", "max", "min", "sec", "mo", "fri", "thu",
    "temp", "cal",
  ]

  private func abbreviation(at index: Int) -> Reading? {
    let word = words[index]
    let name = word.core.lowercased()
    let next = core(index + 1)
    let isNextName = next.first?.isUppercase == true
    let isNextNumber = next.first.map { $0.isNumber || "$€£#".contains($0) } ?? false
    let hasStop = name.utf8.contains(0x2E)
    guard word.closing.first == "." || hasStop || EnglishWords.plainAbbreviations[name] != nil else { return nil }
    guard word.closing.first == "." else {
      if let text = EnglishWords.plainAbbreviations[name], name != "dr" || isNextName { return Reading(text: text) }
      return hasStop ? initials(word, next: next) : nil
    }
    let isLast = index + 1 == words.count
    let isEnd = isLast || (isNextName && !closesWithComma(word))
    if let street = EnglishWords.streets[name], isStreet(index) {
      return Reading(text: street, keepsStop: isLast || word.closing.count > 1)
    }
    if isNextNumber, word.closing == ".", let text = EnglishWords.beforeNumbers[name] {
      return Reading(text: text, keepsStop: false)
    }
    if let title = EnglishWords.titles[name],
      isNextName
        || next.isEmpty == false && name != "st" && name != "ft" && name != "mt" && name != "gen" && name != "rep"
          && name != "hon" && name != "col" && name != "ms"
    {
      guard isNextName || name != "ft" else { return nil }
      return Reading(text: title, keepsStop: word.closing.count > 1)
    }
    if name == "vs" || name == "approx" || name == "v" {
      return Reading(text: name == "approx" ? "approximately" : "versus", keepsStop: false)
    }
    if Self.ambiguous.contains(name) {
      // Words of their own, too: only where what follows decides.
      let isMonth = EnglishWords.month(name) != nil || name == "mar"
      let isName = word.core.first?.isUppercase == true
      guard
        isNextNumber
          || (isName && ["mon", "sun", "sat", "wed", "thu", "fri"].contains(name)
            && (!isLast || name != "sun" && name != "sat" && index > 0))
          || name == "al" || (name == "co" && isName)
          || ["max", "min", "sec"].contains(name) && index > 0 && core(index - 1).last?.isNumber == true
      else {
        return isMonth && isName && !isLast ? Reading(text: EnglishWords.abbreviations[name] ?? name, keepsStop: isEnd) : nil
      }
    }
    if let text = EnglishWords.abbreviations[name] ?? EnglishWords.plainAbbreviations[name] {
      let isNameDot = ["inc", "ltd", "co", "corp", "bros", "jr", "sr", "etc"].contains(name)
      return Reading(text: text, keepsStop: isLast || word.closing.count > 1 || (isNameDot && isNextName && name == "etc"))
    }
    return initials(word, next: next)
  }

  private func closesWithComma(_ word: Word) -> Bool { word.closing.contains(",") }

  /// Whether "St." or "Dr." at a place is part of an address: "12 Oak St."
  private func isStreet(_ index: Int) -> Bool {
    let (previous, next) = (core(index - 1), core(index + 1))
    guard previous.first?.isUppercase == true || previous.last?.isLetter == true && previous.first?.isNumber == true else {
      return false
    }
    if closes(index - 1) { return false }
    guard index >= 2 else { return next.isEmpty || next.first?.isUppercase != true }
    let isNumbered = (max(0, index - 4)..<(index - 1)).contains { core($0).first?.isNumber == true }
    return isNumbered || next.isEmpty || next.first?.isUppercase != true || words[index].closing.count > 1
  }

  /// U.S., a.m., J. R. R.: letters with full stops.
  private func initials(_ word: Word, next: String) -> Reading? {
    let parts = word.core.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count >= 2, parts.allSatisfy({ $0.count == 1 && $0.first?.isLetter == true }) else { return nil }
    let isEnd = next.isEmpty || next.first?.isUppercase == true && word.core.last?.isLowercase == true
    return Reading(
      text: parts.map { $0.uppercased() }.joined(separator: " "),
      keepsStop: isEnd || word.closing.count > 1 || word.closing.first != ".")
  }

  // MARK: - Capitals

  private func capitals(at index: Int) -> String? {
    let core = String(words[index].core)
    if let roman = roman(at: index) { return roman }
    return Self.letters(of: core, isShouted: isShouted)
  }

  /// The letters of capitals that are spelled; nil for words.
  private static func letters(of core: String, isShouted: Bool) -> String? {
    var stem = core
    var ending = ""
    for suffix in ["'s", "’s", "s"] where stem.hasSuffix(suffix) && stem.dropLast(suffix.count).allSatisfy(\.isUppercase) {
      if stem.count - suffix.count >= 2 {
        stem = String(stem.dropLast(suffix.count))
        ending = "'s"
        break
      }
    }
    if isShouted, core.count == 1 { return core == "I" ? core : core.lowercased() }
    guard stem.count >= 2, stem.allSatisfy({ $0.isUppercase && $0.isASCII }) else { return nil }
    if EnglishWords.spokenAcronyms.contains(stem) { return String(stem.prefix(1)) + stem.dropFirst().lowercased() + ending }
    if !EnglishWords.spelledAcronyms.contains(stem) || isShouted {
      let vowels = stem.count { "AEIOUY".contains($0) }
      if isShouted && vowels > 0 || EnglishWords.capitalWords.contains(stem) { return stem.lowercased() + ending }
      if stem.count >= 5 && vowels >= 1 || stem.count == 4 && vowels >= 1 && ending.isEmpty && isWordLike(stem) {
        return stem.lowercased() + ending
      }
    }
    return stem.map(String.init).joined(separator: " ") + ending
  }

  /// Whether vowels and consonants change as in a word.
  private static func isWordLike(_ capitals: String) -> Bool {
    var run = 0
    for letter in capitals {
      run = "AEIOUY".contains(letter) ? 0 : run + 1
      if run > 2 { return false }
    }
    return !capitals.contains("Q") && capitals.count { "AEIOUY".contains($0) } <= 2
  }

  private func roman(at index: Int) -> String? {
    let core = String(words[index].core)
    guard
      core.count >= 2 || index > 0 && Self.isNumbered(self.core(index - 1)) && !closes(index - 1) && core != "I"
        || core == "I" && index > 0 && Self.isNumbered(self.core(index - 1)) && !closes(index - 1),
      !EnglishWords.notRoman.contains(core), let value = Self.romanValue(core), value < 4000
    else { return nil }
    let previous = self.core(index - 1)
    if EnglishWords.kings.contains(previous.lowercased()), !closes(index - 1) { return "the " + EnglishNumbers.ordinal(value) }
    if Self.isNumbered(previous) || value < 40 && core.count >= 2 || core.count >= 4 {
      return value >= 1100 && core.count >= 4 ? EnglishNumbers.year(value) : EnglishNumbers.cardinal(value)
    }
    return nil
  }

  /// Words that a roman number follows.
  private static func isNumbered(_ word: String) -> Bool {
    [
      "chapter", "part", "act", "scene", "volume", "book", "war", "section", "phase", "type", "class", "level", "stage",
      "appendix",
      "article", "title", "page", "step", "grade", "figure", "table", "rocky", "bowl", "round", "world",
    ].contains(word.lowercased())
  }

  private static func romanValue(_ text: String) -> Int? {
    let digits: [Character: Int] = ["I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000]
    var total = 0
    let values = text.compactMap { digits[$0] }
    guard values.count == text.count else { return nil }
    for (index, value) in values.enumerated() {
      total += index + 1 < values.count && values[index + 1] > value ? -value : value
    }
    return total > 0 && roman(total) == text ? total : nil
  }

  private static func roman(_ value: Int) -> String {
    var (rest, text) = (value, "")
    for (amount, sign) in [
      (1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"), (9, "IX"),
      (5, "V"),
      (4, "IV"), (1, "I"),
    ] {
      while rest >= amount {
        text += sign
        rest -= amount
      }
    }
    return text
  }

  // MARK: - Addresses

  /// Addresses of the web and of mail.
  private func address(at index: Int) -> Reading? {
    let core = String(words[index].core)
    // All of them have a point, but for "http://localhost".
    guard core.utf8.contains(where: { $0 == 0x2E || $0 == 0x3A }) else { return nil }
    let lower = core.lowercased()
    let isWeb = ["http://", "https://", "ftp://", "www."].contains(where: lower.hasPrefix)
    let isMail =
      core.firstIndex(of: "@").map { $0 != core.startIndex && core[$0...].dropFirst().contains(".") } ?? false
    guard isWeb || isMail || Self.isDomain(lower) else { return nil }
    var rest = lower[...]
    for scheme in ["https://", "http://", "ftp://"] where rest.hasPrefix(scheme) { rest = rest.dropFirst(scheme.count) }
    if rest.hasSuffix("/") { rest = rest.dropLast() }
    var parts: [String] = []
    var word = ""
    func end() {
      if word == "www" {
        parts.append("W W W")
      } else if word.allSatisfy(EnglishNumbers.isDigit), !word.isEmpty {
        parts.append(EnglishNumbers.cardinal(digits: word))
      } else if !word.isEmpty {
        parts.append(
          word.contains(where: { "aeiouy".contains($0) }) ? word : word.uppercased().map(String.init).joined(separator: " "))
      }
      word = ""
    }
    for character in rest {
      if character.isLetter || character.isNumber {
        if let last = word.last, last.isNumber != character.isNumber { end() }
        word.append(character)
        continue
      }
      end()
      let names: [Character: String] = [
        ".": "dot", "/": "slash", "@": "at", "-": "dash", "_": "underscore", "?": "question mark", "=": "equals", "&": "and",
        ":": "colon",
        "#": "hash", "%": "percent", "+": "plus", "~": "tilde",
      ]
      if let name = names[character] { parts.append(name) }
    }
    end()
    return Reading(text: parts.joined(separator: " "))
  }

  private static let domains: Set<Substring> = [
    "com", "org", "net", "edu", "gov", "io", "de", "co", "uk", "fr", "ai", "dev", "eu", "info", "app", "ch",
  ]

  /// example.com, without a scheme.
  private static func isDomain(_ lower: String) -> Bool {
    let host = lower.prefix { $0 != "/" }
    let parts = host.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count >= 2, let last = parts.last, domains.contains(last) else { return false }
    return parts.allSatisfy { !$0.isEmpty && $0.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") } }
      && parts[0].contains(where: \.isLetter) && parts[0].count > 1
  }

  // MARK: - Signs and mixtures

  /// Letters and digits without an order that is known: MP3, 3D, H2O, COVID-19, 5x5, 2+2=4.
  private func mixed(_ core: String) -> String {
    let compounds = core.split(whereSeparator: { "-–".contains($0) }).map(String.init)
    if compounds.count > 1, core.first?.isLetter == true || core.first?.isNumber == true {
      return compounds.map { part in
        let word = Word(opening: "", core: part[...], closing: "", gap: "")
        guard part.contains(where: \.isNumber) else { return Self.letters(of: part, isShouted: isShouted) ?? part }
        return numeric(at: 0, [word])?.text ?? mixed(part)
      }.joined(separator: compounds.allSatisfy { $0.first?.isNumber == true } ? " to " : " ")
    }
    var parts: [String] = []
    var rest = core[...]
    while let first = rest.first {
      if EnglishNumbers.isDigit(first) {
        let (number, _) = Self.parted(String(rest))
        parts.append(EnglishNumbers.number(number) ?? EnglishNumbers.one(byOne: number))
        rest = rest.dropFirst(number.count)
      } else if let digit = EnglishWords.superscripts[first] {
        let run = rest.prefix { EnglishWords.superscripts[$0] != nil }
        parts.append(power(run.compactMap { EnglishWords.superscripts[$0] }.joined(), digit))
        rest = rest.dropFirst(run.count)
      } else if first.isNumber, !first.isLetter, let value = first.wholeNumberValue {
        parts.append(EnglishNumbers.cardinal(value))
        rest = rest.dropFirst()
      } else if let (top, bottom) = EnglishWords.fractions[first] {
        parts.append(EnglishNumbers.fraction(top, bottom) ?? "")
        rest = rest.dropFirst()
      } else if first.isLetter {
        let run = rest.prefix(while: \.isLetter)
        let isBetween = run == "x" && !parts.isEmpty && rest.dropFirst().first?.isNumber == true
        let isSpelled =
          run.count > 1 && run.allSatisfy { $0.isUppercase && $0.isASCII } && !EnglishWords.spokenAcronyms.contains(String(run))
          && run.count < 5
        parts.append(
          isBetween
            ? "by"
            : isSpelled
              ? run.map(String.init).joined(separator: " ")
              : EnglishWords.spokenAcronyms.contains(String(run)) ? run.prefix(1) + run.dropFirst().lowercased() : String(run))
        rest = rest.dropFirst(run.count)
      } else {
        let isInside = !parts.isEmpty && rest.count > 1
        let names: [Character: String] = [
          "-": isInside ? "" : "minus", "/": "slash", ".": "point", ",": "", ":": "", "'": "", "’": "", "*": "times", "(": "",
          ")": "",
        ]
        if let name = names[first] ?? EnglishWords.signs[first] {
          if !name.isEmpty { parts.append(name) }
        } else {
          parts.append(String(first))
        }
        rest = rest.dropFirst()
      }
    }
    return parts.joined(separator: " ")
  }

  private func power(_ exponent: String, _ first: String) -> String {
    switch exponent {
    case "2": "squared"
    case "3": "cubed"
    default: "to the power of " + (Int(exponent).map { EnglishNumbers.cardinal($0) } ?? exponent)
    }
  }

  /// Words with signs between them.
  private func signs(in core: String) -> String {
    // A run of marks is a line or a pattern, not arithmetic.
    if core.count > 2, !core.contains(where: { $0.isLetter || $0.isNumber }) { return core }
    guard
      core.contains(where: {
        EnglishWords.signs[$0] != nil || $0 == "/" || EnglishWords.fractions[$0] != nil || EnglishWords.superscripts[$0] != nil
      })
    else { return core }
    if let text = EnglishWords.plainAbbreviations[core.lowercased()] { return text }
    if core == "°C" { return "degrees celsius" }
    if core == "°F" { return "degrees fahrenheit" }
    if core.hasPrefix("#"), core.count > 1, core.dropFirst().allSatisfy({ $0.isLetter || $0.isNumber || $0 == "_" }) {
      return "hashtag " + core.dropFirst()
    }
    if core.hasPrefix("@"), core.count > 1 { return "at " + signs(in: String(core.dropFirst())) }
    if core.contains(where: { EnglishWords.superscripts[$0] != nil || EnglishWords.fractions[$0] != nil }) {
      return mixed(core)
    }
    var text = ""
    for character in core {
      if character == "/" {
        text += core.count > 1 ? " " : "slash"
      } else if let name = EnglishWords.signs[character] {
        text += name.isEmpty ? "" : name == " " || name == "," ? name : " \(name) "
      } else {
        text.append(character)
      }
    }
    return text.split(separator: " ").joined(separator: " ")
  }
}
