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
    var result: [UInt8] = []
    result.reserveCapacity(text.utf8.count)
    var unknown: [Character] = []
    var spellings: [Character: String] = [:]
    func spell(_ character: Character) {
      if characters.contains(character) || character.isWhitespace { return result.append(contentsOf: character.utf8) }
      if let known = spellings[character] { return result.append(contentsOf: known.utf8) }
      let plain =
        Self.spellings[character]
        ?? String(character).folding(options: [.diacriticInsensitive, .widthInsensitive], locale: nil)
      let isKnown = !plain.isEmpty && plain.allSatisfy(characters.contains)
      if !isKnown { unknown.append(character) }
      spellings[character] = isKnown ? plain : " "
      result.append(contentsOf: (isKnown ? plain : " ").utf8)
    }
    let isKnown = (UInt8(0)..<0x80).map { characters.contains(Character(Unicode.Scalar($0))) || $0.isSpace }
    text.forEachCharacter { byte, _ in
      if isKnown[Int(byte)] { result.append(byte) } else { spell(Character(Unicode.Scalar(byte))) }
    } other: { character, _ in
      spell(character)
    }
    return (String(decoding: unknown.isEmpty ? result : withSingleSpaces(result), as: UTF8.self), unknown)
  }

  private static func withSingleSpaces(_ bytes: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    for byte in bytes where byte != 0x20 || (result.last ?? 0x20) != 0x20 { result.append(byte) }
    if result.last == 0x20 { result.removeLast() }
    return result
  }

  /// Runs without a space that are longer than a word are parted at their marks; what still is too long is left out.
  private static func withoutLongRuns(_ text: String, longest: Int) -> (String, [String]) {
    var result = ""
    var runs: [String] = []
    let bytes = text.utf8
    // What stays is copied in one piece.
    var (copied, index) = (text.startIndex, text.startIndex)
    while let start = bytes[index...].firstIndex(where: { !$0.isSpace }) {
      index = bytes[start...].firstIndex(where: \.isSpace) ?? text.endIndex
      let run = text[start..<index]
      guard run.utf8.count > longest, run.count > longest else { continue }
      var words: [Substring] = []
      for word in parted(run) {
        if word.count <= longest { words.append(word) } else { runs.append(described(word)) }
      }
      result += text[copied..<start] + words.joined(separator: " ")
      copied = index
    }
    return (result + text[copied...], runs)
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

/// A text as a model speaks it, and what it leaves out: ``Model/spokenText(of:normalizing:)``.
public struct SpokenText: Hashable, Sendable {
  /// The text with digits, signs and abbreviations written out where the model asks for it, in the characters that it was
  /// taught.
  public let text: String
  /// What is left out, in words for people: characters that the model was not taught to say, and runs of letters that are
  /// too long to be words.
  public let leftOut: [String]
  /// The characters among them, each once.
  let unknown: [Character]

  init(_ speakable: SpeakableText) {
    text = speakable.text
    unknown = speakable.leftOut
    let (characters, runs) = (unknown.prefix(40).map(String.init).joined(separator: " "), speakable.longRuns)
    let more = unknown.count > 40 ? " and \(unknown.count - 40) more" : ""
    leftOut =
      (characters.isEmpty ? [] : ["this model was not taught to say them: \(characters)\(more)"]) + runs.prefix(3)
      + (runs.count > 3 ? ["\(runs.count - 3) more such runs"] : [])
  }
}

extension Model {
  /// A text as it is given to the model to speak, once for ``speech(for:options:)-(SpokenText,_)`` and for what it leaves out.
  ///
  /// - Parameters:
  ///   - text: what is to be said, of any length; the work is linear in it.
  ///   - normalizing: as in ``SpeechOptions/normalizesText``.
  /// - Throws: ``MioError`` if the model can say nothing of the text.
  public func spokenText(of text: String, normalizing: Bool? = nil) throws(MioError) -> SpokenText {
    SpokenText(try speakable(text, normalizing: normalizing))
  }

  /// The characters of a text that this model was not taught to say, each once; speech leaves them out.
  ///
  /// - Throws: ``MioError`` if the model can say nothing of the text.
  public func unspeakableCharacters(in text: String) throws(MioError) -> [Character] {
    try spokenText(of: text).unknown
  }

  /// What speech leaves out of a text: ``SpokenText/leftOut``.
  ///
  /// - Parameters:
  ///   - text: what is to be said.
  ///   - normalizing: as in ``SpeechOptions/normalizesText``.
  /// - Throws: ``MioError`` if the model can say nothing of the text.
  public func unspeakable(in text: String, normalizing: Bool? = nil) throws(MioError) -> [String] {
    try spokenText(of: text, normalizing: normalizing).leftOut
  }

  /// A text as it is given to the model to speak: ``SpokenText/text``.
  ///
  /// - Parameters:
  ///   - text: what is to be said.
  ///   - normalizing: as in ``SpeechOptions/normalizesText``.
  /// - Throws: ``MioError`` if the model can say nothing of the text.
  public func spokenForm(of text: String, normalizing: Bool? = nil) throws(MioError) -> String {
    try spokenText(of: text, normalizing: normalizing).text
  }

  private func speakable(_ text: String, normalizing: Bool?) throws(MioError) -> SpeakableText {
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
