import Foundation
import MioKernels
import MioMedia
import MioModel

/// What a user brings to a turn of a conversation.
public enum InputPart: Sendable {
  /// Words; they can never act as control or media tokens.
  case text(String)
  /// Sound in memory.
  case audio(AudioClip)
  /// A sound file.
  case audioFile(String)
}

/// What a reply is made of, in the order in which it is made.
public enum OutputPart: Sendable {
  /// A stretch of text, to be shown at once.
  case text(String)
  /// A finished stretch of speech.
  case speech(AudioClip, codes: [[Int32]])
  /// The codes of a finished picture.
  case image(codes: [Int])
  /// Something in the reply that could not be rendered, in words.
  case problem(String)
}

/// How a conversation is led.
public struct ConversationOptions: Sendable {
  public var sampling: Sampling
  /// Whether the model answers with speech only.
  public var speaks: Bool
  /// The system's words instead of MIO's own. They are trusted: special tokens in them count.
  public var system: String?

  public init(sampling: Sampling = Sampling(), speaks: Bool = false, system: String? = nil) {
    self.sampling = sampling
    self.speaks = speaks
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
  private var turns: [[Int32]] = []  // the user's words and the reply of each turn

  /// Tokens that a reply should have room for before old turns are forgotten.
  private static let reserve = 512

  init(_ model: Model, _ options: ConversationOptions) throws(MioError) {
    self.model = model
    self.options = options
    engine = try Engine(model)
    guard model.takesTurns else {
      throw MioError(
        .unsupported, "\(model.path): a base model takes no turns; use 'generate' with the words to continue")
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

  func takeTurn(_ parts: [InputPart], cancellation: Cancellation, yield: (OutputPart) -> Void) throws {
    try lock.withLock {
      let (content, hasAudio) = try content(parts)
      let turn = try engine.tokenizer.encode(
        .trusted("\n<|im_start|>user\n") + content + .trusted("<|im_end|>\n<|im_start|>assistant\n"), addsEnds: false)
      let sampling = try options.sampling.options(over: model.defaults(for: task(hasAudio: hasAudio)))
      forgetOldTurns(toFit: turn.count + min(Self.reserve, sampling.maxTokens))
      let prompt = system + turns.joined() + turn
      var request = GenerationRequest(
        prompt: prompt, options: sampling,
        grammar: ModalityGrammar(engine.classes, rules: options.speaks ? .speechOnly : rules), stream: UInt64(turns.count))
      request.keepsCache = true
      let reply = try reply(to: request, cancellation: cancellation, yield: yield)
      let end = model.stopIds.first.map { reply.last == $0 ? [] : [$0] } ?? []
      turns.append(turn + reply + end)
      if cancellation.isCancelled { throw MioError(.cancelled, "cancelled") }
    }
  }

  /// Text, and what else the file can render.
  private var rules: ModalityGrammar.Rules {
    ModalityGrammar.Rules(speech: model.codec == nil ? nil : .allLevels)
  }

  private func task(hasAudio: Bool) -> GenerationTask {
    options.speaks ? (hasAudio ? .speechToSpeech : .speechGeneration) : .text
  }

  private func reply(
    to request: GenerationRequest, cancellation: Cancellation, yield: (OutputPart) -> Void
  ) throws -> [Int32] {
    var parser = ReplyParser(engine.tokenizer)
    var ids: [Int32] = []
    do {
      try engine.run([request], cancellation: cancellation) { _, event in
        guard case .token(_, let id) = event else { return }
        ids.append(id)
        for part in parser.append(id) { try render(part, yield) }
      }
    } catch let error as MioError where error.code == .cancelled {
      return ids
    }
    for part in parser.finish() { try render(part, yield) }
    return ids
  }

  private func render(_ part: ReplyPart, _ yield: (OutputPart) -> Void) throws {
    switch part {
    case .text(let text): yield(.text(text))
    case .image(let image): yield(.image(codes: image.codes))
    case .stray(let text): yield(.problem("tokens outside of any block: \(text.prefix(60))"))
    case .speech(let speech):
      if let fault = speech.fault { yield(.problem("incomplete speech (\(fault.rawValue))")) }
      guard let codec = model.codec, !speech.levels.isEmpty, !speech.levels[0].isEmpty else { return }
      let codes = speech.levels.map { level in level.map(Int32.init) }
      let samples = try codec.decode(codes, on: engine.context)
      yield(.speech(AudioClip(samples: samples, sampleRateHz: codec.config.sampleRateHz), codes: codes))
    }
  }

  private func forgetOldTurns(toFit count: Int) {
    func length() -> Int { system.count + turns.reduce(0) { $0 + $1.count } + count }
    while !turns.isEmpty, length() > engine.contextLength { turns.removeFirst() }
  }

  private func content(_ parts: [InputPart]) throws -> (Prompt, hasAudio: Bool) {
    var prompt = Prompt()
    var hasAudio = false
    for part in parts {
      switch part {
      case .text(let text): prompt.append(.untrusted(text))
      case .audio(let clip):
        prompt.append(.tokens(try speechTokens(clip)))
        hasAudio = true
      case .audioFile(let path):
        let codec = try model.requiredCodec()
        var source = AudioSource(try AudioFile.open(path: path), sampleRateHz: codec.config.sampleRateHz)
        let limit = engine.contextLength * codec.config.hopLength
        let samples = try source.readAll(maximumSamples: limit)
        prompt.append(.tokens(try speechTokens(AudioClip(samples: samples, sampleRateHz: codec.config.sampleRateHz))))
        hasAudio = true
      }
    }
    return (prompt, hasAudio)
  }

  private func speechTokens(_ clip: AudioClip) throws -> [Int32] {
    let codec = try model.requiredCodec()
    let rate = codec.config.sampleRateHz
    let samples = clip.sampleRateHz == rate ? clip.samples
      : Resampler.resample(clip.samples, from: clip.sampleRateHz, to: rate)
    guard !samples.isEmpty else { throw MioError(.invalidInput, "the sound is empty") }
    let codes = try codec.encode(samples, levels: 1, on: engine.context)
    return try engine.tokenizer.media.speechTokens(codes.map { $0.map(Int.init) })
  }
}
