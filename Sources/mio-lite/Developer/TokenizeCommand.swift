import ArgumentParser
import MioLite
import MioModel

/// `tokenize TEXT`: text to token ids, exactly as the checkpoint's tokenizer gives them.
struct TokenizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tokenize", abstract: "Show how text is cut into tokens. The text is trusted: special tokens are recognised.")

  @Argument(help: "The text; '-', or nothing and a pipe, reads standard input to its last byte.")
  var text: [String] = []

  @Flag(help: "Wrap the text as one user turn of a conversation.")
  var chat = false

  @Option(help: "With --chat: the system text instead of MIO's own.")
  var system: String?

  @Flag(name: .customLong("no-bos"), help: "Leave out the tokens that the tokenizer adds at the ends of a text.")
  var withoutBos = false

  @Flag(help: "Print JSON.")
  var json = false

  @OptionGroup var model: ModelOptions
  @OptionGroup var common: CommonOptions

  private struct Result: Encodable {
    let ids: [Int32]
    let pieces: [String]
  }

  func validate() throws {
    if system != nil && !chat { throw ValidationError("--system needs --chat") }
  }

  func run() throws {
    let opened = try model.open()
    let tokenizer = try opened.requiredTokenizer()
    let words = try Input.text(text, "the text", exact: true)
    var ids: [Int32]
    if chat {
      let template = ChatTemplate(system == nil ? .standard : .custom)
      let turns = (system.map { [ChatTurn(.system, .trusted($0))] } ?? []) + [ChatTurn(.user, .trusted(words))]
      ids = try tokenizer.encode(template.prompt(turns, for: tokenizer), addsEnds: !withoutBos)
    } else {
      ids = try tokenizer.encode(words, trusted: true, addsEnds: !withoutBos)
    }
    if chat && withoutBos, let bos = tokenizer.beginningID {
      ids.removeSubrange(..<(ids.firstIndex { $0 != bos } ?? ids.endIndex))
    }
    let pieces = ids.map { tokenizer.piece($0) ?? "" }
    if json {
      try Output.json(Result(ids: ids, pieces: pieces))
    } else {
      for (id, piece) in zip(ids, pieces) { try Output.line("\(id)\t\(piece)") }
    }
  }
}

/// `detokenize --ids 1,2,3`: the text of token ids.
struct DetokenizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "detokenize", abstract: "Turn token ids back into text, exactly as the checkpoint's tokenizer does.")

  @Option(help: "Token ids, separated by commas; '-' reads them from standard input.")
  var ids: String

  @Flag(help: "Print JSON.")
  var json = false

  @OptionGroup var model: ModelOptions
  @OptionGroup var common: CommonOptions

  func run() throws {
    let tokenizer = try model.open().requiredTokenizer()
    let text = try tokenizer.decode(Input.ids(Input.text(ids), option: "--ids"))
    if json { try Output.json(["text": text]) } else { try Output.line(text) }
  }
}
