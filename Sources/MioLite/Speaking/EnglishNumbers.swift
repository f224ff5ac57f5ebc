/// Numbers in English words.
enum EnglishNumbers {
  private static let small = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
  ]
  private static let tens = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
  private static let scales = ["", "thousand", "million", "billion", "trillion", "quadrillion"]
  private static let irregular = [
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
  ]

  /// Digits of the longest number that is not read digit by digit.
  private static let longest = 18

  /// A whole number.
  static func cardinal(_ value: Int) -> String {
    if value < 0 { return "minus " + cardinal(Int(value.magnitude)) }
    if value < 20 { return small[value] }
    if value < 100 { return tens[value / 10] + (value % 10 == 0 ? "" : " " + small[value % 10]) }
    if value < 1000 { return small[value / 100] + " hundred" + (value % 100 == 0 ? "" : " " + cardinal(value % 100)) }
    var groups: [String] = []
    var (rest, scale) = (value, 0)
    while rest > 0 {
      if rest % 1000 != 0 { groups.append(cardinal(rest % 1000) + (scale == 0 ? "" : " " + scales[min(scale, 5)])) }
      rest /= 1000
      scale += 1
      if scale == 5 && rest > 0 {
        groups.append(cardinal(rest) + " quadrillion")
        break
      }
    }
    return groups.reversed().joined(separator: " ")
  }

  /// The digits of a whole number, without separators; those of codes (a leading zero) and very long ones are read one by one.
  static func cardinal<Text: StringProtocol>(digits: Text) -> String {
    if digits.count > longest || (digits.count > 1 && digits.first == "0") { return one(byOne: digits) }
    return Int(digits).map { cardinal($0) } ?? one(byOne: digits)
  }

  static func one<Text: StringProtocol>(byOne digits: Text) -> String {
    digits.compactMap(\.wholeNumberValue).map { small[$0] }.joined(separator: " ")
  }

  static func ordinal(_ value: Int) -> String {
    var words = cardinal(value).split(separator: " ").map(String.init)
    guard let last = words.popLast() else { return "" }
    let changed = irregular[last] ?? (last.hasSuffix("y") ? last.dropLast() + "ieth" : last + "th")
    return (words + [changed]).joined(separator: " ")
  }

  /// A year of four digits.
  static func year(_ value: Int) -> String {
    let (century, rest) = (value / 100, value % 100)
    if value < 1000 || (2000...2009).contains(value) || (rest == 0 && century % 10 == 0) { return cardinal(value) }
    if rest == 0 { return cardinal(century) + " hundred" }
    return cardinal(century) + (rest < 10 ? " oh " : " ") + cardinal(rest)
  }

  /// The plural of a number's last word: eighties, nineteen hundreds.
  static func plural(_ words: String) -> String {
    words.hasSuffix("y") ? words.dropLast() + "ies" : words.hasSuffix("x") ? words + "es" : words + "s"
  }

  /// A number with thousands separators and a decimal point, as it is written; nil if it is none.
  static func number<Text: StringProtocol>(_ text: Text) -> String? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    // 1,5 is one and a half in most of Europe.
    let halves = text.split(separator: ",", omittingEmptySubsequences: false)
    if parts.count == 1, halves.count == 2, (1...2).contains(halves[1].count), !halves[0].isEmpty,
      halves.allSatisfy({ $0.allSatisfy(isDigit) })
    {
      return cardinal(digits: halves[0]) + " point " + one(byOne: halves[1])
    }
    guard parts.count <= 2, let whole = parts.first, let digits = plainDigits(whole) else { return nil }
    guard parts.count == 2 else { return digits.isEmpty ? nil : cardinal(digits: digits) }
    guard !parts[1].isEmpty, parts[1].allSatisfy(isDigit) else { return nil }
    return (digits.isEmpty ? "zero" : cardinal(digits: digits)) + " point " + one(byOne: parts[1])
  }

  /// Digits without separators of thousands; nil if there is something else.
  static func plainDigits<Text: StringProtocol>(_ text: Text) -> String? {
    let groups = text.split(separator: ",", omittingEmptySubsequences: false)
    guard groups.allSatisfy({ $0.allSatisfy(isDigit) }) else { return nil }
    if groups.count > 1 {
      guard let first = groups.first, (1...3).contains(first.count), groups.dropFirst().allSatisfy({ $0.count == 3 }) else {
        return nil
      }
    }
    return groups.joined()
  }

  static func isDigit(_ character: Character) -> Bool { character.isASCII && character.isNumber }

  /// A fraction of small numbers: three quarters.
  static func fraction(_ numerator: Int, _ denominator: Int) -> String? {
    guard denominator >= 2, denominator <= 20 || [25, 32, 50, 64, 100, 1000].contains(denominator), numerator >= 1 else {
      return nil
    }
    if denominator == 2 { return numerator == 1 ? "one half" : cardinal(numerator) + " halves" }
    let name = denominator == 4 ? "quarter" : ordinal(denominator)
    return cardinal(numerator) + " " + name + (numerator == 1 ? "" : "s")
  }
}
