import Foundation
import MioLite

/// A conversation in the terminal, line by line.
struct ChatTerminal {
  private let conversation: Conversation
  private let media: MediaFolder
  private let quiet: Bool
  private let isInteractive = isatty(STDIN_FILENO) == 1
  private var attachments: [String]
  private var history: [(role: String, parts: [AnswerPart])] = []

  private static let help = """
    /audio FILE   adds a sound file to the next turn
    /save FILE    writes the conversation so far, as JSON if the name ends in .json, else as text
    /reset        forgets the conversation
    /quit         ends (so does Ctrl-D)
    """

  init(_ conversation: Conversation, media: MediaFolder, attachments: [String], quiet: Bool) {
    self.conversation = conversation
    self.media = media
    self.attachments = attachments
    self.quiet = quiet
  }

  mutating func run() async throws {
    if isInteractive && !quiet { Output.note("Say something; /help lists the commands, Ctrl-C stops an answer.") }
    while true {
      if isInteractive { FileHandle.standardError.write(Data("> ".utf8)) }
      guard let line = readLine() else { break }
      let words = line.trimmingCharacters(in: .whitespaces)
      if words == "/quit" || words == "/exit" { break }
      do {
        if words.hasPrefix("/") {
          try command(words)
        } else if !words.isEmpty || !attachments.isEmpty {
          try await turn(words)
        }
      } catch {
        // One bad turn is no reason to end a conversation at a terminal; a script wants to know.
        guard isInteractive, let failure = Failure(error) else { throw error }
        Output.note(failure.kind == .interrupted ? "[stopped]" : "mio-lite: \(failure.message)")
      }
    }
    if isInteractive { Output.note("") }
  }

  private mutating func command(_ line: String) throws {
    let parts = line.split(separator: " ", maxSplits: 1).map(String.init)
    let argument = parts.count > 1 ? parts[1].trimmingCharacters(in: .whitespaces) : ""
    switch parts[0] {
    case "/help": Output.note(Self.help)
    case "/reset":
      conversation.reset()
      history = []
    case "/audio":
      guard FileManager.default.isReadableFile(atPath: argument) else {
        throw Failure(.wrongInput, "/audio: '\(argument)' cannot be read; give the path of a sound file")
      }
      attachments.append(argument)
      Output.note("[\(argument) goes with your next words]")
    case "/save":
      guard !argument.isEmpty else { throw Failure(.wrongInput, "/save: give a file name") }
      try save(argument)
    default: throw Failure(.wrongInput, "no command \(parts[0]); /help lists them")
    }
  }

  private mutating func turn(_ words: String) async throws {
    let sounds = attachments
    attachments = []
    var parts = sounds.map(InputPart.audioFile)
    if !words.isEmpty { parts.append(.text(words)) }
    history.append(
      ("user", sounds.map { AnswerPart(type: "speech", file: $0) } + (words.isEmpty ? [] : [AnswerPart(type: "text", text: words)])))
    var answer: [AnswerPart] = []
    defer { history.append(("assistant", AnswerPart.joined(answer))) }
    try await Interrupts.during { cancellation in
      for try await part in conversation.send(parts, cancellation: cancellation) {
        let shown = try media.keep(part)
        answer.append(shown)
        try shown.show()
      }
    }
    try Output.line("")
  }

  private struct Turn: Encodable {
    let role: String
    let parts: [AnswerPart]
  }

  private func save(_ path: String) throws {
    var data = Data()
    if path.hasSuffix(".json") {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
      data = try encoder.encode(history.map { Turn(role: $0.role, parts: $0.parts) })
    } else {
      for (role, parts) in history {
        let texts = parts.map { $0.text ?? "[\($0.type): \($0.file ?? "")]" }
        data += Data("\(role): \(texts.joined(separator: " "))\n".utf8)
      }
    }
    do {
      try data.write(to: URL(fileURLWithPath: path), options: .atomic)
    } catch {
      throw Failure(.failed, "\(path): cannot be written: \(error.localizedDescription)")
    }
    Output.note("[saved \(path)]")
  }
}
