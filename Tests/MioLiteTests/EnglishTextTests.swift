import Foundation
import MioLite
import MioLiteDemo
import MioTestSupport
import Testing

/// What a text becomes before it is spoken.
@Suite struct EnglishTextTests {
  @Test func `numbers, signs and abbreviations are written out as in the table`() throws {
    let table = try String(contentsOf: Goldens.root.appendingPathComponent("text/english.tsv"), encoding: .utf8)
    let rows = table.split(separator: "\n").map { $0.split(separator: "\t", omittingEmptySubsequences: false).map(String.init) }
    #expect(rows.count >= 300)
    for row in rows where row.count == 2 { #expect(EnglishText.spoken(row[0]) == row[1], "\(row[0])") }
  }

  @Test func `words stay as they are, with their lines`() {
    for text in ["hello, world", "It's a dog's life.\n\nSo it goes; \"yes\".", "", " \n ", "naïve café", "你好 三百", "- item one"]
    {
      #expect(EnglishText.spoken(text) == text)
    }
  }

  /// Long texts are gone through by their bytes where these are plain; what is around a word must not matter for that.
  @Test func `a word is read alike in plain and in other texts`() throws {
    let table = try String(contentsOf: Goldens.root.appendingPathComponent("text/english.tsv"), encoding: .utf8)
    for row in table.split(separator: "\n") {
      let parts = row.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 2 else { continue }
      for (before, after) in [
        ("plain words\n", "\nand more"), ("na\u{EF}ve \u{201C}caf\u{E9}s\u{201D}\n\n", "\n\u{4F60}\u{597D} - \u{2014}"),
      ] {
        #expect(EnglishText.spoken(before + parts[0] + after) == before + parts[1] + after, "\(parts[0])")
      }
    }
  }

  @Test func `marks without end are shortened, whatever they are made of`() throws {
    let model = try DemoModel.open()
    for mark in ["-", "!", "\u{2014}", "\u{2026}", "?"] {
      let long = try model.spokenForm(
        of: "look \(String(repeating: mark, count: 9)) here \(String(repeating: mark, count: 7))\u{E9}")
      #expect(
        try long
          == model.spokenForm(of: "look \(String(repeating: mark, count: 4)) here \(String(repeating: mark, count: 4))\u{E9}"))
    }
  }

  @Test func `a text is made ready once, for what it leaves out and for speech`() async throws {
    let model = try DemoModel.open()
    let text = "three dollars for \u{4F60}, $5 for \(String(repeating: "a", count: 99))"
    let spoken = try model.spokenText(of: text)
    #expect(try spoken.text == model.spokenForm(of: text) && spoken.leftOut == model.unspeakable(in: text))
    #expect(spoken.leftOut.count == 2)
    let options = SpeechOptions(sampling: Sampling(seed: 1), candidates: 1)
    var samples: [Float] = []
    for try await chunk in model.speech(for: spoken, options: options) { samples += chunk.samples }
    #expect(try await model.speak(text, options: options).samples == samples)
  }

  /// What has no end, or means nothing, takes no time.
  @Test(
    .timeLimit(.minutes(1)),
    arguments: ["1", "9.", "$", "-", "a/", "½", "²", "I", "U.", "1:", "三", "@", "x5", "+1 ", "(555) ", "1/2 "])
  func `long runs are read in no time`(piece: String) {
    let text = String(repeating: piece, count: 200_000)
    #expect(!EnglishText.spoken(text).isEmpty)
  }

  @Test(.timeLimit(.minutes(1))) func `many unknown characters take no time, and cost themselves alone`() throws {
    var text = "hello "
    for value in 0x1_0000..<0x4_D000 { if let scalar = Unicode.Scalar(value) { text.unicodeScalars.append(scalar) } }
    let model = try DemoModel.open()
    #expect(try model.spokenForm(of: text + " world").hasPrefix("hello"))
    #expect(try model.unspeakable(in: text)[0].contains("more"))
  }

  @Test(arguments: [
    ("the ﬁnd", "the find"), ("the fi\u{AD}nd", "the find"), ("the fi\u{200D}nd", "the find"), ("\u{FEFF}the find", "the find"),
    ("the\u{A0}find", "the find"), ("the\u{2003}find", "the find"), ("the\u{3000}find", "the find"), ("the\tfind", "the find"),
    ("the find™", "the find"), ("the 2½ finds", "the two and a half finds"), ("10² finds", "ten squared finds"),
    ("ｔｈｅ find", "the find"), ("ⓣhe find", "the find"), ("the fi\u{2060}nd\u{FE0F}", "the find"),
    ("the “find”…", "the \"find\"..."),
  ]) func `a text is spoken in the characters that are meant`(text: String, spoken: String) throws {
    #expect(try DemoModel.open().spokenForm(of: text) == spoken)
    #expect(try DemoModel.open().unspeakable(in: text).isEmpty)
  }

  @Test func `without normalization characters are still put right`() throws {
    let model = try DemoModel.open()
    #expect(try model.spokenForm(of: "the ﬁnd of 2½ dogs", normalizing: false) == "the find of 2 1 2 dogs")
    #expect(try model.spokenForm(of: "10² dogs", normalizing: false) == "10 2 dogs")
  }

  @Test(arguments: [
    String(repeating: "-", count: 40), String(repeating: ".", count: 400), String(repeating: "=-", count: 40),
    String(repeating: "a", count: 500),
    String(repeating: "—", count: 40), "~~~\(String(repeating: "*", count: 99))~~~",
    "supercalifragilisticexpialidocious-and-more-and-more-of-it",
  ]) func `what cannot be said costs itself alone`(run: String) throws {
    let model = try DemoModel.open()
    for text in ["good morning \(run) my friend", "good morning\n\n\(run)\n\nmy friend"] {
      let spoken = try model.spokenForm(of: text)
      #expect(spoken.hasPrefix("good morning") && spoken.hasSuffix("my friend"))
      #expect(spoken.split(whereSeparator: \.isWhitespace).allSatisfy { $0.count <= 30 })
    }
    let told = try model.unspeakable(in: "good morning \(run)").contains { $0.contains("characters without a space") }
    #expect(told == run.hasPrefix("aaa") || run.hasPrefix("super"))
  }

  @Test func `the program writes out what the model asks for, unless told not to`() throws {
    func speech(_ arguments: String...) throws -> [UInt8] {
      let result = try Program.run(["tts", "--raw", "--seed", "1"] + arguments)
      #expect(result.status == 0, "\(result.notes)")
      return result.output
    }
    let written = try speech("three dollars and fifty cents")
    #expect(try speech("$3.50") == written)
    #expect(try speech("--no-normalize", "$3.50") != written)
  }
}
