import NIOHTTP1

/// Server-sent events: an answer of many messages. Where nothing is sent for long, a comment says that work goes on.
actor EventStream {
  private let writer: any AnswerWriter
  private var hasBegun = false
  private var isEnded = false
  private var hasSentSincePing = false

  private init(_ writer: any AnswerWriter) { self.writer = writer }

  /// Answers with the events that `body` sends. What fails before the first one is an ordinary error; later it is an event.
  static func run(
    _ writer: any AnswerWriter, pingSeconds: Double, on executor: (any TaskExecutor)? = nil,
    _ body: @escaping @Sendable (EventStream) async throws -> Void
  ) async throws {
    let stream = EventStream(writer)
    let pinging = Task(executorPreference: executor) {
      while true {
        try await Task.sleep(for: .seconds(pingSeconds))
        try await stream.ping()
      }
    }
    defer { pinging.cancel() }
    do {
      try await body(stream)
      try await stream.end()
    } catch {
      pinging.cancel()
      guard await stream.hasBegun else { throw error }
      try Task.checkCancellation()
      try await stream.send(APIError(error).json)
      try await stream.end()
      throw error
    }
  }

  func send(_ json: JSON, event: String? = nil) async throws {
    let name = event.map { "event: \($0)\n" } ?? ""
    try await write(Array("\(name)data: ".utf8) + json.bytes + Array("\n\n".utf8))
  }

  /// Sends text that is no JSON.
  func send(text: String) async throws { try await write(Array("data: \(text)\n\n".utf8)) }

  private func ping() async throws {
    defer { hasSentSincePing = false }
    if !hasSentSincePing { try await write(Array(": working\n\n".utf8)) }
  }

  private func write(_ bytes: [UInt8]) async throws {
    if isEnded { return }
    hasSentSincePing = true
    if !hasBegun {
      hasBegun = true
      // Proxies are asked not to collect what comes.
      writer.begin(
        .ok, ["content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", "x-accel-buffering": "no"])
    }
    try await writer.write(bytes)
  }

  private func end() async throws {
    if !hasBegun { try await write(Array(": nothing\n\n".utf8)) }
    isEnded = true
    try await writer.end()
  }
}
