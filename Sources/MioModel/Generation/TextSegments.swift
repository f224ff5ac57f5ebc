/// Cuts a long text into segments that are spoken one by one: sentences where they fit, clauses or words where not.
///
/// A text of one hour is far beyond the 2,800 tokens that MIO was trained on, while a sentence takes some hundred. The
/// segments are independent requests of one batch. To keep one voice over all of them:
///
/// - they share the beginning of their prompt, the sampling settings and the seed (``GenerationRequest/stream`` is the
///   number of the segment), and
/// - the first segment, which is kept short so that sound starts soon, becomes the ``VoicePrompt`` of the others: their
///   prompt says the text of the first segment and their own, and their speech begins with its frames.
///
/// Nothing is lost: the segments in order are the text, apart from white space between them.
package struct TextSegments: Hashable, Sendable {
  /// How long segments should be, in the unit of the measure: characters, tokens.
  package struct Lengths: Hashable, Sendable {
    /// Sentences below this are joined with the next one of the same paragraph.
    package var shortest: Int
    /// No segment is longer, unless a single character is.
    package var longest: Int
    /// The same for the first segment, which decides how soon sound starts and is the voice of the others.
    package var longestFirst: Int

    package init(shortest: Int, longest: Int, longestFirst: Int? = nil) {
      precondition(longest >= 1, "a segment needs room for a character")
      self.longest = longest
      self.shortest = min(shortest, longest)
      self.longestFirst = min(max(longestFirst ?? longest, 1), longest)
    }

    /// About 8 seconds of speech at most, 4 for the first segment; for ``TextSegments/characterLength(of:)``.
    ///
    /// At 200 tokens a second and some 100 for the prompt, the first segment and another one make up the 2,800 tokens
    /// that MIO was trained on.
    package static let characters = Lengths(shortest: 40, longest: 120, longestFirst: 60)
    /// The same for tokens of the checkpoint's tokenizer.
    package static let tokens = Lengths(shortest: 10, longest: 30, longestFirst: 15)
  }

  package struct Segment: Hashable, Sendable {
    package var text: String
    /// What separates the segment from the next; decides the length of the pause.
    package var end: Break
  }

  /// How much of a break there is between two words, weakest first.
  package enum Break: Int, Comparable, Hashable, Sendable {
    case insideWord, word, clause, strongClause, sentence, paragraph

    package static func < (a: Break, b: Break) -> Bool { a.rawValue < b.rawValue }
  }

  package let segments: [Segment]

  /// - Parameter measure: the length of a run of characters without white space. The length of a segment is the sum over
  ///   its words.
  /// - Complexity: O(length of `text`) and one call of `measure` for a word.
  package init(_ text: String, lengths: Lengths = .characters, measure: (Substring) -> Int = characterLength) {
    let words = Self.words(of: text, lengths: lengths, measure: measure)
    var segments: [Segment] = []
    var start = 0
    while start < words.count {
      let end = Self.endOfSegment(words, from: start, isFirst: start == 0, lengths: lengths)
      segments.append(
        Segment(
          text: String(text[words[start].range.lowerBound..<words[end - 1].range.upperBound]),
          end: end == words.count ? .paragraph : words[end - 1].end))
      start = end
    }
    self.segments = segments
  }

  /// Characters of a word with the space behind it; those of scripts without spaces count three, being as long to
  /// speak.
  package static func characterLength(of word: Substring) -> Int {
    let unspaced = word.reduce(0) { $0 + (isUnspaced($1) ? 1 : 0) }
    return word.count + 2 * unspaced + (unspaced == 0 ? 1 : 0)
  }

  // MARK: - Grouping words

  struct Word {
    var range: Range<String.Index>
    var length: Int
    var end: Break
  }

  /// The index after the last word of the segment that begins at `start`.
  private static func endOfSegment(_ words: [Word], from start: Int, isFirst: Bool, lengths: Lengths) -> Int {
    let longest = isFirst ? lengths.longestFirst : lengths.longest
    let shortest = min(lengths.shortest, longest)
    var length = 0
    var lastSentence: Int?  // the latest end of a sentence that keeps the segment within `longest`
    var index = start
    while index < words.count {
      length += words[index].length
      if length > longest && index > start { break }
      index += 1
      let isEnd = index == words.count
      if isEnd || words[index - 1].end >= .sentence {
        lastSentence = index
        if isEnd || length >= shortest || words[index - 1].end == .paragraph { return index }
      }
    }
    return lastSentence ?? cut(words, from: start, to: index, longest: longest)
  }

  /// Where to cut a sentence of which only the words `start..<limit` fit: at the strongest break near the end of an
  /// equal share, so that no scrap is left over.
  private static func cut(_ words: [Word], from start: Int, to limit: Int, longest: Int) -> Int {
    var rest = 0
    var end = start
    while end < words.count {
      rest += words[end].length
      end += 1
      if words[end - 1].end >= .sentence || rest > 4 * longest { break }
    }
    let share = Double(rest) / Double((rest + longest - 1) / longest)
    var (best, bestCost) = (limit, Double.infinity)
    var length = 0
    for index in start..<limit {
      length += words[index].length
      let penalty: Double =
        switch words[index].end {
        case .strongClause, .sentence, .paragraph: 0
        case .clause: 0.25
        case .word: 0.7
        case .insideWord: 2
        }
      let cost = abs(Double(length) - share) / Double(longest) + penalty
      if cost < bestCost { (best, bestCost) = (index + 1, cost) }
    }
    return max(best, start + 1)
  }
}
