import ArgumentParser
import Foundation
import MioLite

/// `chat [PROMPT]`: one turn with a prompt, a conversation without.
struct ChatCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "chat", abstract: "Talk with the model: one turn with PROMPT, a conversation without.",
    discussion: """
      In a conversation: /audio FILE adds sound to the next turn, /save FILE writes what was said, /reset forgets it,
      /help lists the commands, /quit or Ctrl-D ends. Ctrl-C stops an answer, not the program.
      MIO's own settings: beam search with 5 beams for text; with --voice 5 beams and a repetition penalty of 2.0, or 1.15
      when the turn has sound (infer.py; the paper's table 11 samples speech with top-p 0.7 and a penalty of 1.15).
      """)

  @Argument(help: "What to say; '-' reads standard input.")
  var prompt: String?

  @Option(help: "A sound file that belongs to the first turn; may be repeated.", completion: .file())
  var audio: [String] = []

  @Option(help: "A picture that belongs to the first turn; may be repeated.", completion: .file())
  var image: [String] = []

  @Option(help: "A video that belongs to the first turn; may be repeated.", completion: .file())
  var video: [String] = []

  @Flag(help: "Answer with speech only.")
  var voice = false

  @Option(help: "The system's words instead of MIO's own; special tokens in them count.")
  var system: String?

  @Option(name: .shortAndLong, help: "Where media of the answers are saved (default: the current folder).", completion: .directory)
  var output: String = "."

  @Flag(help: "With PROMPT: print the answer's parts as JSON.")
  var json = false

  @OptionGroup var model: ModelOptions
  @OptionGroup var sampling: SamplingFlags
  @OptionGroup var common: CommonOptions

  func validate() throws {
    if json && prompt == nil { throw ValidationError("--json needs a PROMPT") }
    if !image.isEmpty || !video.isEmpty {
      throw ValidationError("this version does not see pictures or videos yet; leave --image and --video out")
    }
  }

  func run() async throws {
    let opened = try model.open()
    let conversation = try Conversation(
      opened,
      options: ConversationOptions(
        sampling: sampling.sampling(draws: false, quiet: common.quiet), speaks: voice, system: system))
    let media = MediaFolder(path: output, quiet: common.quiet)
    var parts = audio.map(InputPart.audioFile)
    if let prompt {
      let words = try Input.text(prompt)
      if !words.isEmpty { parts.append(.text(words)) }
      if parts.isEmpty { throw Failure(.wrongInput, "the prompt is empty; say something") }
      try await answerOnce(conversation, parts, media)
    } else {
      var terminal = ChatTerminal(conversation, media: media, attachments: audio, quiet: common.quiet)
      try await terminal.run()
    }
  }

  private func answerOnce(_ conversation: Conversation, _ parts: [InputPart], _ media: MediaFolder) async throws {
    var answer: [AnswerPart] = []
    try await Interrupts.during { cancellation in
      for try await part in conversation.send(parts, cancellation: cancellation) {
        let shown = try media.keep(part)
        answer.append(shown)
        if !json { try shown.show() }
      }
    }
    if json { try Output.json(["parts": AnswerPart.joined(answer)]) } else { try Output.line("") }
  }
}

/// A part of an answer as it is shown and saved.
struct AnswerPart: Encodable {
  var type: String
  var text: String?
  var file: String?
  var codes: [[Int32]]?

  /// Text goes to standard output; where media went, and problems, to standard error.
  func show() throws {
    switch type {
    case "text": try Output.write(text ?? "")
    case "problem": Output.note("mio-lite: \(text ?? "")")
    default: if let file { Output.note("[\(type): \(file)]") }
    }
  }

  /// Neighbouring texts as one.
  static func joined(_ parts: [AnswerPart]) -> [AnswerPart] {
    parts.reduce(into: []) { joined, part in
      if part.type == "text", joined.last?.type == "text" {
        joined[joined.count - 1].text = (joined.last?.text ?? "") + (part.text ?? "")
      } else {
        joined.append(part)
      }
    }
  }
}

/// The folder in which media of answers are saved, numbered in the order of their appearance.
final class MediaFolder {
  private let path: String
  private let quiet: Bool
  private var count = 0

  init(path: String, quiet: Bool) {
    self.path = path
    self.quiet = quiet
  }

  /// Saves what is a medium and says what became of it.
  func keep(_ part: OutputPart) throws -> AnswerPart {
    switch part {
    case .text(let text): return AnswerPart(type: "text", text: text)
    case .problem(let text): return AnswerPart(type: "problem", text: text)
    case .image(let codes):
      return AnswerPart(type: "image", codes: [codes.map(Int32.init)])
    case .speech(let clip, let codes):
      let file = try nextPath("speech", "wav")
      let sink = try FileSink(path: file, sampleRateHz: clip.sampleRateHz)
      try sink.write(clip.samples)
      try sink.finish()
      return AnswerPart(type: "speech", file: file, codes: codes)
    }
  }

  /// A name that no file has yet.
  private func nextPath(_ kind: String, _ suffix: String) throws -> String {
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw Failure(.failed, "\(path): cannot be made: \(error.localizedDescription)")
    }
    while true {
      count += 1
      let name = "\(kind)-\(count).\(suffix)"
      let file = path == "." ? name : "\(path)/\(name)"
      if !FileManager.default.fileExists(atPath: file) { return file }
    }
  }
}
