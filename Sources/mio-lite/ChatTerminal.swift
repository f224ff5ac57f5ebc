import Foundation
import MioLite

/// A conversation in the terminal, line by line.
struct ChatTerminal {
  private let conversation: Session
  private let media: MediaFolder
  private let quiet: Bool
  private let input = ChatInput()
  private let showsImages: Bool
  private let given: [InputPart]
  private var attachments: Attachments
  private var history: [(role: String, parts: [AnswerPart])] = []
  private var forgottenCount = 0
  /// What was answered last, to be answered again.
  private var lastTurn: (given: [Attachment], text: String)?
  private let sessionPath: String?

  private static let help = """
    /image FILE   adds an image to the next turn; words behind it are the turn
    /audio FILE   adds a sound file to the next turn
    /video FILE   adds a video, an animated gif or a folder of frames to the next turn
    /save FILE    writes the conversation so far, as JSON if the name ends in .json, else as text
    /undo         takes the last turn back
    /retry        answers the last turn again; the answer differs where it is drawn (--temperature)
    /reset        forgets the conversation
    /quit         ends (so does Ctrl-D)
    """

  /// - Parameter given: what goes with the first words.
  init(
    _ conversation: Session, of model: Model, media: MediaFolder, given: [InputPart], quiet: Bool, showsImages: Bool = true,
    sessionPath: String? = nil
  ) {
    self.conversation = conversation
    self.media = media
    self.given = given
    self.quiet = quiet
    self.showsImages = showsImages
    self.sessionPath = sessionPath
    attachments = Attachments(model)
  }

  mutating func run() async throws {
    if input.isInteractive && !quiet {
      let all = given.isEmpty ? "" : " or press Enter alone, if all is said"
      Output.note("Say something\(all); /help lists the commands, Ctrl-C stops an answer.")
    }
    for part in given { try await goingOn { this in try await this.attachments.add(part) } }
    var isSilent = true
    while let line = input.next(standsAlone: Self.isCommand) {
      isSilent = false
      let words = line.trimmingCharacters(in: .whitespacesAndNewlines)
      if words == "/quit" || words == "/exit" { break }
      try await goingOn { this in try await this.obey(words) }
    }
    // A script without words has said everything: a recording that asks, say.
    if !input.isInteractive && isSilent && !given.isEmpty { try await turn("") }
    if input.isInteractive { Output.note("") }
  }

  /// One bad turn is no reason to end a conversation at a terminal; a script wants to know.
  private mutating func goingOn(_ work: (inout ChatTerminal) async throws -> Void) async throws {
    do { try await work(&self) } catch {
      guard input.isInteractive, !Interrupts.areFinal, let failure = Failure(error) else { throw error }
      let isStopped = failure.kind == .interrupted
      Terminal.shared.note(isStopped ? "[stopped]" : "mio-lite: \(failure.message)", overKeys: isStopped)
    }
  }

  // MARK: - What is typed

  private static let commands: Set = [
    "/help", "/reset", "/audio", "/speech", "/image", "/video", "/save", "/undo", "/retry", "/quit", "/exit",
  ]

  private static func isCommand(_ line: String) -> Bool {
    line.split(whereSeparator: \.isWhitespace).first.map { commands.contains(String($0)) } ?? false
  }

  private mutating func obey(_ words: String) async throws {
    if Self.isCommand(words) { return try await command(words) }
    if ["/", "~/", "file://", "'", "\""].contains(where: words.hasPrefix) {
      // A file that was dropped on the terminal.
      let dropped = TypedPath.split(words)
      let kinds = dropped.paths.compactMap(TypedPath.kind)
      let isNone = dropped.paths.isEmpty && TypedPath.first(words).flatMap { TypedPath.kind($0.path) } != nil
      if isNone || !kinds.isEmpty && kinds.count == dropped.paths.count {
        let files = Array(zip(dropped.paths, kinds)).map { (path: $0.0, kind: $0.1) }
        return try await attach(files, dropped.words, isFile: { TypedPath.kind($0) != nil })
      }
      if words.hasPrefix("/") {
        throw Failure(.wrongInput, "no command \(words.prefix { !$0.isWhitespace }); /help lists them")
      }
    }
    if !words.isEmpty || !attachments.list.isEmpty { try await turn(words) }
  }

  private mutating func command(_ line: String) async throws {
    let parts = line.split(maxSplits: 1, whereSeparator: \.isWhitespace).map(String.init)
    let argument = parts.count > 1 ? parts[1].trimmingCharacters(in: .whitespaces) : ""
    switch parts[0] {
    case "/help": Output.note(Self.help)
    case "/reset":
      conversation.reset()
      history = []
      lastTurn = nil
      forgottenCount = 0
      try keepSession()
    case "/undo": try undo()
    case "/retry":
      guard let (given, text) = lastTurn else { throw Failure(.wrongInput, "/retry: there is no turn to answer again") }
      try undo()
      try await turn(given, text)
    case "/audio", "/speech": try await attach(argument, parts[0], .audio, "a sound file")
    case "/image": try await attach(argument, parts[0], .image, "an image")
    case "/video": try await attach(argument, parts[0], .video, "a video or a folder of frames")
    case "/save":
      guard !argument.isEmpty else { throw Failure(.wrongInput, "/save: give a file name") }
      try save(TypedPath.target(argument))
    default: throw Failure(.wrongInput, "no command \(parts[0]); /help lists them")
    }
  }

  /// Adds the files that `argument` begins with; the words behind them are the turn.
  private mutating func attach(
    _ argument: String, _ command: String, _ kind: Attachments.Kind, _ what: String
  ) async throws {
    let (paths, words) = TypedPath.split(argument)
    if argument.isEmpty { throw Failure(.wrongInput, "\(command): give the path of \(what)") }
    try await attach(paths.map { ($0, kind) }, words, isFile: { paths.isEmpty || TypedPath.kind($0) != nil })
  }

  /// Adds files, and answers the words behind them if all could be read; a bad one is told at once and keeps the rest.
  ///
  /// - Parameter isFile: whether the first of the words is meant to be a file, too.
  private mutating func attach(
    _ files: [(path: String, kind: Attachments.Kind)], _ words: String, isFile: (String) -> Bool
  ) async throws {
    var words = words
    var failure: (any Error)?
    for file in files {
      do {
        try await attachments.add(MediaSource(contentsOf: URL(fileURLWithPath: file.path)), as: file.kind)
        Output.note("[\(file.path) goes with your next words]")
      } catch {
        failure = failure ?? error
      }
    }
    if let (path, rest) = TypedPath.first(words), isFile(path) {
      failure = failure ?? Failure(.wrongInput, "'\(path)' cannot be read; is the name right?")
      words = rest
    }
    if let failure {
      if !words.isEmpty && input.isInteractive {
        try await attachments.add(.text(Input.checked(words)))
        Output.note("[your words go with the next ones: \(words.onOneLine.cut(toColumns: 40))]")
      }
      throw failure
    }
    if !words.isEmpty { try await turn(words) }
  }

  // MARK: - Turns

  private mutating func undo() throws {
    guard conversation.undo() else { throw Failure(.wrongInput, "/undo: there is no turn to take back") }
    history.removeLast(min(2, history.count))
    lastTurn = nil
    try keepSession()
  }

  private mutating func turn(_ words: String) async throws { try await turn(attachments.list, try Input.checked(words)) }

  private mutating func turn(_ given: [Attachment], _ text: String) async throws {
    let parts = given.map(\.part) + (text.isEmpty ? [] : [.text(text)])
    var answer: [AnswerPart] = []
    do {
      try await answerTurn(parts, into: &answer)
    } catch {
      if answer.isEmpty && Failure(error)?.kind != .interrupted {
        // Nothing was said: what was given is still to be answered.
        if !given.isEmpty && input.isInteractive { Output.note("[what goes with your words is kept]") }
      } else {
        remember(given, text, answer)
      }
      throw error
    }
    remember(given, text, answer)
    try Output.line("")
    try keepSession()
  }

  private mutating func remember(_ given: [Attachment], _ text: String, _ answer: [AnswerPart]) {
    attachments.clear()
    history.append(("user", given.map(\.shown) + (text.isEmpty ? [] : [AnswerPart(type: "text", text: text)])))
    history.append(("assistant", AnswerPart.joined(answer)))
    lastTurn = (given, text)
  }

  /// Writes what the model remembers where it is found the next time.
  private func keepSession() throws {
    guard let sessionPath else { return }
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    try Output.write(Array(encoder.encode(conversation.snapshot)) + [10], to: sessionPath)
  }

  private mutating func answerTurn(_ parts: [InputPart], into answer: inout [AnswerPart]) async throws {
    defer { noteForgotten() }
    try await Interrupts.during { cancellation in
      let bar = ProgressBar("chat", quiet: quiet)
      defer { bar.finish() }
      for try await part in cancellation.stopping(conversation.streamResponse(to: parts)) {
        if case .progress(let progress) = part {
          bar.update(progress.fraction, detail: "\(progress.kind.rawValue) \(progress.number), \(progress.detail)")
          continue
        }
        noteForgotten()
        guard let shown = try media.keep(part) else { continue }
        answer.append(shown)
        try shown.show()
        if case .image(let clip?, _) = part, !quiet, showsImages { Preview.show(clip) }
      }
    }
  }

  /// Says that the model no longer knows what was said first.
  private mutating func noteForgotten() {
    let count = conversation.forgottenTurnCount
    guard count > forgottenCount else { return }
    forgottenCount = count
    let turns = count == 1 ? "the first turn is" : "the first \(count) turns are"
    if !quiet { Output.note("mio-lite: the context is full; \(turns) forgotten (a larger --context holds more)") }
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
        let texts = parts.map { $0.text ?? "[\($0.type): \(PathText.shown($0.file ?? ""))]" }
        data += Data("\(role): \(texts.joined(separator: " "))\n".utf8)
      }
    }
    try Output.write(Array(data), to: path)
    Output.note("[saved \(path)]")
  }
}
