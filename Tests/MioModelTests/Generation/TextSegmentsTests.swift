import MioModel
import Testing

@Suite struct TextSegmentsTests {
  static func cut(_ text: String, shortest: Int = 1, longest: Int = 1000) -> [String] {
    TextSegments(text, lengths: .init(shortest: shortest, longest: longest)).segments.map(\.text)
  }

  @Test(arguments: [
    ("One. Two! Three? Four… Five.", ["One.", "Two!", "Three?", "Four…", "Five."]),
    ("It costs 3.50 today. In 1997 it did not.", ["It costs 3.50 today.", "In 1997 it did not."]),
    (
      "Mr. Smith met Dr. J. K. Jones on Baker St. yesterday. They spoke.",
      [
        "Mr. Smith met Dr. J. K. Jones on Baker St. yesterday.", "They spoke.",
      ]
    ),
    ("Ask the F B I. They know J. Smith. A M D. Yes.", ["Ask the F B I.", "They know J. Smith.", "A M D.", "Yes."]),
    ("He said \"Stop!\" and left. \"Why?\" she asked.", ["He said \"Stop!\" and left.", "\"Why?\" she asked."]),
    ("“It rains.” “Does it?” (Yes.) So.", ["“It rains.”", "“Does it?”", "(Yes.)", "So."]),
    ("Well ... maybe. Wait... What?!", ["Well ... maybe.", "Wait...", "What?!"]),
    ("Use e.g. this, i.e. that. At 5 p.m. we go.", ["Use e.g. this, i.e. that.", "At 5 p.m. we go."]),
    ("1. Open the box. 2. Take it.", ["1. Open the box.", "2.", "Take it."]),
    ("今天天气很好。我们去公园吧！“真的吗？”他说。", ["今天天气很好。", "我们去公园吧！", "“真的吗？”", "他说。"]),
    ("First line\nsecond line.\n\nNew paragraph", ["First line\nsecond line.", "New paragraph"]),
    ("क्या हाल है। ठीक है।", ["क्या हाल है।", "ठीक है।"]),
    ("", []), ("  \n ", []), ("word", ["word"]), ("...", ["..."]),
  ]) func `finds the ends of sentences`(text: String, expected: [String]) {
    #expect(Self.cut(text) == expected)
  }

  @Test func `cuts long sentences at clauses, and evenly`() {
    let text =
      "When the rain had stopped, the children went out to play; the dog, who had slept all day, followed them "
      + "to the river, where the water was high, and barked at the ducks"
    let segments = Self.cut(text, longest: 90)
    #expect(
      segments == [
        "When the rain had stopped, the children went out to play;",
        "the dog, who had slept all day, followed them to the river,",
        "where the water was high, and barked at the ducks",
      ])
    #expect(
      Self.cut(String(repeating: "word ", count: 30), longest: 60).allSatisfy { (45...60).contains($0.count + 1) })
  }

  @Test func `joins short sentences, but not over paragraphs`() {
    #expect(
      Self.cut("Yes. No. Perhaps it is so. Or.\n\nOh.", shortest: 12) == ["Yes. No. Perhaps it is so.", "Or.", "Oh."])
  }

  @Test func `the first segment is short`() {
    let text = "This is the first sentence of all, and it goes on for quite a while. This is another one of that kind."
    let segments = TextSegments(text, lengths: .init(shortest: 10, longest: 200, longestFirst: 40)).segments
    #expect(
      segments.map(\.text) == [
        "This is the first sentence of all,", "and it goes on for quite a while.", "This is another one of that kind.",
      ])
    #expect(segments.map(\.end) == [.clause, .sentence, .paragraph])
  }

  @Test(arguments: 0..<300) func `no text is lost and no segment is too long`(seed: UInt64) {
    var random = RandomStream(seed: seed)
    let parts = [
      "word", "a", "Dr.", "3.5", "end.", "Really?", "„Ja“,", "—", "…", "...", "\n", "\n\n", "\r\n\r\n", "\t", "中文字符",
      "。", "」", "，",
      "supercalifragilisticexpialidocious", "https://example.org/a/b?c=d&e=f", "👩‍👩‍👧", "é", "U.S.", "I.", ";", "(", ")",
      "สวัสดีครับ", "\u{2029}", "!",
    ]
    var text = ""
    for _ in 0..<Int.random(in: 0..<120, using: &random) {
      text += parts.randomElement(using: &random)! + (Bool.random(using: &random) ? " " : "")
    }
    let longest = Int.random(in: 1..<60, using: &random)
    let lengths = TextSegments.Lengths(
      shortest: Int.random(in: 0..<30, using: &random), longest: longest,
      longestFirst: Int.random(in: 1..<60, using: &random))
    let segments = TextSegments(text, lengths: lengths) { $0.count }.segments
    #expect(segments.map(\.text).joined().filter { !$0.isWhitespace } == text.filter { !$0.isWhitespace }, "seed \(seed)")
    for (index, segment) in segments.enumerated() {
      let count = segment.text.filter { !$0.isWhitespace }.count
      #expect(count <= (index == 0 ? lengths.longestFirst : lengths.longest), "seed \(seed)")
      #expect(segment.text.first?.isWhitespace == false && segment.text.last?.isWhitespace == false, "seed \(seed)")
    }
  }

  @Test func `a megabyte of text takes one pass`() {
    let text = String(repeating: "The quick robin entered the hut, and asked for tea. ", count: 20_000)
    let start = ContinuousClock.now
    let segments = TextSegments(text).segments
    #expect(segments.count == 20_000)
    let unbroken = TextSegments(String(repeating: "x", count: 1_000_000)).segments
    #expect(unbroken.allSatisfy { $0.text.count <= 120 })
    #expect(ContinuousClock.now - start < .seconds(20))
  }
}
