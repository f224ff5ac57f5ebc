import Foundation
import MioKernels
import MioModel

/// How a conversation is led.
public struct ConversationOptions: Sendable {
  public var sampling: Sampling
  /// Whether the model answers with speech only.
  public var speaks: Bool
  /// How images in answers are drawn; `nil` leaves them as codes.
  public var drawing: ImageOptions?
  /// The system's words instead of MIO's own. They are trusted: special tokens in them count.
  public var system: String?

  public init(
    sampling: Sampling = Sampling(), speaks: Bool = false, drawing: ImageOptions? = ImageOptions(),
    system: String? = nil
  ) {
    self.sampling = sampling
    self.speaks = speaks
    self.drawing = drawing
    self.system = system
  }
}

/// A conversation: turns that the model remembers.
///
/// What was evaluated stays in the cache, so a turn costs only its own tokens. When the context is full the oldest turns
/// are forgotten; the system's words stay.
public final class Conversation: Sendable {
  private let state: ConversationState

  /// - Throws: ``MioError`` if the file lacks a language model, or the model takes no turns (a base model).
  public init(_ model: Model, options: ConversationOptions = ConversationOptions()) throws(MioError) {
    state = try ConversationState(model, options)
  }

  /// Hands over the user's turn and yields the parts of the reply as they are made.
  ///
  /// A reply that is cancelled stays in the conversation as far as it came.
  public func send(
    _ parts: [InputPart], cancellation: Cancellation = Cancellation()
  ) -> AsyncThrowingStream<OutputPart, any Error> {
    let state = self.state
    return stream(cancellation) { yield in try state.takeTurn(parts, cancellation: cancellation, yield: yield) }
  }

  /// Forgets all turns.
  public func reset() { state.reset() }
}

/// The memory of a conversation; one turn at a time.
private final class ConversationState: @unchecked Sendable {
  private let lock = NSLock()
  private let model: Model
  private let options: ConversationOptions
  private let engine: Engine
  private let system: [Int32]
  /// With a seed, so that all images of a conversation are drawn from the same noise.
  private let drawing: ImageOptions?
  private var turns: [[Int32]] = []  // the user's words and the reply of each turn

  /// Tokens that a reply should have room for before old turns are forgotten.
  private static let reserve = 512

  init(_ model: Model, _ options: ConversationOptions) throws(MioError) {
    self.model = model
    self.options = options
    drawing = options.drawing?.seeded
    engine = try model.engine
    guard model.takesTurns else {
      throw MioError(
        .unsupported, "\(model.path): a base model takes no turns; hand it all words at once, with Model.perform or 'chat PROMPT'")
    }
    let template = ChatTemplate(
      options.system != nil ? .custom : options.speaks ? .voice : .standard, opensReply: false)
    let turns = options.system.map { [ChatTurn(.system, .trusted($0))] } ?? []
    do {
      system = try engine.tokenizer.encode(template.prompt(turns, for: engine.tokenizer))
    } catch {
      throw MioError(error)
    }
  }

  func reset() {
    lock.withLock { turns = [] }
  }

  func takeTurn(_ parts: [InputPart], cancellation: Cancellation, yield: @escaping (OutputPart) -> Void) throws {
    try lock.withLock {
      let content = try PartReader(model, cancellation, report: { yield(.progress($0)) }).prompt(parts)
      let turn = try engine.tokenizer.encode(
        .trusted("\n<|im_start|>user\n") + content.parts + .trusted("<|im_end|>\n<|im_start|>assistant\n"), addsEnds: false)
      let sampling = try options.sampling.options(over: model.defaults(for: task(hasAudio: content.hasSpeech)))
      forgetOldTurns(toFit: turn.count + min(Self.reserve, sampling.maxTokens))
      let prompt = system + turns.joined() + turn
      var request = GenerationRequest(
        prompt: prompt, options: sampling,
        grammar: ModalityGrammar(engine.classes, rules: options.speaks ? .speechOnly : rules), stream: UInt64(turns.count))
      request.keepsReply = true
      var renderer = PartRenderer(model, engine, drawing: drawing, cancellation)
      let reply = try renderer.render(request, yield: yield)
      let end = model.stopIds.first.map { reply.last == $0 ? [] : [$0] } ?? []
      turns.append(turn + reply + end)
      if cancellation.isCancelled { throw MioError(.cancelled, "cancelled") }
    }
  }

  /// Text, and what else the file can render.
  private var rules: ModalityGrammar.Rules {
    ModalityGrammar.Rules(speech: model.codec == nil ? nil : .allCodebooks, images: model.canDraw && options.drawing != nil)
  }

  private func task(hasAudio: Bool) -> GenerationTask {
    options.speaks ? (hasAudio ? .speechToSpeech : .speechGeneration) : .text
  }

  private func forgetOldTurns(toFit count: Int) {
    func length() -> Int { system.count + turns.reduce(0) { $0 + $1.count } + count }
    while !turns.isEmpty, length() > engine.contextLength { turns.removeFirst() }
  }
}
