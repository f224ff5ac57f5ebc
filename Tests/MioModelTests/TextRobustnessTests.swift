import Foundation
import MioModel
import MioTestSupport
import Testing

/// Big inputs, damaged tables and laws that need no oracle.
@Suite struct TextRobustnessTests {
  static let names = TextTrustTests.names

  @Test(arguments: names)
  func `gives back every text that it encoded`(name: String) throws {
    let tokenizer = try TextTokenizerTests.tokenizer(name)
    let texts = [
      "Hello world", " Hello", "  two  spaces  ", "\n\ttabs\r\n", "今天天气很好", "🙂👩‍👩‍👧", "cafe\u{301}", "\u{0}nul\u{7F}", "e",
      " ", "\u{FFFD}",
      "a\u{2028}b\u{3000}", "<b>bold</b> [x]",
    ]
    for text in texts {
      let ids = try tokenizer.encode(text, trusted: false, addsEnds: false)
      expectSame(tokenizer.plainText(of: ids), text, "\(name)")
    }
  }

  @Test(arguments: names)
  func `streams the same text in whole characters`(name: String) throws {
    let tokenizer = try TextTokenizerTests.tokenizer(name)
    var generator = SplitMix(seed: 7)
    for _ in 0..<300 {
      let ids = (0..<12).map { _ in Int32(generator.next() % UInt64(tokenizer.pieceCount)) }
      var decoder = PlainTextDecoder(tokenizer, continuing: false)
      let pieces = ids.map { decoder.append($0) } + [decoder.finish()]
      expectSame(pieces.joined(), tokenizer.plainText(of: ids), "\(name): \(ids)")
    }
    var decoder = PlainTextDecoder(tokenizer, continuing: true)
    let smile = try tokenizer.encode("x🙂", trusted: false, addsEnds: false).suffix(4)
    let pieces = smile.map { decoder.append($0) }
    #expect(pieces == ["", "", "", "🙂"])
  }

  @Test func `replaces what is no character`() throws {
    let tokenizer = try TextTokenizerTests.tokenizer("tiny-mio")
    let byte0 = try #require(tokenizer.id(of: "<0x00>"))
    func text(_ bytes: [UInt8]) -> String { tokenizer.plainText(of: bytes.map { byte0 + Int32($0) }, continuing: true) }
    #expect(text([0x41, 0xFF, 0xFE, 0x42]) == "A\u{FFFD}\u{FFFD}B")
    #expect(text([0xF0, 0x9F, 0x99]) == "\u{FFFD}\u{FFFD}\u{FFFD}")
    #expect(text([0xC0, 0x80]) == "\u{FFFD}\u{FFFD}")
    #expect(text([0xED, 0xA0, 0x80]) == "\u{FFFD}\u{FFFD}\u{FFFD}")
    #expect(text([0xF0, 0xC3, 0xA9]) == "\u{FFFD}é")
    #expect(text([0xF4, 0x90, 0x80, 0x80]) == "\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}")
  }

  /// A million bytes of texts that make naive algorithms quadratic.
  private static let parts = [
    "prose": "The quick robin entered the hut and asked for a small cup of tea. 今天天气很好，我们去公园散步吧。 ",
    "one letter": "a", "spaces": " ", "brackets": "<", "beginnings of tokens": "<|im_en", "tokens": "<spch12>",
    "bytes": "🙂",
    "tokens and spaces": " <image> ",
  ]

  @Test(arguments: parts.keys.sorted())
  func `encodes a million bytes in linear time`(name: String) throws {
    let tokenizer = try TextTokenizerTests.tokenizer("tiny-mio")
    let part = try #require(Self.parts[name])
    let text = String(repeating: part, count: 1_000_000 / part.utf8.count)
    for trusted in [true, false] {
      let start = threadSeconds()
      let ids = try tokenizer.encode(text, trusted: trusted)
      // About 0.3 s; the quadratic algorithm takes hours.
      #expect(threadSeconds() - start < 2, "\(name), trusted \(trusted)")
      if !trusted { #expect(tokenizer.plainText(of: ids) == text) }
    }
  }

  /// Processor time of this thread, so that a busy machine does not fail the test.
  private func threadSeconds() -> Double {
    var time = timespec()
    unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  @Test func `encodes a long text like its lines one by one`() throws {
    // Sentences end with a newline, which no piece spans, so a long text is the sum of its lines.
    let tokenizer = try TextTokenizerTests.tokenizer("special_im")
    let lines = ["The quick robin entered the hut.\n", "a  b\n", "naïve façade\n", "1234567890\n", "今天天气很好\n", "\n"]
    var text = ""
    var ids: [Int32] = []
    var generator = SplitMix(seed: 3)
    for _ in 0..<2000 {
      let line = lines[Int(generator.next() % UInt64(lines.count))]
      text += line
      ids += try tokenizer.encode(line, trusted: true, addsEnds: false)
    }
    #expect(try tokenizer.encode(text, trusted: true, addsEnds: false) == ids)
  }

  // MARK: - Damaged tables

  @Test func `refuses a tokenizer that is cut off at any place`() throws {
    let blob = try Goldens.tokenizerBlob("special_im")
    for length in stride(from: 0, to: blob.count, by: 7) {
      #expect(throws: TextError.self) { try TextTokenizer(parsing: Array(blob.prefix(length))) }
    }
    #expect(throws: TextError.self) { try TextTokenizer(parsing: blob + [0]) }
    #expect(throws: TextError.self) { try TextTokenizer(parsing: blob + [0, 0, 0, 0]) }
  }

  @Test func `refuses header fields at their extremes`() throws {
    let blob = try Goldens.tokenizerBlob("special_im")
    for offset in stride(from: 0, to: 80, by: 4) {
      for value in [0, 1, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0xFFFF_FFFE, 0x0100_0000] as [UInt32] {
        var damaged = blob
        for i in 0..<4 { damaged[offset + i] = UInt8(truncatingIfNeeded: value >> UInt32(8 * i)) }
        do { try use(TextTokenizer(parsing: damaged)) } catch { #expect(error is TextError) }
      }
    }
    var newer = blob
    newer[4] = 2
    let error = #expect(throws: TextError.self) { try TextTokenizer(parsing: newer) }
    #expect(error?.code == .unsupportedVersion)
  }

  @Test func `survives damage anywhere`() throws {
    let blob = try Goldens.tokenizerBlob("llama_prefix")
    for seed in 0..<2000 as Range<UInt64> {
      var generator = SplitMix(seed: seed)
      var damaged = blob
      for _ in 0...Int(generator.next() % 4) {
        damaged[Int(generator.next() % UInt64(blob.count))] = UInt8(truncatingIfNeeded: generator.next())
      }
      do { try use(TextTokenizer(parsing: damaged)) } catch { #expect(error is TextError, "seed \(seed)") }
    }
  }

  /// Whatever a damaged file says, encoding and decoding must not trap.
  private func use(_ tokenizer: TextTokenizer) throws {
    let ids = try tokenizer.encode(" The <image> robin <|im_end|> été 🙂 \n", trusted: true)
    _ = try tokenizer.decode(ids)
    _ = ReplyContent(ids, tokenizer: tokenizer)
  }
}
