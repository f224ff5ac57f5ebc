import Foundation
import MioLite

/// `/v1/chat/completions`: a conversation of words, images, sound and video.
enum ChatCompletions {
  static func answer(_ call: Call) async throws {
    let body = try call.json(ChatBody.self)
    try call.check(model: body.model)
    let plan = try ChatPlan(body, call)
    if body.stream == true {
      try await EventStream.run(call.writer, pingSeconds: call.options.pingSeconds, on: call.options.taskExecutor) { events in
        try await call.service.admission.run { try await ChatStreaming(call, plan, events).run() }
      }
    } else {
      try await call.service.admission.run { try await ChatWhole(call, plan).run() }
    }
  }
}

/// The request as it is sent. What is null or not known is as good as not there.
struct ChatBody: Decodable {
  struct Message: Decodable {
    struct Spoken: Decodable { let id: String }

    let role: String
    let content: Content?
    let audio: Spoken?
    let refusal: String?
  }

  struct AudioWish: Decodable {
    let format: String?
  }

  struct StreamOptions: Decodable {
    let includeUsage: Bool?
  }

  struct ResponseFormat: Decodable {
    let type: String?
  }

  struct Tool: Decodable {}

  /// One text or several.
  struct Stop: Decodable {
    let texts: [String]

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if let text = try? container.decode(String.self) { texts = [text] } else { texts = try container.decode([String].self) }
    }
  }

  let messages: [Message]
  let model: String?
  let modalities: [String]?
  let audio: AudioWish?
  let maxCompletionTokens: Int?
  let maxTokens: Int?
  let n: Int?
  let seed: Int?
  let stop: Stop?
  let stream: Bool?
  let streamOptions: StreamOptions?
  let temperature: Double?
  let topP: Double?
  let topK: Int?
  let repetitionPenalty: Double?
  let beams: Int?
  let frequencyPenalty: Double?
  let presencePenalty: Double?
  let logitBias: [String: Double]?
  let logprobs: Bool?
  let responseFormat: ResponseFormat?
  let tools: [Tool]?
  let toolChoice: ToolChoice?
  let steps: Int?
  let guidance: Double?

  enum ToolChoice: Decodable {
    case none, auto, other

    init(from decoder: any Decoder) throws {
      let text = try? decoder.singleValueContainer().decode(String.self)
      self = text == "none" ? .none : text == "auto" ? .auto : .other
    }
  }
}

/// What a conversation asks for, checked.
struct ChatPlan: Sendable {
  let messages: [Message]
  let options: SessionOptions
  let choiceCount: Int
  let wantsImages: Bool
  /// The form of spoken answers.
  let sound: SoundFormat?
  let includesUsage: Bool
  let seed: UInt64

  private static let maxChoices = 8

  init(_ body: ChatBody, _ call: Call) throws {
    try Self.refuseWhatCannotBeDone(body)
    let modalities = Set(body.modalities ?? ["text"])
    for modality in modalities where !["text", "audio", "image"].contains(modality) {
      throw APIError.unsupported("modalities", "'\(modality.prefix(20))' is not known; there are text, audio and image")
    }
    let count = body.n ?? 1
    guard (1...Self.maxChoices).contains(count) else {
      throw APIError.invalid("n", "must be 1 to \(Self.maxChoices)")
    }
    choiceCount = count
    wantsImages = modalities.contains("image")
    sound = modalities.contains("audio") ? try SoundFormat(body.audio?.format ?? "wav", field: "audio.format") : nil
    includesUsage = body.streamOptions?.includeUsage ?? false
    seed = call.seed(body.seed)
    var image = call.options.image
    if let steps = body.steps { image.steps = steps }
    if let guidance = body.guidance { image.guidance = guidance }
    var options = SessionOptions(
      speaks: sound != nil, image: wantsImages ? image : nil,
      modalities: Set([.text] + (wantsImages ? [.image] : []) + (sound != nil ? [.speech] : [])),
      stops: body.stop?.texts ?? [])
    options.sampling = Sampling(
      temperature: body.temperature, topK: body.topK, topP: body.topP, repetitionPenalty: body.repetitionPenalty,
      beams: body.beams, maxTokens: body.maxCompletionTokens ?? body.maxTokens)
    options.sampling.dropLimits()
    self.options = options
    try call.model.require(task: options.speaks ? .speechAnswer : .text)
    messages = try Self.messages(body, call)
  }

  /// The options of one of the choices: each has its own seed.
  func options(ofChoice index: Int) -> SessionOptions {
    var options = self.options
    options.sampling.seed = seed &+ UInt64(index)
    options.image?.sampling.seed = seed &+ UInt64(index)
    return options
  }

  private static func refuseWhatCannotBeDone(_ body: ChatBody) throws {
    if body.tools?.isEmpty == false, body.toolChoice != ChatBody.ToolChoice.none {
      throw APIError.unsupported("tools", "the model calls no tools; leave them out, or describe them in a message")
    }
    if case .other? = body.toolChoice { throw APIError.unsupported("tool_choice", "the model calls no tools; leave it out") }
    if body.logprobs == true {
      throw APIError.unsupported("logprobs", "probabilities are not told here; leave it out")
    }
    if body.logitBias?.isEmpty == false { throw APIError.unsupported("logit_bias", "is not supported; leave it out") }
    for (name, value) in [("frequency_penalty", body.frequencyPenalty), ("presence_penalty", body.presencePenalty)] {
      guard let value, value != 0 else { continue }
      throw APIError.unsupported(name, "is not supported; use repetition_penalty, 1 to 2")
    }
    if let type = body.responseFormat?.type, type != "text" {
      throw APIError.unsupported("response_format", "only text can be promised; ask for JSON in a message")
    }
  }

  private static func messages(_ body: ChatBody, _ call: Call) throws -> [Message] {
    guard body.messages.contains(where: { $0.role == "user" }) else {
      throw APIError.invalid("messages", "has no message of the user; add one")
    }
    return try body.messages.enumerated().map { index, message in
      let place = "messages[\(index)]"
      let role: Message.Role
      switch message.role {
      case "system", "developer": role = .system
      case "user": role = .user
      case "assistant": role = .assistant
      case "tool", "function":
        throw APIError.unsupported(
          "\(place).role", "the model calls no tools, so it has no use for what they answered; leave these messages out")
      default:
        throw APIError.unsupported(
          "\(place).role", "'\(message.role.prefix(20))' is not known; there are system, developer, user and assistant")
      }
      var parts = try message.content?.inputs(at: "\(place).content", call) ?? []
      if let spoken = message.audio {
        if let codes = call.service.spoken.codes(of: spoken.id) {
          parts.append(.speechCodes(Array(codes.prefix(1))))
        } else if parts.isEmpty {
          throw APIError.invalid("\(place).audio.id", "this speech is not kept any more; send its words as content")
        }
      }
      return Message(role, parts)
    }
  }
}

/// What is the same in all chunks of an answer.
private struct ChatHead {
  let id: String
  let created: Int
  let model: String

  init(_ call: Call) {
    id = call.name("chatcmpl-")
    created = call.created
    model = call.options.modelName
  }

  func json(_ object: String) -> JSON {
    ["id": .string(id), "object": .string(object), "created": .int(created), "model": .string(model)]
  }
}

/// An answer that is sent when it is whole.
private struct ChatWhole {
  private let call: Call
  private let plan: ChatPlan

  init(_ call: Call, _ plan: ChatPlan) { (self.call, self.plan) = (call, plan) }

  func run() async throws {
    let choices = try await withThrowingTaskGroup(of: (Int, Response).self) { group in
      for index in 0..<plan.choiceCount {
        group.addTask {
          var response = Response()
          for try await part in call.model.reply(to: plan.messages, options: plan.options(ofChoice: index)) {
            response.append(part)
          }
          return (index, response)
        }
      }
      return try await group.reduce(into: [Int: Response]()) { $0[$1.0] = $1.1 }
    }
    var list: [JSON] = []
    var usage = Usage()
    for index in 0..<plan.choiceCount {
      guard let response = choices[index] else { continue }
      usage.add(response.summary)
      let message = try await message(of: response)
      list.append([
        "index": .int(index), "message": message, "logprobs": nil,
        "finish_reason": .string(response.summary.finishReason),
      ])
    }
    call.service.metrics.addTokens(prompt: usage.prompt.all, generated: usage.reply.all)
    let answer = ChatHead(call).json("chat.completion")
    try await call.writer.send(
      answer.adding([
        "choices": .array(list), "usage": usage.json, "system_fingerprint": nil,
        "seed": .int(Int(truncatingIfNeeded: plan.seed)),
      ]))
  }

  private func message(of response: Response) async throws -> JSON {
    let text = response.text
    var message: JSON = [
      "role": "assistant", "content": text.isEmpty && plan.sound != nil ? nil : .string(text), "refusal": nil,
      "annotations": [],
    ]
    if let format = plan.sound {
      let spoken = try await SpokenAnswer(response, call)
      message = message.adding([
        "audio": [
          "id": .string(spoken.id), "data": .string(Data(try format.file(spoken.audio)).base64EncodedString()),
          "expires_at": .int(spoken.expiresAt), "transcript": .string(spoken.transcript),
        ]
      ])
    }
    if plan.wantsImages {
      call.service.metrics.addImages(response.images.count)
      message = message.adding(["images": .array(try response.images.map { try $0.part })])
    }
    return message
  }
}

/// An answer that is sent while it is made.
private struct ChatStreaming {
  private let call: Call
  private let plan: ChatPlan
  private let events: EventStream
  private let head: JSON

  init(_ call: Call, _ plan: ChatPlan, _ events: EventStream) {
    (self.call, self.plan, self.events) = (call, plan, events)
    head = ChatHead(call).json("chat.completion.chunk")
  }

  func run() async throws {
    let usage = try await withThrowingTaskGroup(of: ReplySummary.self) { group in
      for index in 0..<plan.choiceCount { group.addTask { try await stream(index) } }
      return try await group.reduce(into: Usage()) { $0.add($1) }
    }
    call.service.metrics.addTokens(prompt: usage.prompt.all, generated: usage.reply.all)
    if plan.includesUsage { try await events.send(head.adding(["choices": [], "usage": usage.json])) }
    try await events.send(text: "[DONE]")
  }

  private func stream(_ index: Int) async throws -> ReplySummary {
    var response = Response()
    var isFirst = true
    func send(_ delta: JSON, _ reason: JSON = nil) async throws {
      let delta = isFirst ? JSON.object([(key: "role", value: "assistant")]).adding(delta) : delta
      isFirst = false
      try await sendChunk(index, delta, reason)
    }
    for try await part in call.model.reply(to: plan.messages, options: plan.options(ofChoice: index)) {
      response.append(part)
      switch part {
      case .text(let text): try await send(["content": .string(text)])
      case .image(let image?, _):
        call.service.metrics.addImages(1)
        try await send(["images": [try image.part]])
      case .image, .preview, .speech, .problem, .progress, .finished: break
      }
    }
    if let format = plan.sound { try await sendSpoken(response, format, send) }
    try await send([:], .string(response.summary.finishReason))
    return response.summary
  }

  private func sendSpoken(
    _ response: Response, _ format: SoundFormat, _ send: (JSON, JSON) async throws -> Void
  ) async throws {
    let spoken = try await SpokenAnswer(response, call)
    let encoder = try format.encoder(sampleRateHz: spoken.audio.sampleRateHz)
    for start in stride(from: 0, to: spoken.audio.samples.count, by: spoken.audio.sampleRateHz) {
      let end = min(start + spoken.audio.sampleRateHz, spoken.audio.samples.count)
      try await sendData(try encoder.encode(Array(spoken.audio.samples[start..<end])), spoken, send)
    }
    try await sendData(try encoder.finish(), spoken, send)
    try await send(["audio": ["id": .string(spoken.id), "transcript": .string(spoken.transcript)]], nil)
    try await send(["audio": ["id": .string(spoken.id), "expires_at": .int(spoken.expiresAt)]], nil)
  }

  private func sendData(
    _ bytes: [UInt8], _ spoken: SpokenAnswer, _ send: (JSON, JSON) async throws -> Void
  ) async throws {
    if bytes.isEmpty { return }
    try await send(["audio": ["id": .string(spoken.id), "data": .string(Data(bytes).base64EncodedString())]], nil)
  }

  private func sendChunk(_ index: Int, _ delta: JSON, _ reason: JSON) async throws {
    let choice: JSON = ["index": .int(index), "delta": delta, "logprobs": nil, "finish_reason": reason]
    var chunk = head.adding(["choices": [choice]])
    if plan.includesUsage { chunk = chunk.adding(["usage": nil]) }
    try await events.send(chunk)
  }
}

/// The speech of an answer, and the words that the model itself hears in it.
private struct SpokenAnswer {
  let id: String
  let audio: Audio
  let transcript: String
  let expiresAt: Int

  init(_ response: Response, _ call: Call) async throws {
    id = call.name("audio_")
    var audio = Audio(samples: [], sampleRateHz: call.model.speechSampleRateHz ?? 16_000)
    for part in response.audio { audio.samples += part.samples }
    self.audio = audio
    guard !audio.samples.isEmpty else { throw APIError(.internalServerError, "the model said nothing; try another seed") }
    transcript = try await call.model.transcribe(audio).text
    let codes = response.parts.compactMap { if case .speech(_, let codes) = $0 { codes } else { nil } }
    let joined = (codes.first ?? []).indices.map { codebook in codes.flatMap { $0[codebook] } }
    let end = call.service.spoken.keep(joined, id: id)
    expiresAt = call.created == 0 ? 0 : end
    call.service.metrics.addSpoken(seconds: audio.duration)
  }
}

/// Tokens of a request and its choices.
private struct Usage {
  var prompt = ReplySummary.TokenCount()
  var reply = ReplySummary.TokenCount()

  /// The prompt counts once, however many choices there are.
  mutating func add(_ summary: ReplySummary) {
    prompt = summary.prompt
    reply.add(summary.reply)
  }

  var json: JSON {
    [
      "prompt_tokens": .int(prompt.all), "completion_tokens": .int(reply.all), "total_tokens": .int(prompt.all + reply.all),
      "prompt_tokens_details": [
        "audio_tokens": .int(prompt.speech), "image_tokens": .int(prompt.image), "text_tokens": .int(prompt.text),
      ],
      "completion_tokens_details": [
        "audio_tokens": .int(reply.speech), "image_tokens": .int(reply.image), "text_tokens": .int(reply.text),
      ],
    ]
  }
}

extension ReplySummary {
  var finishReason: String { end == .length ? "length" : "stop" }
}

extension Image {
  /// The image as a part of an answer.
  fileprivate var part: JSON {
    get throws {
      let data = Data(try encoded(as: .png)).base64EncodedString()
      return ["type": "image_url", "image_url": ["url": .string("data:image/png;base64,\(data)")]]
    }
  }
}
