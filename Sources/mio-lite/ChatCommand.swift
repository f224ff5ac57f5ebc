import ArgumentParser
import Foundation
import MioLite

/// `chat [PROMPT]`: one turn with a prompt, a conversation without.
struct ChatCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "chat", abstract: "Talk with the model: one turn with PROMPT, a conversation without.",
    discussion: """
      Media of the first turn come in the order of their options, the words of PROMPT last. Several images with --text
      between them are examples to learn from: --image a.jpg --text "a cat" --image b.jpg --text "a dog" --image c.jpg. With
      --recipe, PROMPT is put to the model in the words of one of MIO's tasks ('mio-lite recipes' lists them). A base model
      takes one turn only.
      In a conversation: /image, /audio and /video FILE add media to the next turn, as does a file that is dropped on the
      terminal; /save FILE writes what was said, /undo and /retry take the last
      turn back, /reset forgets all, /help lists the commands, /quit or Ctrl-D ends. Ctrl-C
      stops an answer, not the program. Lines are edited with libedit where it is installed, and remembered in $MIO_HISTORY, or
      mio-lite/history of the state folder. What is pasted is one turn.
      MIO's own settings: beam search with 5 beams for text; with --voice 5 beams and a repetition penalty of 2.0, or 1.15
      when the turn has sound (infer.py; the paper's table 11 samples speech with top-p 0.7 and a penalty of 1.15).
      """)

  @Argument(help: "What to say; '-' reads standard input.")
  var prompt: [String] = []

  @OptionGroup var given: MediaFlags

  @Flag(help: "Answer with speech only.")
  var voice = false

  @Option(help: "The system's words instead of MIO's own; special tokens in them count.")
  var system: String?

  @Option(
    name: .shortAndLong, help: "Where media of the answers are saved (default: the current folder).", completion: .directory)
  var output: String = "."

  @Option(help: "Without PROMPT: keep the conversation in this file, and go on from it.", completion: .file())
  var session: String?

  @Option(help: "Ask in the words of this recipe, in one turn: visual-thought, reasoning, in-context, interleaved ...")
  var recipe: String?

  @Option(name: [.customLong("images"), .customLong("pictures")], help: "Most images of an answer.")
  var images: Int = 8

  @Flag(help: "With PROMPT: print the answer's parts as JSON.")
  var json = false

  @OptionGroup var drawing: ImageFlags
  @OptionGroup var verbosity: VerboseFlag
  @OptionGroup var model: ModelOptions
  @OptionGroup var sampling: SamplingFlags
  @OptionGroup var common: CommonOptions

  func validate() throws {
    if output == "-" { throw ValidationError("-o names the folder for media of the answers; words go to standard output") }
    if json && prompt.isEmpty && recipe == nil { throw ValidationError("--json needs a PROMPT or a --recipe") }
    if session != nil && (!prompt.isEmpty || recipe != nil) {
      throw ValidationError("--session keeps a conversation; leave the PROMPT out and type it, or pipe it in")
    }
    if recipe != nil && (voice || system != nil) {
      throw ValidationError("--recipe says how the model is asked; leave --voice and --system out")
    }
    if !(1...1000).contains(images) { throw ValidationError("--images takes a number from 1 to 1000, not \(images)") }
  }

  func run() async throws {
    // Words alone need no folder.
    try Files.checkFolderName(output, for: "answers go to a folder of media")
    if output != "." || voice { try Files.checkFolder(output) }
    let opened = try model.open()
    try opened.require(task: recipe.map(RecipeOption.find) ?? (voice ? .speechAnswer : .text))
    if !given.image.isEmpty || !given.video.isEmpty { try opened.require(.seeing) }
    if !given.audio.isEmpty { try opened.require(.speech) }
    let wishes = sampling.sampling(draws: false, quiet: common.quiet)
    let options = try drawing.options(wishes, of: opened)
    var parts = try given.parts()
    let words = prompt.isEmpty ? "" : try Input.text(prompt, "what to say")
    if !words.isEmpty { parts.append(.text(words)) }
    if !prompt.isEmpty && parts.isEmpty { throw Failure(.wrongInput, "the prompt is empty; say something") }
    let media = MediaFolder(path: output, quiet: common.quiet, origin: ImageOrigin(prompt: words, options: options))
    if !prompt.isEmpty || recipe != nil {
      try await answerOnce(media, try oneAnswer(opened, parts, hasWords: !words.isEmpty, wishes, options))
    } else {
      let conversation = try opened.session(
        instructions: instructions, options: SessionOptions(sampling: wishes, speaks: voice, image: options))
      try session.map { try Self.goOn(conversation, from: $0) }
      var terminal = ChatTerminal(
        conversation, of: opened, media: media, given: parts, quiet: common.quiet, showsImages: !drawing.noPreview,
        sessionPath: session)
      try await terminal.run()
    }
  }

  private static func goOn(_ conversation: Session, from path: String) throws {
    try OutputFile.check(URL(fileURLWithPath: path))
    guard Files.exists(path) else { return }
    let bytes = try Input.bytes(of: path, limit: 64 << 20)
    guard let snapshot = try? JSONDecoder().decode(Session.Snapshot.self, from: Data(bytes)) else {
      throw Failure(.wrongInput, "\(PathText.shown(path)): no conversation that 'chat --session' kept; name another file")
    }
    try conversation.restore(snapshot)
  }

  private var instructions: String? {
    get throws { try system.map(Input.checked) }
  }

  /// How the answer to a single turn is asked for.
  private func oneAnswer(
    _ opened: Model, _ parts: [InputPart], hasWords: Bool, _ wishes: Sampling, _ options: ImageOptions
  ) throws -> PartStream {
    if recipe == nil, opened.takesTurns {
      let session = try opened.session(
        instructions: instructions, options: SessionOptions(sampling: wishes, speaks: voice, image: options))
      return session.streamResponse(to: parts)
    }
    let task = TaskOptions(sampling: wishes, image: options, maxImages: images)
    let chosen = try recipe.map(RecipeOption.find) ?? baseRecipe(hasWords: hasWords)
    return opened.perform(chosen, parts, options: task)
  }

  /// The words of a base model's training that fit what was given.
  private func baseRecipe(hasWords: Bool) -> MioTask {
    let (sees, hears) = (!given.image.isEmpty || !given.video.isEmpty, !given.audio.isEmpty)
    if voice { return hears ? .speechToSpeech : .speechAnswer }
    guard hasWords, given.text.isEmpty else { return .interleaved }
    return sees && hears ? .interleaved : sees ? .imageQuestion : hears ? .speechQuestion : .text
  }

  private func answerOnce(
    _ media: MediaFolder, _ answer: PartStream
  ) async throws {
    var parts: [AnswerPart] = []
    do {
      try await Interrupts.during { cancellation in
        let bar = ProgressBar("chat", quiet: common.quiet)
        defer { bar.finish() }
        for try await part in cancellation.stopping(answer) {
          if case .progress(let progress) = part {
            if verbosity.verbose, progress.kind == .input { Output.note("mio-lite: \(progress.detail)") }
            bar.update(progress.fraction, detail: "\(progress.kind.rawValue) \(progress.number), \(progress.detail)")
            continue
          }
          guard let shown = try media.keep(part) else { continue }
          parts.append(shown)
          if !json { try shown.show() }
          if case .image(let clip?, _) = part, !common.quiet, !drawing.noPreview { Preview.show(clip) }
        }
      }
    } catch {
      // What was said until then stays said.
      if !parts.isEmpty { try? finish(parts) }
      throw error
    }
    try finish(parts)
  }

  private func finish(_ parts: [AnswerPart]) throws {
    if json { try Output.json(["parts": AnswerPart.joined(parts)]) } else { try Output.line("") }
  }
}

/// A part of an answer as it is shown and saved.
struct AnswerPart: Encodable {
  var type: String
  var text: String?
  var file: String?
  var codes: [[Int32]]?

  private enum CodingKeys: CodingKey {
    case type, text, file, codes
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(type, forKey: .type)
    try container.encodeIfPresent(text, forKey: .text)
    try container.encodeIfPresent(file.map(PathText.shown), forKey: .file)
    try container.encodeIfPresent(codes, forKey: .codes)
  }

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
  private let origin: ImageOrigin?
  private let isReplacing: Bool
  private var counts: [String: Int] = [:]

  /// - Parameters:
  ///   - origin: what is written into the files of images.
  ///   - replacing: whether files of the same name are overwritten; otherwise numbers go on behind theirs.
  init(path: String, quiet: Bool, origin: ImageOrigin? = nil, replacing: Bool = false) {
    self.path = path
    self.quiet = quiet
    self.origin = origin
    isReplacing = replacing
  }

  /// Saves what is a medium and says what became of it; nil for what is no part of the answer.
  func keep(_ part: OutputPart) throws -> AnswerPart? {
    switch part {
    case .text(let text): return AnswerPart(type: "text", text: text)
    case .problem(let text): return AnswerPart(type: "problem", text: text)
    case .progress, .preview, .finished: return nil
    case .image(let clip, let codes):
      let file = try clip.map { clip in
        let file = try nextPath("image", "png")
        try clip.write(to: URL(fileURLWithPath: file), origin: origin)
        return file
      }
      return AnswerPart(type: "image", file: file, codes: [codes])
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
    try Files.makeFolder(path)
    while true {
      counts[kind, default: 0] += 1
      let name = "\(kind)-\(counts[kind] ?? 0).\(suffix)"
      let file = path == "." ? name : "\(path)/\(name)"
      if isReplacing || !Files.exists(file) { return file }
    }
  }
}
