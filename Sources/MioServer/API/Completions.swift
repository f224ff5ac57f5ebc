import Foundation
import MioLite

/// `/v1/completions`: a text that goes on.
enum Completions {
  private struct Body: Decodable {
    let prompt: ChatBody.Stop
    let model: String?
    let maxTokens: Int?
    let n: Int?
    let echo: Bool?
    let seed: Int?
    let stop: ChatBody.Stop?
    let stream: Bool?
    let streamOptions: ChatBody.StreamOptions?
    let temperature: Double?
    let topP: Double?
    let topK: Int?
    let repetitionPenalty: Double?
    let logprobs: Int?
    let suffix: String?
    let bestOf: Int?
  }

  /// One text that is to go on.
  private struct Job: Sendable {
    let index: Int
    let text: String
    let ids: [Int32]
    let options: GenerationOptions
    let stops: [String]
  }

  private struct Result: Sendable {
    var text = ""
    var tokenCount = 0
    var reason = "stop"
  }

  /// OpenAI's.
  private static let defaultTokens = 16
  private static let maxChoices = 8

  static func answer(_ call: Call) async throws {
    let body = try call.json(Body.self)
    try call.check(model: body.model)
    try call.model.require(.text)
    if let count = body.logprobs, count > 0 {
      throw APIError.unsupported("logprobs", "probabilities are not told here; leave it out")
    }
    if body.suffix?.isEmpty == false { throw APIError.unsupported("suffix", "the model only goes on; leave it out") }
    if let count = body.bestOf, count != body.n ?? 1 { throw APIError.unsupported("best_of", "is not supported; use n") }
    let jobs = try jobs(body, call)
    let head: JSON = [
      "id": .string(call.name("cmpl-")), "object": "text_completion",
      "created": .int(call.created), "model": .string(call.options.modelName),
    ]
    if body.stream == true {
      try await EventStream.run(call.writer, pingSeconds: call.options.pingSeconds, on: call.options.taskExecutor) { events in
        try await call.service.admission.run {
          let usage = try await run(jobs, call) { job, text, reason in
            try await events.send(head.adding(["choices": [choice(job, text, reason)]]))
          }.usage
          if body.streamOptions?.includeUsage == true {
            try await events.send(head.adding(["choices": [], "usage": usage]))
          }
          try await events.send(text: "[DONE]")
        }
      }
    } else {
      let echo = body.echo == true
      try await call.service.admission.run {
        let (results, usage) = try await run(jobs, call) { _, _, _ in }
        let choices = zip(jobs, results).map { choice($0, (echo ? $0.text : "") + $1.text, .string($1.reason)) }
        try await call.writer.send(head.adding(["choices": .array(choices), "usage": usage]))
      }
    }
  }

  private static func jobs(_ body: Body, _ call: Call) throws -> [Job] {
    guard let tokenizer = call.model.tokenizer else { return [] }
    let count = body.n ?? 1
    guard count >= 1, count * body.prompt.texts.count <= maxChoices, !body.prompt.texts.isEmpty else {
      throw APIError.invalid("n", "n times the number of prompts must be 1 to \(maxChoices)")
    }
    let seed = call.seed(body.seed)
    var jobs: [Job] = []
    for text in body.prompt.texts {
      let ids = try tokenizer.encode(text)
      for _ in 0..<count {
        var options = GenerationOptions()
        options.sampling = Sampling(
          temperature: body.temperature, topK: body.topK, topP: body.topP, repetitionPenalty: body.repetitionPenalty,
          maxTokens: body.maxTokens ?? defaultTokens, seed: seed &+ UInt64(jobs.count))
        options.sampling.dropLimits()
        jobs.append(Job(index: jobs.count, text: text, ids: ids, options: options, stops: body.stop?.texts ?? []))
      }
    }
    return jobs
  }

  /// Runs all at once, and tells every piece of text.
  private static func run(
    _ jobs: [Job], _ call: Call, tell: @escaping @Sendable (Job, String, JSON) async throws -> Void
  ) async throws -> (results: [Result], usage: JSON) {
    let results = try await withThrowingTaskGroup(of: (Int, Result).self) { group in
      for job in jobs { group.addTask { (job.index, try await run(job, call, tell: tell)) } }
      return try await group.reduce(into: [Int: Result]()) { $0[$1.0] = $1.1 }
    }
    let ordered = jobs.compactMap { results[$0.index] }
    let prompt = Set(jobs.map(\.text)).reduce(0) { sum, text in sum + (jobs.first { $0.text == text }?.ids.count ?? 0) }
    let generated = ordered.reduce(0) { $0 + $1.tokenCount }
    call.service.metrics.addTokens(prompt: prompt, generated: generated)
    return (
      ordered,
      [
        "prompt_tokens": .int(prompt), "completion_tokens": .int(generated), "total_tokens": .int(prompt + generated),
      ]
    )
  }

  private static func run(
    _ job: Job, _ call: Call, tell: @Sendable (Job, String, JSON) async throws -> Void
  ) async throws -> Result {
    guard var decoder = call.model.tokenizer?.textDecoder() else { return Result() }
    var result = Result()
    var stops = StopTexts(job.stops)
    func add(_ text: String) async throws {
      if text.isEmpty { return }
      result.text += text
      try await tell(job, text, nil)
    }
    for try await id in call.model.generate(from: job.ids, options: job.options) {
      result.tokenCount += 1
      try await add(stops.append(decoder.append(id)))
      if stops.isMet { break }
    }
    if !stops.isMet {
      try await add(stops.append(decoder.finish()))
      try await add(stops.finish())
      if result.tokenCount >= job.options.sampling.maxTokens ?? defaultTokens { result.reason = "length" }
    }
    try await tell(job, "", .string(result.reason))
    return result
  }

  private static func choice(_ job: Job, _ text: String, _ reason: JSON) -> JSON {
    ["index": .int(job.index), "text": .string(text), "logprobs": nil, "finish_reason": reason]
  }
}

extension Sampling {
  /// Other servers take -1 for no limit.
  mutating func dropLimits() {
    if topK == -1 { topK = 0 }
    if maxTokens == -1 { maxTokens = nil }
  }
}
