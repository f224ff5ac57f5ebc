import Foundation

/// What a model can say of a text. A file may name the characters that its model was taught, and the letters of the
/// longest word; what lies beyond would come out as noise.
struct SpeakableText {
  /// The text in the characters and words that are known.
  let text: String
  /// Characters that are not, each once, in the order of the text.
  let leftOut: [Character]
  /// The beginnings of runs that are too long to be words, with their lengths.
  let longRuns: [String]

  /// - Throws: ``MioError`` if nothing remains that has a sound.
  init(_ text: String, characters: Set<Character>?, longestWord: Int?) throws(MioError) {
    let plain = SpokenCharacters.plain(text)
    let spelled = characters.map { Self.spelled(plain, in: $0) } ?? (plain, [])
    leftOut = spelled.1
    (self.text, longRuns) = longestWord.map { Self.withoutLongRuns(spelled.0, longest: $0) } ?? (spelled.0, [])
    guard self.text.contains(where: { $0.isLetter || $0.isNumber }) else {
      if let run = longRuns.first, let longestWord {
        throw MioError(
          .invalidInput, "the text has nothing to say: \(run); this model says words of at most \(longestWord)")
      }
      let unknown = String(leftOut.prefix(20))
      throw MioError(
        .invalidInput,
        "the text has nothing to say: no letter and no number"
          + (unknown.isEmpty ? "" : " that this model was taught ('\(unknown)' is not)"))
    }
  }

  /// Brings characters to others of the same meaning that are known; the rest become white space.
  private static func spelled(_ text: String, in characters: Set<Character>) -> (String, [Character]) {
    var result = ""
    var unknown: [Character] = []
    var spellings: [Character: String] = [:]
    for character in text {
      if characters.contains(character) || character.isWhitespace {
        result.append(character)
      } else if let known = spellings[character] {
        result += known
      } else {
        let plain =
          Self.spellings[character]
          ?? String(character).folding(options: [.diacriticInsensitive, .widthInsensitive], locale: nil)
        let isKnown = !plain.isEmpty && plain.allSatisfy(characters.contains)
        if !isKnown { unknown.append(character) }
        spellings[character] = isKnown ? plain : " "
        result += isKnown ? plain : " "
      }
    }
    guard !unknown.isEmpty else { return (result, []) }
    return (result.split(separator: " ").joined(separator: " "), unknown)
  }

  /// Runs without a space that are longer than a word are parted at their marks; what still is too long is left out.
  private static func withoutLongRuns(_ text: String, longest: Int) -> (String, [String]) {
    var result = ""
    var runs: [String] = []
    var rest = text[...]
    while let start = rest.firstIndex(where: { !$0.isWhitespace }) {
      result += rest[..<start]
      let run = rest[start...].prefix { !$0.isWhitespace }
      rest = rest[run.endIndex...]
      guard run.count > longest else {
        result += run
        continue
      }
      var words: [Substring] = []
      for word in parted(run) {
        if word.count <= longest { words.append(word) } else { runs.append(described(word)) }
      }
      result += words.joined(separator: " ")
    }
    return (result + rest, runs)
  }

  private static func described(_ run: Substring) -> String {
    "'\(run.prefix(20))...' has \(run.count) characters without a space"
  }

  /// The words of a run, each with the marks behind it.
  private static func parted(_ run: Substring) -> [Substring] {
    var words: [Substring] = []
    var start = run.startIndex
    var isBehindMark = false
    for index in run.indices {
      let isMark = !run[index].isLetter && !run[index].isNumber && run[index] != "'"
      if isBehindMark && !isMark {
        words.append(run[start..<index])
        start = index
      }
      isBehindMark = isMark
    }
    words.append(run[start...])
    return words
  }

  private static let spellings: [Character: String] = [
    "’": "'", "‘": "'", "ʼ": "'", "“": "\"", "”": "\"", "„": "\"", "«": "\"", "»": "\"", "–": "-", "—": "-", "…": "...",
    "−": "-", "‐": "-", "―": "-", "‹": "'", "›": "'", "ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l",
  ]
}

extension Model {
  /// The characters of a text that this model was not taught to say, each once; speech leaves them out.
  ///
  /// - Throws: ``MioError`` if the model can say nothing of the text.
  public func unspeakableCharacters(in text: String) throws(MioError) -> [Character] {
    try speakable(text).leftOut
  }

  /// What speech leaves out of a text, in words for people: characters that this model was not taught to say, and runs of
  /// letters that are too long to be words.
  ///
  /// - Parameters:
  ///   - text: what is to be said.
  ///   - normalizing: as in ``SpeechOptions/normalizesText``.
  /// - Throws: ``MioError`` if the model can say nothing of the text.
  public func unspeakable(in text: String, normalizing: Bool? = nil) throws(MioError) -> [String] {
    let speakable = try speakable(text, normalizing: normalizing)
    let characters = speakable.leftOut.prefix(40).map(String.init).joined(separator: " ")
    let more = speakable.leftOut.count > 40 ? " and \(speakable.leftOut.count - 40) more" : ""
    return (characters.isEmpty ? [] : ["this model was not taught to say them: \(characters)\(more)"])
      + speakable.longRuns.prefix(3)
      + (speakable.longRuns.count > 3 ? ["\(speakable.longRuns.count - 3) more such runs"] : [])
  }

  /// A text as it is given to the model to speak: what it has in digits, signs and abbreviations written out where the file asks
  /// for it, in the characters that the model was taught.
  ///
  /// - Parameters:
  ///   - text: what is to be said.
  ///   - normalizing: as in ``SpeechOptions/normalizesText``.
  /// - Throws: ``MioError`` if the model can say nothing of the text.
  public func spokenForm(of text: String, normalizing: Bool? = nil) throws(MioError) -> String {
    try speakable(text, normalizing: normalizing).text
  }

  func speakable(_ text: String, normalizing: Bool? = nil) throws(MioError) -> SpeakableText {
    let (characters, longestWord, language): (String?, Int?, String?)
    do {
      characters = try settings.stringIfPresent("characters")
      longestWord = try settings.intIfPresent("letters_per_word")
      language = try settings.stringIfPresent("text_normalization")
    } catch {
      throw MioError(error)
    }
    if let language, language != "en" {
      throw MioError(
        .invalidModel,
        "generation.text_normalization is '\(language)'; this version writes out English (en) alone; use a newer one")
    }
    let visible = SpokenCharacters.visible(text)
    let written = normalizing ?? (language != nil) ? EnglishText.spoken(visible) : visible
    return try SpeakableText(written, characters: characters.map(Set.init), longestWord: longestWord)
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
