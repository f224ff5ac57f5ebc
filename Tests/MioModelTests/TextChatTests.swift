import Foundation
import MioModel
import MioTestSupport
import Testing

/// `expected/chat.json`.
struct ChatCases: Decodable {
  struct Turn: Decodable {
    let role: String
    let content: String
  }
  struct Instruct: Decodable {
    let name: String
    let conversation: [Turn]
    let mode: String
    let add_generation_prompt: Bool
    let images: [String]
    let speeches: [String]
    let text: String
    let ids: [Int32]
  }
  struct Base: Decodable {
    let name: String
    let prompt: String
    let images: [String]
    let speeches: [String]
    let add_bos: Bool
    let ids: [Int32]
  }
  struct Batch: Decodable {
    let texts: [String]
    let ids: [[Int32]]
    let mask: [[Int]]
    let truncated_24_ids: [[Int32]]
  }
  struct Reply: Decodable {
    let reply: String
    let text: String
    let images: [[Int]]
    let speeches: [[Int]]
    let speech_states: [String]
  }
  struct Completeness: Decodable {
    let numbers: [Int]
    let state: String
  }
  struct Detokenize: Decodable {
    let ids: [Int32]
    let decoded: String
    /// Whether the reference finds the assistant's turn; it does not where `<|im_start|>` is an added token.
    let starter_found: Bool
    let reply: String
  }
  let instruct: [Instruct]
  let base: [Base]
  let batch: Batch
  let replies: [Reply]
  let completeness: [Completeness]
  let detokenize: [Detokenize]

  static func load() throws -> ChatCases {
    try JSONDecoder().decode(ChatCases.self, from: Data(contentsOf: Goldens.speech("expected/chat.json")))
  }

  /// What the states of the oracle are called here.
  static func fault(_ state: String) -> ReplyProblem.Code? {
    [
      "no speech tokens": .noSpeechCodes, "number out of range": .numberOutOfRange, "not four runs": .wrongRunCount,
      "wrong order": .wrongOrder, "unequal lengths": .unequalCodebooks,
    ][state]
  }
}

/// The numbers N of `<imgN>` or `<spchN>` in a media string.
private func numbers(_ text: String) -> [Int] {
  text.split { !$0.isASCII || !$0.isNumber }.compactMap { Int($0) }
}

private func withoutSpaceAroundMedia(_ text: String) -> String {
  text.replacingOccurrences(
    of: " *(<(image|speech)_placeholder_[0-9]+>) *", with: "$1", options: .regularExpression)
}

@Suite struct TextChatTests {
  let tokenizer: TextTokenizer
  let cases: ChatCases

  init() throws {
    tokenizer = try TextTokenizerTests.tokenizer("tiny-mio")
    cases = try ChatCases.load()
  }

  private func media(_ images: [String], _ speeches: [String]) throws -> (images: [[Int32]], speeches: [[Int32]]) {
    (
      try images.map { try tokenizer.media.imageTokens(numbers($0)) },
      try speeches.map { try tokenizer.media.speechTokens([numbers($0)]) }
    )
  }

  private func template(_ item: ChatCases.Instruct) -> ChatTemplate {
    let systems: [String: ChatTemplate.System] = ["std": .standard, "voice": .voice, "custom": .custom]
    return ChatTemplate(systems[item.mode] ?? .standard, opensReply: item.add_generation_prompt)
  }

  private func prompt(_ item: ChatCases.Instruct, trusted: Bool) throws -> Prompt {
    let media = try media(item.images, item.speeches)
    let turns = try item.conversation.map { turn in
      ChatTurn(
        try #require(ChatTurn.Role(rawValue: turn.role)),
        Prompt(placeholdersIn: turn.content, trusted: trusted, images: media.images, speeches: media.speeches))
    }
    return try template(item).prompt(turns, for: tokenizer)
  }

  @Test func `writes conversations as the reference does`() throws {
    for item in cases.instruct {
      #expect(try tokenizer.encode(prompt(item, trusted: true)) == item.ids, "\(item.name)")
      #expect(try tokenizer.encode(item.text, trusted: true) == item.ids, "\(item.name), as one string")
    }
  }

  @Test func `gives the same ids for ordinary words that are not trusted`() throws {
    for item in cases.instruct where item.name != "tts" {  // whose user turn spells <spch>
      #expect(try tokenizer.encode(prompt(item, trusted: false)) == item.ids, "\(item.name)")
    }
  }

  @Test func `speaks with the recipe of the reference`() throws {
    let item = try #require(cases.instruct.first { $0.name == "tts" })
    let recipe = MioTask.textToSpeech.row.instruct
    let prompt = try recipe.prompt([.text: .untrusted("two hearts talked together")], for: tokenizer)
    #expect(try tokenizer.encode(prompt) == item.ids)
    let asr = try #require(cases.instruct.first { $0.name == "asr" })
    let speech = Prompt.tokens(try media([], asr.speeches).speeches[0])
    let transcribe = try MioTask.speechRecognition.row.instruct.prompt([.speech: speech], for: tokenizer)
    #expect(try tokenizer.encode(transcribe) == asr.ids)
  }

  @Test func `puts questions to the base model as the reference does`() throws {
    for item in cases.base {
      let media = try media(item.images, item.speeches)
      let content = Prompt(placeholdersIn: item.prompt, trusted: true, images: media.images, speeches: media.speeches)
      let prompt = item.add_bos ? tokenizer.beginning(content) : content
      #expect(try tokenizer.encode(prompt) == item.ids, "\(item.name)")
    }
    let hearts = try #require(cases.base.first { $0.name == "base tts" })
    let speak = try MioTask.textToSpeech.row.base.prompt([.text: .untrusted("two hearts")], for: tokenizer)
    #expect(try tokenizer.encode(speak) == hearts.ids)
    let heard = try #require(cases.base.first { $0.name == "base asr" })
    let speech = Prompt.tokens(try media([], heard.speeches).speeches[0])
    let transcribe = try MioTask.speechRecognition.row.base.prompt([.speech: speech], for: tokenizer)
    #expect(try tokenizer.encode(transcribe) == heard.ids)
  }

  @Test func `fills every slot of every recipe`() throws {
    for recipe in MioTask.allCases.flatMap({ [$0.row.instruct, $0.row.base] }) {
      let filling = Dictionary(uniqueKeysWithValues: PromptTemplate.Slot.allCases.map { ($0, Prompt.untrusted("XYZ")) })
      let text = try tokenizer.decode(tokenizer.encode(recipe.prompt(filling, for: tokenizer)))
      #expect(text.contains("XYZ"))
      #expect(!text.contains("{") && !text.contains("}"))
    }
  }

  @Test func `encodes each row of a batch like a single prompt`() throws {
    let batch = cases.batch
    for (row, text) in batch.texts.enumerated() {
      let ids = try tokenizer.encode(text, trusted: true)
      let padding = batch.mask[row].count { $0 == 0 }
      #expect(Array(batch.ids[row].dropFirst(padding)) == ids)
      #expect(batch.ids[row].prefix(padding).allSatisfy { $0 == tokenizer.paddingID })
      #expect(Array(ids.prefix(24)) == batch.truncated_24_ids[row])
    }
  }

  @Test func `asks for the system's turn where it is custom`() throws {
    let error = #expect(throws: TextError.self) {
      try ChatTemplate(.custom).prompt([ChatTurn(.user, .untrusted("Hi"))], for: tokenizer)
    }
    #expect(error?.code == .invalidConversation)
  }

  // MARK: - Replies

  @Test func `takes replies apart as the reference does`() throws {
    // Tokens with lstrip or rstrip swallow the spaces of the text that is encoded here.
    let keepsSpaces = try tokenizer.plainText(of: tokenizer.encode("a <image> b", trusted: true)) == "a  b"
    for item in cases.replies {
      let content = ReplyContent(try tokenizer.encode(item.reply, trusted: true), tokenizer: tokenizer)
      #expect(content.images.filter(\.isFinished).map(\.codes) == item.images, "\(item.reply)")
      let speeches = content.speeches.filter(\.isFinished)
      #expect(speeches.map(\.numbers) == item.speeches, "\(item.reply)")
      #expect(speeches.map(\.fault) == item.speech_states.map(ChatCases.fault), "\(item.reply)")
      // The reference gives up on a reply with damaged speech.
      guard item.speech_states.allSatisfy({ $0 == "ok" }) else { continue }
      let found = content.textWithPlaceholders
      if keepsSpaces {
        expectSame(found, item.text, "\(item.reply)")
      } else {
        expectSame(withoutSpaceAroundMedia(found), withoutSpaceAroundMedia(item.text), "\(item.reply)")
      }
    }
  }

  @Test func `judges speech as the reference does`() {
    for item in cases.completeness {
      let speech = ReplySpeech(numbers: item.numbers, isFinished: true)
      #expect(speech.fault == ChatCases.fault(item.state), "\(item.numbers)")
      if item.state == "ok" { #expect(speech.codebooks.count == 4) }
      #expect(Set(speech.codebooks.map(\.count)).count <= 1)
    }
  }

  @Test func `finds the reply behind the prompt as the reference does`() throws {
    for item in cases.detokenize {
      expectSame(try tokenizer.decode(item.ids), item.decoded, "\(item.ids)")
      // Every prompt ends with "<|im_start|>assistant\n".
      let turnStart = try #require(tokenizer.turnStartID)
      let start = try #require(item.ids.lastIndex(of: turnStart))
      let opener = cases.instruct[0].ids.reversed().prefix { $0 != turnStart }.count + 1
      let prompt = Array(item.ids[..<(start + opener)])
      let reply = Array(item.ids[prompt.count...])
      let content = ReplyContent(reply, after: prompt, tokenizer: tokenizer)
      #expect(content.problems.isEmpty)
      guard item.starter_found else { continue }
      let text = try tokenizer.decode(reply, continuing: true)
        .replacingOccurrences(of: "<|im_end|>", with: "").replacingOccurrences(of: "<unk>", with: "")
        .trimmingCharacters(in: .whitespacesAndNewlines)
      expectSame(text, item.reply, "\(reply)")
      // The same but for the white space around media, which the reference adds and swallows.
      var plain = item.reply
      for (name, open, code) in [("image", "image", "img"), ("speech", "spch", "spch")] {
        plain = plain.replacingOccurrences(
          of: "<\(open)>( <\(code)[0-9]+>)* </\(open)>", with: "<\(name)_placeholder_0>", options: .regularExpression)
      }
      expectSame(withoutSpaceAroundMedia(content.textWithPlaceholders), withoutSpaceAroundMedia(plain), "\(reply)")
    }
  }

  @Test func `keeps what can be heard of speech that broke off`() {
    func codebooks(_ counts: [Int]) -> [[Int]] {
      let numbers = counts.enumerated().flatMap { codebook, count in (0..<count).map { codebook * 1024 + $0 } }
      return ReplySpeech(numbers: numbers, isFinished: false).codebooks
    }
    #expect(codebooks([5, 5, 5, 3]).map(\.count) == [3, 3, 3, 3])
    #expect(codebooks([5, 4, 5, 5]).map(\.count) == [4, 4, 4, 4])
    #expect(codebooks([5, 5, 2]).map(\.count) == [5, 5])
    #expect(codebooks([5]).map(\.count) == [5])
    #expect(codebooks([0, 5, 5, 5]).isEmpty)
    #expect(codebooks([5, 5, 5, 3])[3] == [0, 1, 2])
  }

  @Test func `names what is wrong with a reply`() throws {
    func codes(_ text: String) throws -> [ReplyProblem.Code] {
      ReplyContent(try tokenizer.encode(text, trusted: true), tokenizer: tokenizer).problems.map(\.code)
    }
    #expect(try codes("all is well") == [])
    #expect(try codes("<spch><spch1><spch1025><spch2049><spch3073></spch>") == [])
    #expect(try codes("<spch><spch1><spch1025>") == [.unfinishedBlock, .wrongRunCount])
    #expect(try codes("<image><img1></image>") == [.wrongImageLength])
    #expect(try codes("<spch></spch>") == [.strayTokens])
    #expect(try codes("a <img5> b") == [.strayTokens])
    #expect(try codes("</image> b <spch7>") == [.strayTokens, .strayTokens])
  }

  @Test func `belongs to the reply what the prompt left open`() throws {
    let prompt = try tokenizer.encode("Please generate a speech of ``hi'': <spch><spch1>", trusted: true)
    let rest = "<spch2><spch1025><spch1026><spch2049><spch2050><spch3073><spch3074></spch>"
    let reply = try tokenizer.encode(rest, trusted: true, addsEnds: false)
    let content = ReplyContent(reply, after: prompt, tokenizer: tokenizer)
    #expect(content.speeches.map(\.codebooks) == [[[1, 2], [1, 2], [1, 2], [1, 2]]])
    #expect(content.problems.isEmpty)
    #expect(ReplyContent([], after: prompt, tokenizer: tokenizer).speeches.map(\.numbers) == [[1]])
  }

  @Test func `streams a reply in the same parts`() throws {
    for item in cases.replies {
      let ids = try tokenizer.encode("é🙂 " + item.reply + " naïve 🧪", trusted: true)
      var parser = ReplyParser(tokenizer)
      var parts: [ReplyPart] = []
      for id in ids { parts += parser.append(id) }
      #expect(ReplyContent(joining: parts + parser.finish()) == ReplyContent(ids, tokenizer: tokenizer))
      for case .text(let text) in parts { #expect(!text.contains("\u{FFFD}")) }
    }
  }

  @Test func `the grammar and the text take a token for the same`() throws {
    let classes = try TokenClasses(tokenizer, vocabularySize: tokenizer.idCount + 5, stopIds: [7])
    for id in 0..<Int32(tokenizer.idCount + 5) {
      switch tokenizer.kind(of: id) {
      case .text: #expect(classes.kind(of: id) == .text)
      case .control: #expect(classes.kind(of: id) == (id == 7 ? .stop : .none))
      case .openImage: #expect(classes.kind(of: id) == .openImage)
      case .closeImage: #expect(classes.kind(of: id) == .closeImage)
      case .image(let code):
        #expect(classes.kind(of: id) == .image(code: code) && tokenizer.media.image?.codes[code] == id)
      case .openSpeech: #expect(classes.kind(of: id) == .openSpeech)
      case .closeSpeech: #expect(classes.kind(of: id) == .closeSpeech)
      case .speech(let codebook, let code):
        #expect(classes.kind(of: id) == .speech(codebook: codebook, code: code))
        #expect(tokenizer.media.speechCodebooks[codebook][code] == id)
      case .stop: Issue.record("what stops a reply is no matter of the text")
      case .none: #expect(classes.kind(of: id) == .none)
      }
    }
  }
}
