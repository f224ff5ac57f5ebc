/// How words with digits are read.
extension EnglishText {
  struct Numeric {
    var text: String
    /// Words that it reads.
    var count = 1
    /// Whether the first mark behind it belongs to it.
    var dropsMark = false
  }

  /// The reading of the word at `index` and of those after it that belong to it; nil if it is a mixture of letters and digits.
  func numeric(at index: Int, _ words: [Word]) -> Numeric? {
    let context = Context(words: words, index: index)
    let core = context.core(0)
    let readings = [date, time, phone, money, ordinal, range, fraction, dotted]
    for reading in readings {
      if let numeric = reading(context) { return numeric }
    }
    return plain(context, core)
  }

  /// A word and its neighbors.
  struct Context {
    let words: [Word]
    let index: Int

    func core(_ offset: Int) -> String {
      words.indices.contains(index + offset) ? String(words[index + offset].core) : ""
    }

    /// Whether nothing but white space stands between two neighbors.
    func isJoined(_ offset: Int) -> Bool {
      words.indices.contains(index + offset) && words[index + offset].opening.isEmpty
        && words[index + offset - 1].closing.isEmpty
    }

    /// The core `offset` words on, if nothing parts it from here.
    func following(_ offset: Int = 1) -> String {
      (1...offset).allSatisfy(isJoined) ? core(offset) : ""
    }
  }

  // MARK: - Dates

  private func date(_ context: Context) -> Numeric? {
    let core = context.core(0)
    let parts = core.split(whereSeparator: { "-/.".contains($0) })
    let marks = core.filter { "-/.".contains($0) }
    if parts.count == 3, marks.count == 2, Set(marks).count == 1, parts.allSatisfy({ $0.allSatisfy(EnglishNumbers.isDigit) }) {
      let numbers = parts.compactMap { Int($0) }
      guard numbers.count == 3 else { return nil }
      if parts[0].count == 4, parts[1].count <= 2, parts[2].count <= 2 { return day(numbers[2], numbers[1], year: numbers[0]) }
      if parts[2].count == 4 || (parts[2].count == 2 && marks.first == "/"), parts[0].count <= 2, parts[1].count <= 2 {
        let year = parts[2].count == 4 ? numbers[2] : numbers[2] + (numbers[2] < 50 ? 2000 : 1900)
        // Month first with slashes, unless there is no such month; day first with points.
        return marks.first == "/" && numbers[0] <= 12
          ? day(numbers[1], numbers[0], year: year) : day(numbers[0], numbers[1], year: year)
      }
      return nil
    }
    // May 3, 2024; 3 May 2024; May 2024.
    guard core.allSatisfy(EnglishNumbers.isDigit), let value = Int(core) else { return nil }
    let isBehindMonth =
      EnglishWords.month(context.core(-1)) != nil && (context.index > 0)
      && ["", "."].contains(context.words[context.index - 1].closing)
    if isBehindMonth, core.count <= 2, (1...31).contains(value) { return Numeric(text: EnglishNumbers.ordinal(value)) }
    if core.count <= 2, (1...31).contains(value), EnglishWords.month(context.following()) != nil,
      context.following().first?.isUppercase == true
    {
      return Numeric(text: "the " + EnglishNumbers.ordinal(value) + " of")
    }
    return nil
  }

  private func day(_ day: Int, _ month: Int, year: Int) -> Numeric? {
    guard (1...12).contains(month), (1...31).contains(day) else { return nil }
    let name = EnglishWords.months[month - 1]
    return Numeric(
      text: name.prefix(1).uppercased() + name.dropFirst() + " " + EnglishNumbers.ordinal(day) + ", "
        + EnglishNumbers.year(year))
  }

  // MARK: - Times

  private static let halves = ["am": "A M", "pm": "P M", "a.m": "A M", "p.m": "P M", "a.m.": "A M", "p.m.": "P M"]

  private func time(_ context: Context) -> Numeric? {
    var core = context.core(0).lowercased()
    var half = ""
    for (suffix, words) in Self.halves where core.hasSuffix(suffix) && core.dropLast(suffix.count).last?.isNumber == true {
      half = " " + words
      core = String(core.dropLast(suffix.count))
      break
    }
    var count = 1
    if half.isEmpty, let words = Self.halves[context.following().lowercased()] {
      half = " " + words
      count = 2
    }
    let parts = core.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.allSatisfy({ !$0.isEmpty && $0.count <= 2 && $0.allSatisfy(EnglishNumbers.isDigit) }) else { return nil }
    let values = parts.compactMap { Int($0) }
    guard let hour = values.first, hour <= 24 else { return nil }
    if values.count == 1 {
      return half.isEmpty || hour > 12 ? nil : Numeric(text: EnglishNumbers.cardinal(hour) + half, count: count)
    }
    guard values.count <= 3, values[1] < 60, parts[1].count == 2 else { return nil }
    var text = EnglishNumbers.cardinal(hour)
    if values[1] == 0 {
      text += half.isEmpty && values.count == 2 ? (hour > 12 || hour == 0 ? " hundred" : " o'clock") : ""
    } else {
      text += (values[1] < 10 ? " oh " : " ") + EnglishNumbers.cardinal(values[1])
    }
    if values.count == 3, parts[2].count == 2 {
      if values[1] == 0 { text += " zero" }
      text += " and " + EnglishNumbers.cardinal(values[2]) + (values[2] == 1 ? " second" : " seconds")
    }
    return Numeric(text: text + half, count: count)
  }

  // MARK: - Phone numbers

  private func phone(_ context: Context) -> Numeric? {
    let core = context.core(0)
    func groups(_ text: String) -> [Substring]? {
      let groups = text.split(whereSeparator: { "-.()/".contains($0) })
      return !groups.isEmpty && groups.allSatisfy { $0.allSatisfy(EnglishNumbers.isDigit) } ? groups : nil
    }
    var all: [Substring] = []
    var count = 1
    var prefix = ""
    if core.hasPrefix("+"), let first = groups(String(core.dropFirst())), first.joined().count <= 15 {
      let isLong = first.joined().count >= 7
      all = first
      prefix = "plus "
      while context.isJoined(count)
        || context.words.indices.contains(context.index + count) && context.words[context.index + count].opening == "(",
        let more = groups(context.core(count)), more.joined().count >= 2
      {
        all += more
        count += 1
      }
      if !isLong && count == 1 { return nil }
    } else if let parts = groups(core), core.contains("-") || parts.count == 3, !core.contains("/"),
      [[3, 4], [3, 3, 4], [1, 3, 3, 4], [1, 800, 3, 4]].contains(parts.map(\.count))
    {
      all = parts
    } else if context.words[context.index].opening == "(", context.words[context.index].closing == ")", core.count == 3,
      let parts = groups(core),
      let rest = groups(context.core(1)), rest.map(\.count) == [3, 4]
    {
      all = parts + rest
      count = 2
    } else {
      return nil
    }
    return Numeric(text: prefix + all.map { EnglishNumbers.one(byOne: $0) }.joined(separator: ", "), count: count)
  }

  // MARK: - Money

  private func money(_ context: Context) -> Numeric? {
    var core = context.core(0)
    var sign = ""
    if let first = core.first, "-−+".contains(first), core.dropFirst().first.map({ "$€£¥₹".contains($0) }) ?? false {
      sign = first == "+" ? "plus " : "minus "
      core.removeFirst()
    }
    var found: (EnglishWords.Currency, String)?
    for (symbol, currency) in EnglishWords.currencies {
      if core.hasPrefix(symbol),
        core.dropFirst(symbol.count).first?.isNumber == true || core.dropFirst(symbol.count).first == "."
      {
        if symbol == "$", found != nil { continue }
        found = (currency, String(core.dropFirst(symbol.count)))
        if symbol.count > 1 { break }
      } else if core.hasSuffix(symbol), core.first?.isNumber == true, core.dropLast(symbol.count).last?.isNumber == true {
        found = (currency, String(core.dropLast(symbol.count)))
      }
    }
    var count = 1
    if found == nil, let currency = EnglishWords.currencies[context.following()], EnglishNumbers.number(core) != nil {
      found = (currency, core)
      count = 2
    }
    guard let (currency, amount) = found else { return nil }
    // $3-5, £10–20
    let ends = amount.split(whereSeparator: { "-–—".contains($0) }).map(String.init)
    if ends.count == 2, let low = EnglishNumbers.number(ends[0]),
      let high = EnglishNumbers.number(ends[1].filter { !"$€£¥₹".contains($0) })
    {
      return Numeric(text: sign + low + " to " + high + " " + magnitude(context, &count) + currency.many, count: count)
    }
    let digits = amount.prefix { EnglishNumbers.isDigit($0) || $0 == "," || $0 == "." }
    let suffix = String(amount.dropFirst(digits.count))
    if !suffix.isEmpty {
      guard let scale = EnglishWords.magnitudes[suffix], let number = EnglishNumbers.number(digits) else { return nil }
      return Numeric(text: "\(sign)\(number) \(scale) \(currency.many)", count: count)
    }
    let scale = count == 1 ? magnitude(context, &count) : ""
    guard let number = EnglishNumbers.number(digits) else { return nil }
    if !scale.isEmpty { return Numeric(text: sign + number + " " + scale + currency.many, count: count) }
    let parts = digits.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 2 else {
      return Numeric(text: sign + number + " " + (number == "one" ? currency.one : currency.many), count: count)
    }
    guard parts[1].count == 2, let cents = Int(parts[1]), let whole = EnglishNumbers.plainDigits(parts[0]) else {
      return Numeric(text: sign + number + " " + currency.many, count: count)
    }
    let wholeWords = EnglishNumbers.cardinal(digits: whole.isEmpty ? "0" : whole)
    var text = wholeWords + " " + (wholeWords == "one" ? currency.one : currency.many)
    let centWords = EnglishNumbers.cardinal(cents) + " " + (cents == 1 ? currency.cent : currency.cents)
    if cents > 0 { text = wholeWords == "zero" ? centWords : text + " and " + centWords }
    return Numeric(text: sign + text, count: count)
  }

  private func magnitude(_ context: Context, _ count: inout Int) -> String {
    let next = context.following()
    guard next.count > 2 || next == "bn" || next == "mn", let scale = EnglishWords.magnitudes[next] else { return "" }
    count += 1
    return scale + " "
  }

  // MARK: - Ordinals, decades

  private func ordinal(_ context: Context) -> Numeric? {
    let core = context.core(0)
    let lower = core.lowercased().replacing("’", with: "'")
    let start = lower.hasPrefix("'") ? lower.dropFirst() : lower[...]
    let written = start.prefix { EnglishNumbers.isDigit($0) || $0 == "," }
    let suffix = start.dropFirst(written.count)
    guard let digits = EnglishNumbers.plainDigits(written) else { return nil }
    if let value = Int(digits), ["st", "nd", "rd", "th"].contains(suffix), digits.count <= 15 {
      let isBehindMonth = EnglishWords.month(context.core(-1)) != nil
      let isBeforeMonth =
        context.following() != "" && EnglishWords.month(context.following()) != nil
        && context.following().first?.isUppercase == true
      let article = isBeforeMonth && !isBehindMonth && context.core(-1).lowercased() != "the" ? "the " : ""
      return Numeric(text: article + EnglishNumbers.ordinal(value) + (isBeforeMonth ? " of" : ""))
    }
    if let value = Int(digits), suffix == "s" || suffix == "'s", digits.count == 4 || digits.count == 2, value % 10 == 0 {
      let words = digits.count == 4 ? EnglishNumbers.year(value) : EnglishNumbers.cardinal(value)
      return Numeric(text: EnglishNumbers.plural(words))
    }
    return nil
  }

  // MARK: - Ranges, fractions, ratios

  private func range(_ context: Context) -> Numeric? {
    let core = context.core(0)
    guard let mark = core.dropFirst().first(where: { "-–—:".contains($0) }) else { return nil }
    let parts = core.split(separator: mark, omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 2 else { return nil }
    let (number, suffix) = Self.parted(parts[1])
    guard
      let first = Self.count(
        parts[0].filter { $0 != "%" && $0 != "°" }, isYear: parts[0].count == 4 && number.count >= 2 && suffix.isEmpty),
      !number.isEmpty,
      let second = Self.count(number, isYear: parts[0].count == 4 && suffix.isEmpty)
    else { return nil }
    if mark == ":" { return suffix.isEmpty ? Numeric(text: first + " to " + second) : nil }
    let unit = unit(suffix, context, isOne: false)
    guard suffix.isEmpty || unit != nil else { return nil }
    return Numeric(text: first + " to " + second + (unit.map { " " + $0.text } ?? ""), count: unit?.count ?? 1)
  }

  private static func count(_ text: String, isYear: Bool) -> String? {
    if isYear, text.count == 4, let value = Int(text), (1100...2099).contains(value) { return EnglishNumbers.year(value) }
    return EnglishNumbers.number(text)
  }

  private func fraction(_ context: Context) -> Numeric? {
    let core = context.core(0)
    let special = core.last.flatMap { EnglishWords.fractions[$0] }
    if let (top, bottom) = special, let words = EnglishNumbers.fraction(top, bottom) {
      let whole = core.dropLast()
      let unit = unit("", context, isOne: false)
      let behind = unit.map { " " + $0.text } ?? ""
      if whole.isEmpty {
        return Numeric(text: words + (unit.map { " of a " + ($0.one ?? $0.text) } ?? ""), count: unit?.count ?? 1)
      }
      guard let number = EnglishNumbers.number(whole) else { return nil }
      return Numeric(text: number + " and " + (words == "one half" ? "a half" : words) + behind, count: unit?.count ?? 1)
    }
    let parts = core.split(separator: "/", omittingEmptySubsequences: false)
    if parts.count == 2, let top = Int(parts[0]), let bottom = Int(parts[1]),
      parts.allSatisfy({ $0.allSatisfy(EnglishNumbers.isDigit) })
    {
      if (top, bottom) == (24, 7) || (top, bottom) == (9, 11) || top == bottom {
        return Numeric(text: EnglishNumbers.cardinal(top) + " " + EnglishNumbers.cardinal(bottom))
      }
      if top < bottom || bottom == 2, let words = EnglishNumbers.fraction(top, bottom) { return Numeric(text: words) }
      return Numeric(text: EnglishNumbers.cardinal(top) + " over " + EnglishNumbers.cardinal(bottom))
    }
    if parts.count == 2, let top = EnglishNumbers.number(parts[0]), let bottom = EnglishNumbers.number(parts[1]) {
      return Numeric(text: top + " out of " + bottom)
    }
    // 2 1/2
    let next = context.following().split(separator: "/", omittingEmptySubsequences: false)
    if core.allSatisfy(EnglishNumbers.isDigit), next.count == 2, let top = Int(next[0]), let bottom = Int(next[1]),
      top < bottom,
      let words = EnglishNumbers.fraction(top, bottom)
    {
      return Numeric(text: EnglishNumbers.cardinal(digits: core) + " and " + (words == "one half" ? "a half" : words), count: 2)
    }
    return nil
  }

  // MARK: - Versions and addresses

  private func dotted(_ context: Context) -> Numeric? {
    var core = context.core(0)
    var prefix = ""
    if let first = core.first, first == "v" || first == "V", core.dropFirst().first?.isNumber == true {
      prefix = "version "
      core.removeFirst()
    }
    let parts = core.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.allSatisfy({ !$0.isEmpty && $0.allSatisfy(EnglishNumbers.isDigit) }), parts.count >= 3 || !prefix.isEmpty else {
      return nil
    }
    let joint = parts.count >= 4 ? " dot " : " point "
    return Numeric(text: prefix + parts.map { EnglishNumbers.cardinal(digits: $0) }.joined(separator: joint))
  }

  // MARK: - Numbers and their units

  /// A number at the beginning, and what follows.
  static func parted(_ text: String) -> (number: String, suffix: String) {
    var number = text.prefix { EnglishNumbers.isDigit($0) || $0 == "." || $0 == "," }
    while let last = number.last, !last.isNumber { number.removeLast() }
    return (String(number), String(text.dropFirst(number.count)))
  }

  private static let longSigns = [("+/-", "plus or minus "), ("<=", "at most "), (">=", "at least ")]
  private static let signs: [Character: String] = [
    "-": "minus ", "−": "minus ", "–": "minus ", "+": "plus ", "±": "plus or minus ", "~": "about ", "≈": "about ",
    "<": "less than ", ">": "more than ", "#": "number ", "№": "number ", "§": "section ", "≥": "at least ", "≤": "at most ",
  ]

  private func plain(_ context: Context, _ core: String) -> Numeric? {
    var core = core
    var sign = ""
    if let (mark, word) = Self.longSigns.first(where: { core.hasPrefix($0.0) }) {
      sign = word
      core = String(core.dropFirst(mark.count))
    } else if let first = core.first, let word = Self.signs[first] {
      sign = word
      core.removeFirst()
    }
    if core.contains("e") || core.contains("E"), let text = scientific(core) { return Numeric(text: sign + text) }
    let (number, suffix) = Self.parted(core)
    guard let words = EnglishNumbers.number(number) else { return nil }
    if suffix.isEmpty || suffix.first == "%" || suffix.first == "°" || suffix.first == "‰" {
      let unit = unit(suffix, context, isOne: words == "one")
      guard suffix.isEmpty || unit != nil else { return nil }
      if unit == nil, sign.isEmpty, isYear(number, context), let value = Int(number) {
        return Numeric(text: EnglishNumbers.year(value))
      }
      return Numeric(text: sign + words + (unit.map { " " + $0.text } ?? ""), count: unit?.count ?? 1)
    }
    // 5'10", 6'
    if let feet = feet(number, suffix) {
      return Numeric(text: sign + feet, dropsMark: suffix.count > 1 && context.words[context.index].closing.first == "\"")
    }
    if let unit = unit(suffix, context, isOne: words == "one") {
      return Numeric(text: "\(sign)\(words) \(unit.text)", count: unit.count)
    }
    if let scale = EnglishWords.magnitudes[suffix], !["T", "b", "B", "k", "K"].contains(suffix) {
      return Numeric(text: "\(sign)\(words) \(scale)")
    }
    // 3-year-old, 10-minute, 5-star
    if suffix.first == "-", suffix.dropFirst().allSatisfy({ $0.isLetter || $0 == "-" }), suffix.count > 2 {
      return Numeric(text: sign + words + " " + suffix.dropFirst().replacing("-", with: " "))
    }
    if suffix == "x" || suffix == "×" { return Numeric(text: sign + words + " times") }
    return nil
  }

  private func feet(_ number: String, _ suffix: String) -> String? {
    guard let first = suffix.first, "'′’".contains(first), let value = Int(number) else { return nil }
    let (inches, mark) = Self.parted(String(suffix.dropFirst()))
    let feet = EnglishNumbers.cardinal(value) + (value == 1 ? " foot" : " feet")
    if inches.isEmpty { return mark.isEmpty ? feet : nil }
    guard mark.isEmpty || "\"″”".contains(mark), let count = Int(inches) else { return nil }
    return feet + " " + EnglishNumbers.cardinal(count)
  }

  private func scientific(_ core: String) -> String? {
    let parts = core.lowercased().split(separator: "e", omittingEmptySubsequences: false)
    guard parts.count == 2, let mantissa = EnglishNumbers.number(parts[0]), let power = Int(parts[1]) else { return nil }
    return mantissa + " times ten to the power of " + EnglishNumbers.cardinal(power)
  }

  /// Four digits are a year, unless what is beside them says that they count something.
  private func isYear(_ digits: String, _ context: Context) -> Bool {
    guard digits.count == 4, digits.allSatisfy(EnglishNumbers.isDigit), let value = Int(digits), (1100...2099).contains(value)
    else {
      return false
    }
    return !["number", "no", "page", "pages", "room", "#"].contains(context.core(-1).lowercased())
  }

  struct Unit {
    let text: String
    let one: String?
    let count: Int
  }

  /// Units that are words of their own, too.
  private static let ambiguousUnits: Set<String> = ["in", "a", "A", "t", "K", "B", "T", "pt", "I"]

  /// The unit that touches a number, or follows it as a word of its own.
  private func unit(_ suffix: String, _ context: Context, isOne: Bool) -> Unit? {
    if suffix.isEmpty {
      let next = context.following()
      if next == "%" || next == "percent" && false { return Unit(text: "percent", one: nil, count: 2) }
      if next == "°", context.words.indices.contains(context.index + 2) { return Unit(text: "degrees", one: nil, count: 2) }
      // "5 in" may be five of something in something; so may "5 a".
      let after = context.following(2)
      let isWord =
        Self.ambiguousUnits.contains(next)
        && !(next == "in" && after.isEmpty && context.index + 2 >= context.words.count)
      guard !isWord, let (one, many) = EnglishWords.units[next] else { return nil }
      return Unit(text: isOne ? one : many, one: one, count: 2)
    }
    if suffix == "%" { return Unit(text: "percent", one: nil, count: 1) }
    if suffix == "‰" { return Unit(text: "per mille", one: nil, count: 1) }
    var name = suffix
    if name.first == "-" { name.removeFirst() }
    if name == "K" || name == "k" || name == "B" || name == "T" || name == "M" { return nil }
    guard let (one, many) = EnglishWords.units[name] else { return nil }
    return Unit(text: isOne || suffix.first == "-" ? one : many, one: one, count: 1)
  }
}
