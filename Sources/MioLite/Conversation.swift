import MioModel

/// One message of a conversation that the caller keeps, for ``Model/reply(to:options:)``.
public struct Message: Sendable {
  /// Who speaks.
  public enum Role: String, Sendable {
    /// Sets the rules; its words are taken as words, and can never act as control or media tokens.
    case system
    case user
    /// The model, in an earlier reply.
    case assistant
  }

  public var role: Role
  public var parts: [InputPart]

  public init(_ role: Role, _ parts: [InputPart]) {
    self.role = role
    self.parts = parts
  }

  public init(_ role: Role, _ text: String) { self.init(role, [.text(text)]) }
}

extension Model {
  /// Answers the last message of a conversation that the caller keeps and hands over whole.
  ///
  /// A ``Session`` keeps the conversation itself, and drops its oldest turns where the context is full; here a conversation that
  /// does not fit is refused. What earlier calls evaluated of the same conversation is not evaluated again. Words of the system
  /// stand in place of MIO's own; where the model is to speak, behind MIO's request for speech.
  ///
  /// - Returns: a stream that throws ``MioError``, with code `.contextFull` if the messages do not fit the context, with
  ///   `.unsupported` if the model takes no turns (a base model).
  public func reply(to messages: [Message], options: SessionOptions = SessionOptions()) -> PartStream {
    PartStream { outlet in
      try self.checkTurns(options)
      let engine = try self.engine
      let image = options.image?.seeded()
      let reader = try PartReader(self, outlet)
      var (turns, hasSpeech) = ([ChatTurn](), false)
      for message in messages {
        let content = try reader.prompt(message.parts)
        hasSpeech = message.role == .user ? content.hasSpeech : hasSpeech
        turns.append(ChatTurn(message.role.layer, content.parts))
      }
      let prompt = try ChatTemplate.conversation(turns, speaks: options.speaks, for: engine.tokenizer)
      var request = GenerationRequest(
        prompt: prompt, options: try self.sampling(for: options, hasSpeech: hasSpeech),
        grammar: ModalityGrammar(engine.classes, rules: self.rules(for: options)),
        stream: UInt64(messages.count { $0.role == .assistant }))
      request.keepsReply = true
      var renderer = PartRenderer(self, engine, image, outlet, stops: options.stops)
      try renderer.render(request)
    }
  }

  /// Refuses turns that the model cannot take.
  ///
  /// - Throws: ``MioError`` with code `.unsupported`.
  func checkTurns(_ options: SessionOptions) throws(MioError) {
    _ = try requiredTokenizer()
    _ = try requiredLanguage()
    try requireTaught(options.speaks ? .speechAnswer : .text)
    if options.speaks { try require(.speech) }
    guard takesTurns else {
      throw MioError(
        .unsupported,
        "\(name): a base model takes no turns; hand it all words at once, with Model.perform or 'chat PROMPT'")
    }
  }

  /// How the tokens of a reply are chosen.
  func sampling(for options: SessionOptions, hasSpeech: Bool) throws(MioError) -> SamplingOptions {
    let task: GenerationTask = options.speaks ? (hasSpeech ? .speechToSpeech : .speechGeneration) : .text
    return try options.sampling.options(over: defaults(for: task))
  }

  /// What a reply may be made of: speech alone, or text and what else the file can render.
  func rules(for options: SessionOptions) -> ModalityGrammar.Rules {
    if options.speaks { return .speechOnly }
    let wanted = options.modalities
    return ModalityGrammar.Rules(
      speech: codec == nil || !wanted.contains(.speech) ? nil : .allCodebooks,
      images: canGenerateImages && options.image != nil && wanted.contains(.image))
  }
}

extension ChatTemplate {
  /// The ids of a conversation, with the opening of the reply.
  fileprivate static func conversation(
    _ turns: [ChatTurn], speaks: Bool, for tokenizer: TextTokenizer
  ) throws(MioError) -> [Int32] {
    var rules = Prompt()
    for turn in turns where turn.role == .system {
      if !rules.segments.isEmpty { rules.append(.trusted("\n")) }
      rules.append(turn.content)
    }
    let isCustom = !rules.segments.isEmpty
    if isCustom, speaks { rules = .trusted(voiceSystem + "\n") + rules }
    let template = ChatTemplate(isCustom ? .custom : speaks ? .voice : .standard)
    let others = turns.filter { $0.role != .system }
    do {
      return try tokenizer.encode(template.prompt((isCustom ? [ChatTurn(.system, rules)] : []) + others, for: tokenizer))
    } catch {
      throw MioError(error)
    }
  }
}

extension Message.Role {
  fileprivate var layer: ChatTurn.Role {
    switch self {
    case .system: .system
    case .user: .user
    case .assistant: .assistant
    }
  }
}
