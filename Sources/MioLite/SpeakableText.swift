import Foundation

/// What a model can say of a text. A file may name the characters that its model was taught, and the letters of the
/// longest word; what lies beyond would come out as noise.
struct SpeakableText {
  /// The text in the characters that are known.
  let text: String
  /// Characters that are not, each once, in the order of the text.
  let leftOut: [Character]

  /// - Throws: ``MioError`` if nothing remains that has a sound, or a word is too long to be one.
  init(_ text: String, characters: Set<Character>?, longestWord: Int?) throws(MioError) {
    (self.text, leftOut) = characters.map { Self.spelled(text, in: $0) } ?? (text, [])
    guard self.text.contains(where: { $0.isLetter || $0.isNumber }) else {
      let unknown = String(leftOut.prefix(20))
      throw MioError(
        .invalidInput,
        "the text has nothing to say: no letter and no number"
          + (unknown.isEmpty ? "" : " that this model was taught ('\(unknown)' is not)"))
    }
    guard let longestWord else { return }
    if let word = self.text.split(whereSeparator: \.isWhitespace).first(where: { $0.count > longestWord }) {
      throw MioError(
        .invalidInput,
        "'\(String(word.prefix(20)))...' has \(word.count) characters without a space; "
          + "this model says words of at most \(longestWord)")
    }
  }

  /// Brings characters to others of the same meaning that are known; the rest become white space.
  private static func spelled(_ text: String, in characters: Set<Character>) -> (String, [Character]) {
    var result = ""
    var unknown: [Character] = []
    for character in text {
      if characters.contains(character) || character.isWhitespace {
        result.append(character)
        continue
      }
      let plain =
        spellings[character]
        ?? String(character).folding(options: [.diacriticInsensitive, .widthInsensitive], locale: nil)
      if !plain.isEmpty && plain.allSatisfy(characters.contains) {
        result += plain
      } else {
        if !unknown.contains(character) { unknown.append(character) }
        result.append(" ")
      }
    }
    return (unknown.isEmpty ? result : result.split(separator: " ").joined(separator: " "), unknown)
  }

  private static let spellings: [Character: String] = [
    "’": "'", "‘": "'", "ʼ": "'", "“": "\"", "”": "\"", "„": "\"", "«": "\"", "»": "\"", "–": "-", "—": "-", "…": "...",
    "ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l",
  ]
}

extension Model {
  /// The characters of a text that this model was not taught to say, each once; speech leaves them out.
  ///
  /// - Throws: ``MioError`` if the model can say nothing of the text.
  public func unspeakableCharacters(in text: String) throws(MioError) -> [Character] {
    try speakable(text).leftOut
  }

  func speakable(_ text: String) throws(MioError) -> SpeakableText {
    let (characters, longestWord): (String?, Int?)
    do {
      characters = try settings.stringIfPresent("characters")
      longestWord = try settings.intIfPresent("letters_per_word")
    } catch {
      throw MioError(error)
    }
    return try SpeakableText(text, characters: characters.map(Set.init), longestWord: longestWord)
  }

  /// Speech without the silence at its end, where the file says what level that has.
  func withoutSilentEnd(_ samples: [Float]) throws(MioError) -> [Float] {
    let level: Double?
    do { level = try settings.floatIfPresent("silence_level") } catch { throw MioError(error) }
    guard let level, let rate = speechSampleRateHz else { return samples }
    let last = samples.lastIndex { Double(abs($0)) > level } ?? -1
    return Array(samples.prefix(last + 1 + Int(Self.secondsAfterSpeech * Double(rate))))
  }

  /// Silence that is left after speech.
  private static let secondsAfterSpeech = 0.06
}
