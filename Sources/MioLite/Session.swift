import MioModel
import Synchronization

/// How a conversation is led.
public struct SessionOptions: Sendable {
  public var sampling: Sampling
  /// Whether the model answers with speech only.
  public var speaks: Bool
  /// How images in answers are generated; `nil` leaves them as codes.
  public var image: ImageOptions?
  /// Modalities that answers may be made of, besides what the model file cannot render.
  public var modalities: Set<MioTask.Modality>
  /// Words at which an answer ends; they are no part of it.
  public var stops: [String]

  public init(
    sampling: Sampling = Sampling(), speaks: Bool = false, image: ImageOptions? = ImageOptions(),
    modalities: Set<MioTask.Modality> = Set(MioTask.Modality.allCases), stops: [String] = []
  ) {
    self.sampling = sampling
    self.speaks = speaks
    self.image = image
    self.modalities = modalities
    self.stops = stops
  }
}

/// A conversation: turns that the model remembers.
///
/// ```swift
/// let session = try model.session(instructions: "You answer in one sentence.")
/// print(try await session.respond(to: "What is a lighthouse?").text)
/// ```
///
/// What was evaluated stays in the cache, so a turn costs only its own tokens. When the context is full the oldest turns
/// are forgotten; the instructions stay. A session may be used from any task; turns are taken one after the other, in the order
/// in which they are asked for.
public final class Session: Sendable {
  private struct State {
    /// The user's words and the reply of each turn.
    var turns: [[Int32]] = []
    /// Turns that had to make room.
    var forgottenCount = 0
    /// How often the session was reset.
    var epoch = 0
    /// How often a turn was taken back; what follows is drawn anew.
    var undoCount = 0
  }

  /// What was said, to be kept and continued later, with the same model.
  public struct Snapshot: Codable, Hashable, Sendable {
    /// Tokens of each turn: the user's words and the reply.
    let turns: [[Int32]]
  }

  private let model: Model
  private let options: SessionOptions
  private let system: [Int32]
  /// With a seed, so that all images of a conversation are made from the same noise.
  private let image: ImageOptions?
  private let state = Mutex(State())
  private let turn = Turn()

  /// Tokens that a reply should have room for before old turns are forgotten.
  private static let reserve = 512

  init(_ model: Model, instructions: String?, options: SessionOptions) throws(MioError) {
    self.model = model
    self.options = options
    image = options.image?.seeded()
    let tokenizer = try model.requiredTokenizer()
    try model.checkTurns(options)
    let template = ChatTemplate(
      instructions != nil ? .custom : options.speaks ? .voice : .standard, opensReply: false)
    let turns = instructions.map { [ChatTurn(.system, .trusted($0))] } ?? []
    do {
      system = try tokenizer.encode(template.prompt(turns, for: tokenizer))
    } catch {
      throw MioError(error)
    }
  }

  /// Hands over the user's turn and returns the whole reply.
  ///
  /// - Throws: `CancellationError` if the task is cancelled; what the model had said until then stays in the conversation.
  ///   ``MioError`` if a part cannot be read, or the turn does not fit the context; the turn is not remembered then.
  public func respond(to parts: [InputPart]) async throws -> Response {
    var response = Response()
    for try await part in streamResponse(to: parts) { response.append(part) }
    return response
  }

  /// The same for words alone.
  public func respond(to text: String) async throws -> Response { try await respond(to: [.text(text)]) }

  /// Hands over the user's turn and yields the parts of the reply as they are made.
  ///
  /// A reply that is left or cancelled stays in the conversation as far as it came.
  public func streamResponse(to parts: [InputPart]) -> PartStream {
    PartStream { outlet in
      try self.turn.take(outlet.cancellation) { try self.takeTurn(parts, outlet) }
    }
  }

  /// The same for words alone.
  public func streamResponse(to text: String) -> PartStream { streamResponse(to: [.text(text)]) }

  /// Forgets all turns, at once; a reply that is being made is not remembered.
  public func reset() {
    state.withLock { state in
      state.turns = []
      state.forgottenCount = 0
      state.epoch += 1
    }
  }

  /// Takes the last turn back, the user's words and the reply. The next reply is drawn anew, where replies are drawn.
  ///
  /// - Returns: whether there was one.
  public func undo() -> Bool {
    state.withLock { state in
      state.undoCount += 1
      return state.turns.popLast() != nil
    }
  }

  /// How many turns are remembered.
  public var turnCount: Int { state.withLock { $0.turns.count } }

  /// How many turns were forgotten because the context was full.
  public var forgottenTurnCount: Int { state.withLock { $0.forgottenCount } }

  /// What was said so far.
  public var snapshot: Snapshot { Snapshot(turns: state.withLock { $0.turns }) }

  /// Goes on from what was said in another session, instead of this one's turns.
  ///
  /// - Throws: ``MioError`` with code `.invalidInput` if the tokens are not of this model.
  public func restore(_ snapshot: Snapshot) throws(MioError) {
    let size = try model.requiredLanguage().config.vocabularySize
    guard snapshot.turns.allSatisfy({ $0.allSatisfy { 0..<Int32(clamping: size) ~= $0 } }) else {
      throw MioError(.invalidInput, "the snapshot holds tokens that this model does not have; it is of another one")
    }
    state.withLock { state in
      state.turns = snapshot.turns
      state.epoch += 1
    }
  }

  private func takeTurn(_ parts: [InputPart], _ outlet: Outlet<OutputPart>) throws {
    let engine = try model.engine
    let content = try PartReader(model, outlet).prompt(parts)
    let turn = try engine.tokenizer.encode(ChatTemplate.nextTurn(content.parts), addsEnds: false)
    let sampling = try model.sampling(for: options, hasSpeech: content.hasSpeech)
    let reserved = turn.count + min(Self.reserve, sampling.maxTokens)
    let (turns, epoch, undoCount) = state.withLock { state in
      func length() -> Int { system.count + state.turns.reduce(0) { $0 + $1.count } + reserved }
      while !state.turns.isEmpty, length() > engine.contextLength {
        state.turns.removeFirst()
        state.forgottenCount += 1
      }
      return (state.turns, state.epoch, state.undoCount)
    }
    var request = GenerationRequest(
      prompt: system + Array(turns.joined()) + turn, options: sampling,
      grammar: ModalityGrammar(engine.classes, rules: model.rules(for: options)),
      stream: UInt64(turns.count) | UInt64(undoCount) << 32)
    request.keepsReply = true
    var renderer = PartRenderer(model, engine, image, outlet, stops: options.stops)
    defer { if renderer.isReply { remember(turn, renderer.ids, epoch) } }
    try renderer.render(request)
  }

  private func remember(_ turn: [Int32], _ reply: [Int32], _ epoch: Int) {
    let end = model.stopIds.first.map { reply.last == $0 ? [] : [$0] } ?? []
    state.withLock { state in
      if state.epoch == epoch { state.turns.append(turn + reply + end) }
    }
  }
}

extension Model {
  /// Begins a conversation.
  ///
  /// - Parameters:
  ///   - instructions: the system's words instead of MIO's own. They are trusted: special tokens in them count.
  ///   - options: how replies are made.
  /// - Throws: ``MioError`` with code `.unsupported` if the file lacks a language model, or the model takes no turns (a base
  ///   model).
  public func session(
    instructions: String? = nil, options: SessionOptions = SessionOptions()
  ) throws(MioError) -> Session {
    try Session(self, instructions: instructions, options: options)
  }
}

/// A whole reply.
public struct Response: Sendable {
  /// What it is made of, in its order; neighbouring texts are one part.
  public private(set) var parts: [OutputPart] = []
  /// What it took, and why it ended.
  public private(set) var summary = ReplySummary()

  public init() {}

  /// What was written.
  public var text: String {
    parts.reduce(into: "") { if case .text(let text) = $1 { $0 += text } }.trimmedWhitespace
  }

  /// What was said.
  public var audio: [Audio] { parts.compactMap { if case .speech(let audio, _) = $0 { audio } else { nil } } }

  /// Images that were made.
  public var images: [Image] { parts.compactMap { if case .image(let image?, _) = $0 { image } else { nil } } }

  /// Adds the next part of a stream; neighbouring texts become one.
  public mutating func append(_ part: OutputPart) {
    switch (parts.last, part) {
    case (_, .progress), (_, .preview): break
    case (_, .finished(let summary)): self.summary = summary
    case (.text(let first), .text(let second)): parts[parts.count - 1] = .text(first + second)
    default: parts.append(part)
    }
  }
}
