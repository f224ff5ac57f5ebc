import CServerFiles
import Foundation
import MioLite
import NIOHTTP1
import Synchronization

/// What all connections share: the model, the rules, and the count of what happened.
final class Service: Sendable {
  let options: ServerOptions
  let gate: Gate
  let admission: Admission
  let metrics = Metrics()
  let buffered: ByteBudget
  let spoken: SpokenMemory
  private let log: AccessLog
  private let current: Mutex<Model>
  private let draining = Atomic(false)
  private let requestCount = Atomic(0)
  private let tasks = Atomic(0)
  /// Seconds since 1970 of the start.
  let startedAt = Int(Date().timeIntervalSince1970)

  init(_ model: Model, _ options: ServerOptions) {
    self.options = options
    current = Mutex(model)
    gate = Gate(options)
    admission = Admission(parallel: options.parallel, queue: options.queue)
    buffered = ByteBudget(options.maxBufferedBytes)
    spoken = SpokenMemory(seconds: options.audioMemorySeconds)
    log = AccessLog(options.log, prompts: options.logsPrompts)
  }

  /// The model that new requests get; those under way keep theirs.
  var model: Model {
    get { current.withLock { $0 } }
    set { current.withLock { $0 = newValue } }
  }

  /// Whether no new requests are wanted.
  var isDraining: Bool { draining.load(ordering: .relaxed) }

  /// Returns whether this is the first time.
  func drain() -> Bool { !draining.exchange(true, ordering: .relaxed) }

  func nextID() -> String {
    let number = requestCount.wrappingAdd(1, ordering: .relaxed).newValue
    return "req-\(String(startedAt, radix: 36))-\(number)"
  }

  /// Starts the task of a connection, which is waited for before the threads of the connections end.
  func start(_ body: @escaping @Sendable () async -> Void) -> Task<Void, Never> {
    tasks.wrappingAdd(1, ordering: .relaxed)
    return Task(executorPreference: options.taskExecutor) {
      await body()
      self.tasks.wrappingSubtract(1, ordering: .releasing)
    }
  }

  /// Whether a task of a connection has not ended yet.
  var isBusy: Bool { tasks.load(ordering: .acquiring) > 0 }

  // MARK: - Bodies

  var bodyTooLong: APIError {
    APIError(.payloadTooLarge, "the body has more than \(options.maxBodyBytes) bytes; send less, or raise --max-body")
  }

  var bodiesTooMany: APIError {
    APIError(.serviceUnavailable, "too much is being sent to this server at once; try again later", retryAfterSeconds: 2)
  }

  /// Refuses a body before it is sent.
  func checkLength(of head: HTTPRequestHead) throws {
    if let length = head.headers.first(name: "content-length").flatMap(Int.init), length > options.maxBodyBytes {
      throw bodyTooLong
    }
  }

  // MARK: - Answers

  /// Headers of every answer.
  func commonHeaders(_ head: HTTPRequestHead, id: String) -> HTTPHeaders {
    var headers: HTTPHeaders = ["x-request-id": id, "server": "mio-lite", "x-content-type-options": "nosniff"]
    if let origin = head.headers.first(name: "origin"),
      gate.isAllowed(origin: origin, host: head.headers.first(name: "host"))
    {
      headers.add(name: "access-control-allow-origin", value: origin)
      headers.add(name: "access-control-expose-headers", value: "x-request-id")
      headers.add(name: "vary", value: "origin")
    }
    return headers
  }

  /// Answers a request, whatever happens.
  func answer(_ request: HTTPRequest, _ writer: ResponseWriter) async {
    let started = ContinuousClock.now
    let call = Call(self, request, writer)
    metrics.begin()
    var failure: String?
    do {
      try await Router.answer(call)
    } catch {
      // A client may go as soon as it has everything.
      failure = writer.isEnded ? nil : Task.isCancelled ? "the client is gone" : APIError(error).message
      if writer.status == nil {
        try? await writer.send(APIError(error))
      }
      // An answer that broke off must not look whole.
      else {
        try? await writer.breakOff()
      }
    }
    let seconds = (ContinuousClock.now - started) / .seconds(1)
    metrics.end(call.endpoint, status: writer.status?.code ?? 499, seconds: seconds)
    log.write(request, writer, seconds: seconds, failure: failure)
  }

  /// Answers a request that is not let in.
  func refuse(_ request: HTTPRequest, _ error: APIError, _ writer: ResponseWriter) async {
    metrics.begin()
    try? await writer.send(error)
    metrics.end("refused", status: error.status.code, seconds: 0)
    log.write(request, writer, seconds: 0, failure: error.message)
  }

  /// The page in pieces, between which the mark of its policy belongs; the file says `PAGE-NONCE` there.
  static let page: [[UInt8]] = {
    var count = 0
    let bytes = unsafe mio_server_page(&count)
    let text = unsafe String(decoding: UnsafeBufferPointer(start: bytes, count: count), as: UTF8.self)
    return text.components(separatedBy: "PAGE-NONCE").map { Array($0.utf8) }
  }()

  /// What the server understands, as OpenAPI 3.1 says it.
  static let openAPI: [UInt8] = {
    var count = 0
    let bytes = unsafe mio_server_openapi(&count)
    return unsafe Array(UnsafeBufferPointer(start: bytes, count: count))
  }()
}

/// One request on its way to its answer.
final class Call: Sendable {
  let service: Service
  let request: HTTPRequest
  let writer: any AnswerWriter
  let model: Model
  private let name = Mutex("other")
  /// What stands for the moment and for chance where the same request must get the same answer: a row of a batch.
  private let fixed: Fixed?

  /// The answer's id and seed, where they do not come from the clock and from chance.
  struct Fixed: Sendable {
    let id: String
    let seed: UInt64
  }

  init(_ service: Service, _ request: HTTPRequest, _ writer: any AnswerWriter, fixed: Fixed? = nil) {
    (self.service, self.request, self.writer, self.fixed) = (service, request, writer, fixed)
    model = service.model
  }

  /// Seconds since 1970; 0 in batches.
  var created: Int { fixed == nil ? Int(Date().timeIntervalSince1970) : 0 }

  /// A name for the answer.
  func name(_ prefix: String) -> String {
    prefix + (fixed?.id ?? String(UInt64.random(in: .min ... .max), radix: 36))
  }

  /// The seed that was sent, or another.
  func seed(_ sent: Int?) -> UInt64 {
    sent.map { UInt64(bitPattern: Int64($0)) } ?? fixed?.seed ?? .random(in: 0...0xFFFF_FFFF)
  }

  var options: ServerOptions { service.options }

  /// What the metrics call the kind of request.
  var endpoint: String {
    get { name.withLock { $0 } }
    set { name.withLock { $0 = newValue } }
  }

  /// The body as JSON.
  func json<Body: Decodable>(_ type: Body.Type) throws -> Body { try Self.json(type, request.body) }

  static func json<Body: Decodable>(_ type: Body.Type, _ bytes: [UInt8]) throws -> Body {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(type, from: Data(bytes))
  }

  /// Refuses a model that is not here. Names of OpenAI's own, which many clients send unasked, mean the model that is.
  func check(model name: String?) throws {
    guard let name, !name.isEmpty, name != options.modelName else { return }
    let known = ["gpt-", "chatgpt-", "tts-", "whisper-", "dall-e-", "mio", "default", "o1", "o3", "o4", "kokoro"]
    guard known.contains(where: name.lowercased().hasPrefix) else {
      throw APIError(
        .notFound, "there is no model '\(name.prefix(80))' here, only '\(options.modelName)'", param: "model",
        code: "model_not_found")
    }
  }
}

/// Bytes that may be held at the same time.
final class ByteBudget: Sendable {
  private let limit: Int
  private let used = Mutex(0)

  init(_ limit: Int) { self.limit = limit }

  /// Takes bytes if there is room.
  func take(_ count: Int) -> Bool {
    used.withLock { used in
      guard used + count <= limit else { return false }
      used += count
      return true
    }
  }

  func give(_ count: Int) { used.withLock { $0 -= count } }
}

/// The codes of speech in earlier answers, by which clients refer to it, for a while.
final class SpokenMemory: Sendable {
  private struct Entry {
    let id: String
    let codes: [[Int32]]
    let end: ContinuousClock.Instant
  }

  private let seconds: Int
  private let entries = Mutex<[Entry]>([])
  private static let maxCount = 1000

  init(seconds: Int) { self.seconds = seconds }

  /// Keeps codes; returns until when, in seconds since 1970.
  func keep(_ codes: [[Int32]], id: String) -> Int {
    let now = ContinuousClock.now
    entries.withLock { entries in
      entries.removeAll { $0.end < now }
      if entries.count >= Self.maxCount { entries.removeFirst() }
      entries.append(Entry(id: id, codes: codes, end: now + .seconds(seconds)))
    }
    return Int(Date().timeIntervalSince1970) + seconds
  }

  func codes(of id: String) -> [[Int32]]? {
    entries.withLock { entries in entries.last { $0.id == id && $0.end > .now }?.codes }
  }
}
