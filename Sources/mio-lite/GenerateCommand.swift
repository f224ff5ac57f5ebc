import ArgumentParser
import MioLite

/// `generate PROMPT`: raw completion without a template.
struct GenerateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate", abstract: "Complete a prompt as it stands, without a template. The prompt is trusted.")

  @Argument(help: "The prompt; '-', or nothing and a pipe, reads standard input.")
  var prompt: [String] = []

  @Option(help: "The prompt as token ids, separated by commas, taken exactly as they are.")
  var ids: String?

  @Option(help: "Token ids that end the output, separated by commas (default: the checkpoint's).")
  var stopIds: String?

  @Option(help: "'media' keeps every speech and image block decodable; 'none' makes every token allowed.")
  var grammar: GrammarOption = .media

  @Flag(help: "Print JSON: the new ids and their text.")
  var json = false

  @OptionGroup var model: ModelOptions
  @OptionGroup var sampling: SamplingFlags
  @OptionGroup var common: CommonOptions

  enum GrammarOption: String, CaseIterable, ExpressibleByArgument {
    case media, none
  }

  private struct Result: Encodable {
    let ids: [Int32]
    let text: String
  }

  func validate() throws {
    if !prompt.isEmpty && ids != nil { throw ValidationError("give either a PROMPT or --ids") }
  }

  func run() async throws {
    let opened = try model.open()
    try opened.require(.text)
    guard let tokenizer = opened.tokenizer else { return }
    let tokens: [Int32]
    if let ids {
      tokens = try Input.ids(ids, option: "--ids")
    } else {
      tokens = try tokenizer.encode(Input.text(prompt, "the prompt"), special: true)
    }
    let options = GenerationOptions(
      sampling: sampling.sampling(draws: false, quiet: common.quiet),
      stopIds: try stopIds.map { try Input.ids($0, option: "--stop-ids") }, usesGrammar: grammar == .media)
    var new: [Int32] = []
    var shown = tokenizer.textDecoder()
    func finish() throws {
      if json {
        try Output.json(Result(ids: new, text: tokenizer.decode(new)))
      } else {
        try Output.line(shown.finish())
      }
    }
    do {
      try await Interrupts.during { cancellation in
        for try await id in cancellation.stopping(opened.generate(from: tokens, options: options)) {
          new.append(id)
          if !json { try Output.write(shown.append(id)) }
        }
      }
    } catch {
      // What was generated until then stays.
      if !new.isEmpty { try? finish() }
      throw error
    }
    try finish()
  }
}
