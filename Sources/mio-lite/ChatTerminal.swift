import Foundation
import MioLite

/// A conversation in the terminal, line by line.
struct ChatTerminal {
  private let conversation: Session
  private let media: MediaFolder
  private let quiet: Bool
  private let isInteractive = isatty(STDIN_FILENO) == 1
  private let showsImages: Bool
  private var attachments: [InputPart]
  private var history: [(role: String, parts: [AnswerPart])] = []

  private static let help = """
    /image FILE   adds an image to the next turn
    /audio FILE   adds a sound file to the next turn
    /video FILE   adds a video, an animated gif or a folder of frames to the next turn
    /save FILE    writes the conversation so far, as JSON if the name ends in .json, else as text
    /reset        forgets the conversation
    /quit         ends (so does Ctrl-D)
    """

  init(
    _ conversation: Session, media: MediaFolder, attachments: [InputPart], quiet: Bool, showsImages: Bool = true
  ) {
    self.conversation = conversation
    self.media = media
    self.attachments = attachments
    self.quiet = quiet
    self.showsImages = showsImages
  }

  mutating func run() async throws {
    if isInteractive && !quiet { Output.note("Say something; /help lists the commands, Ctrl-C stops an answer.") }
    while true {
      if isInteractive { Terminal.shared.askForInput("> ") }
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
        guard isInteractive, !Interrupts.areFinal, let failure = Failure(error) else { throw error }
        let isStopped = failure.kind == .interrupted
        Terminal.shared.note(isStopped ? "[stopped]" : "mio-lite: \(failure.message)", overKeys: isStopped)
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
    case "/audio", "/speech": try attach(argument, parts[0], "a sound file", InputPart.audio(contentsOf:))
    case "/image": try attach(argument, parts[0], "an image", InputPart.image(contentsOf:))
    case "/video": try attach(argument, parts[0], "a video or a folder of frames", InputPart.video(contentsOf:))
    case "/save":
      guard !argument.isEmpty else { throw Failure(.wrongInput, "/save: give a file name") }
      try save(argument)
    default: throw Failure(.wrongInput, "no command \(parts[0]); /help lists them")
    }
  }

  private mutating func attach(
    _ path: String, _ command: String, _ what: String, _ part: (URL) -> InputPart
  ) throws {
    guard FileManager.default.isReadableFile(atPath: path) else {
      throw Failure(.wrongInput, "\(command): '\(path)' cannot be read; give the path of \(what)")
    }
    attachments.append(part(URL(fileURLWithPath: path)))
    Output.note("[\(path) goes with your next words]")
  }

  private mutating func turn(_ words: String) async throws {
    var parts = attachments
    attachments = []
    if !words.isEmpty { parts.append(.text(words)) }
    history.append(("user", parts.compactMap(AnswerPart.init)))
    var answer: [AnswerPart] = []
    defer { history.append(("assistant", AnswerPart.joined(answer))) }
    try await Interrupts.during { cancellation in
      let bar = ProgressBar("chat", quiet: quiet)
      defer { bar.finish() }
      for try await part in cancellation.stopping(conversation.streamResponse(to: parts)) {
        if case .progress(let progress) = part {
          bar.update(progress.fraction, detail: "\(progress.kind.rawValue) \(progress.number), \(progress.detail)")
          continue
        }
        let shown = try media.keep(part)
        answer.append(shown)
        try shown.show()
        if case .image(let clip?, _) = part, !quiet, showsImages { Preview.show(clip) }
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
    try Output.write(Array(data), to: path)
    Output.note("[saved \(path)]")
  }
}

extension AnswerPart {
  /// What a user brought; nil for what has no name.
  fileprivate init?(_ part: InputPart) {
    switch part {
    case .text(let text): self.init(type: "text", text: text)
    case .audioFile(let source): self.init(type: "speech", file: source.name)
    case .imageFile(let source), .visualFile(let source): self.init(type: "image", file: source.name)
    case .videoFile(let source): self.init(type: "video", file: source.name)
    case .audio, .image, .video, .speechCodes, .imageCodes: return nil
    }
  }
}
