import Foundation
import MioLite
import MioServer
import MioTestSupport
import Testing

/// How the server behaves under load, with rude clients, and when it is to end.
@Suite(.onOwnThreads) struct ServerBehaviourTests {
  private let chatPath = "/v1/chat/completions"

  private func chat(_ words: String, tokens: Int, _ more: [String: Any] = [:]) -> [String: Any] {
    ["messages": [["role": "user", "content": words]], "max_tokens": tokens, "seed": 7, "temperature": 1].merging(more) { $1 }
  }

  // MARK: - A crowd

  @Test func `what a client gets does not depend on the others`() async throws {
    let server = try await TestServer(PackedModel.whole) { $0.parallel = 6 }
    @Sendable func ask(_ number: Int) throws -> [UInt8] {
      switch number % 3 {
      case 0:
        let body: [String: Any] = [
          "messages": [["role": "user", "content": "Number \(number)."]], "max_tokens": 30, "seed": number, "temperature": 1,
        ]
        let answer = try server.post("/v1/chat/completions", body)
        let choices = try answer.json["choices"] as? [[String: Any]]
        return Array(((choices?[0]["message"] as? [String: Any])?["content"] as? String ?? answer.text).utf8)
      case 1:
        return try server.post(
          "/v1/audio/speech", ["input": "Number \(number).", "seed": number, "response_format": "pcm"]
        ).body
      default:
        let answer = try server.post("/v1/images/generations", ["prompt": "number \(number)", "seed": number, "steps": 1])
        return Array(((try answer.json["data"] as? [[String: Any]])?[0]["b64_json"] as? String ?? answer.text).utf8)
      }
    }
    var alone: [[UInt8]] = []
    for number in 0..<12 { alone.append(try ask(number)) }
    let together = try await withThrowingTaskGroup(of: (Int, [UInt8]).self) { group in
      for number in 0..<12 { group.addTask { (number, try await beside { try ask(number) }) } }
      return try await group.reduce(into: [Int: [UInt8]]()) { $0[$1.0] = $1.1 }
    }
    for number in 0..<12 { #expect(together[number] == alone[number], "request \(number)") }
  }

  @Test func `refuses with 503 what would wait beyond the queue, and says when to come back`() async throws {
    let server = try await TestServer(PackedModel.whole) {
      $0.parallel = 1
      $0.queue = 1
    }
    let body = try JSONSerialization.data(withJSONObject: ["prompt": "a tree", "steps": 900, "n": 10])
    func begin() throws -> HTTPClient {
      let client = try HTTPClient(port: server.port)
      try client.send("POST /v1/images/generations HTTP/1.1\r\nhost: localhost\r\ncontent-length: \(body.count)\r\n\r\n")
      try client.send(Array(body))
      return client
    }
    let first = try begin()
    #expect(try await server.sees { running, _ in running == 1 })
    let second = try begin()
    #expect(try await server.sees { _, waiting in waiting == 1 })
    let third = try server.post(chatPath, chat("Short.", tokens: 2))
    #expect(third.status == 503 && Int(third.headers["retry-after"] ?? "") ?? 0 >= 1, "\(third.text)")
    withExtendedLifetime((first, second)) {}
  }

  // MARK: - Clients that go

  @Test(arguments: ["chat", "chat stream", "speech", "speech whole", "image", "completion", "waiting"])
  func `a client that goes takes its work along`(kind: String) async throws {
    let server = try await TestServer(PackedModel.whole) { $0.parallel = kind == "waiting" ? 1 : 4 }
    let long = String(repeating: "These are many words to say. ", count: 200)
    let (path, json): (String, [String: Any]) =
      switch kind {
      case "chat": (chatPath, chat("Go on.", tokens: 1800))
      case "chat stream": (chatPath, chat("Go on.", tokens: 1800, ["stream": true]))
      case "speech": ("/v1/audio/speech", ["input": long, "response_format": "pcm"])
      case "speech whole": ("/v1/audio/speech", ["input": long, "response_format": "wav"])
      case "waiting": ("/v1/images/generations", ["prompt": "a tree", "steps": 900])
      case "image": ("/v1/images/generations", ["prompt": "a tree", "steps": 900, "n": 10])
      default: ("/v1/completions", ["prompt": "Once", "max_tokens": 1800, "temperature": 1])
      }
    let body = Array(try JSONSerialization.data(withJSONObject: json))
    func begin() throws -> HTTPClient {
      let client = try HTTPClient(port: server.port)
      try client.send("POST \(path) HTTP/1.1\r\nhost: localhost\r\ncontent-length: \(body.count)\r\n\r\n")
      try client.send(body)
      return client
    }
    var clients = try [begin()]
    if kind == "waiting" { clients.append(try begin()) }
    let isSeen = try await server.sees(within: 5) { running, waiting in running > 0 && (kind != "waiting" || waiting > 0) }
    #expect(isSeen || kind != "waiting")
    if kind == "waiting" {
      // The one that waits goes first; the other is not concerned.
      clients.removeLast()
      #expect(try await server.sees { _, waiting in waiting == 0 })
      #expect(try clients[0].answer().status == 200)
    }
    clients = []
    #expect(try await server.becomesIdle())
    // Nothing goes on behind the back of the count either.
    let answer = try server.post(chatPath, chat("Short.", tokens: 2))
    #expect(answer.status == 200)
  }

  @Test func `a client that does not read is left`() async throws {
    let server = try await TestServer(PackedModel.whole) { $0.stallSeconds = 1 }
    // Far more bytes than fit between server and client.
    let body = Array(
      try JSONSerialization.data(withJSONObject: ["prompt": "a tree", "n": 4, "size": "256x256", "steps": 1, "seed": 1]))
    let client = try HTTPClient(port: server.port, window: 4096)
    try client.send("POST /v1/images/generations HTTP/1.1\r\nhost: localhost\r\ncontent-length: \(body.count)\r\n\r\n")
    try client.send(body)
    #expect(!client.receive().isEmpty)
    #expect(try await server.becomesIdle())
    withExtendedLifetime(client) {}
  }

  // MARK: - Who may

  @Test func `lets in only who has a key`() async throws {
    let server = try await TestServer { $0.apiKeys = ["first", "second"] }
    #expect(try server.get("/health").status == 200)
    #expect(try server.get("/").status == 200)
    #expect(try server.get("/v1/models", headers: ["authorization": "Bearer second"]).status == 200)
    for value in ["Bearer third", "Bearer", "Basic first", "Bearer firs", "Bearer first2"] {
      let answer = try server.get("/v1/models", headers: ["authorization": value])
      #expect(answer.status == 401 && answer.error["code"] as? String == "invalid_api_key", "\(value)")
    }
    let refused = try server.post("/v1/audio/speech", ["input": "hello"])
    #expect(refused.status == 401 && refused.headers["connection"] == "close")
  }

  @Test func `is not to be reached by names that others made`() async throws {
    let server = try await TestServer { $0.allowedHosts = ["mio.example"] }
    for host in ["localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080", "a.localhost", "MIO.example:9"] {
      #expect(try server.get("/health", headers: ["host": host]).status == 200, "\(host)")
    }
    for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "1.2.3"] {
      #expect(try server.get("/health", headers: ["host": host]).error["code"] as? String == "host_not_allowed", "\(host)")
    }
  }

  @Test func `pages of others may use it only if they are allowed`() async throws {
    let server = try await TestServer { $0.allowedOrigins = ["https://friend.example"] }
    let own = try server.get("/health", headers: ["host": "localhost:80", "origin": "http://localhost:80"])
    #expect(own.status == 200 && own.headers["access-control-allow-origin"] == "http://localhost:80")
    #expect(
      try server.get("/health", headers: ["origin": "https://friend.example"]).headers["access-control-allow-origin"]
        == "https://friend.example")
    for origin in ["https://evil.example", "null", "http://localhost.evil.example"] {
      let answer = try server.get("/health", headers: ["origin": origin])
      #expect(answer.status == 403 && answer.headers["access-control-allow-origin"] == nil, "\(origin)")
    }
    let preflight = try HTTPClient(port: server.port).request(
      "OPTIONS", "/v1/audio/speech",
      headers: ["origin": "https://friend.example", "access-control-request-headers": "authorization"])
    #expect(preflight.status == 204 && preflight.headers["access-control-allow-methods"] == "POST, OPTIONS")
  }

  // MARK: - Limits

  @Test func `refuses bodies that are too long, however they come`() async throws {
    let server = try await TestServer { $0.maxBodyBytes = 10_000 }
    let said = try HTTPClient(port: server.port)
    try said.send("POST /v1/audio/speech HTTP/1.1\r\nhost: localhost\r\ncontent-length: 999999999\r\n\r\n")
    #expect(try said.answer().status == 413)
    let chunked = try HTTPClient(port: server.port)
    try chunked.send("POST /v1/audio/speech HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n")
    try chunked.send("4e20\r\n" + String(repeating: " ", count: 20_000))
    #expect(try chunked.answer().status == 413)
    let expecting = try HTTPClient(port: server.port)
    try expecting.send(
      "POST /v1/audio/speech HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 50000\r\n\r\n")
    #expect(try expecting.answer().status == 413)
    #expect(try server.get("/health").status == 200)
  }

  @Test func `asks for a body that waits to be asked for`() async throws {
    let server = try await TestServer()
    let body = Array(#"{"input":"hello","response_format":"pcm"}"#.utf8)
    let client = try HTTPClient(port: server.port)
    try client.send(
      "POST /v1/audio/speech HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: \(body.count)\r\n\r\n")
    #expect(String(decoding: client.receive(), as: UTF8.self).hasPrefix("HTTP/1.1 100 "))
    try client.send(body)
    #expect(try client.answer().status == 200)
  }

  @Test func `closes connections that say nothing, and bodies that never come`() async throws {
    let server = try await TestServer {
      $0.idleSeconds = 1
      $0.stallSeconds = 1
    }
    let silent = try HTTPClient(port: server.port)
    #expect(silent.receive().isEmpty)
    let head = try HTTPClient(port: server.port)
    try head.send("GET /health HTT")
    #expect(head.receive().isEmpty)
    let body = try HTTPClient(port: server.port)
    try body.send("POST /v1/audio/speech HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{")
    #expect(try body.answer().status == 408)
  }

  @Test func `bad bytes get an answer or the end of the connection`() async throws {
    let server = try await TestServer()
    let brackets = [UInt8](repeating: UInt8(ascii: "["), count: 24 << 20)
    let started = ContinuousClock.now
    for path in ["/v1/audio/speech", "/v1/chat/completions", "/v1/completions", "/v1/images/generations"] {
      let answer = try HTTPClient(port: server.port).request("POST", path, body: brackets)
      #expect(answer.status == 400, "\(path)")
    }
    #expect(ContinuousClock.now - started < .seconds(60))
    for bytes in [
      "\0\0\0\0\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET / HTTP/1.1\r\nhost\r\n\r\n", "\u{16}\u{3}\u{1}",
    ] {
      let client = try HTTPClient(port: server.port)
      try client.send(bytes + "\r\n\r\n")
      let answer = client.receive()
      #expect(answer.isEmpty || answer.starts(with: "HTTP/1".utf8), "\(bytes.debugDescription)")
    }
    #expect(try server.get("/health").status == 200)
    #expect(try server.get("/v1/models/%zz%00").status == 404)
  }

  @Test func `says that it works while nothing comes`() async throws {
    let server = try await TestServer { $0.pingSeconds = 0.005 }
    let text = String(repeating: "This is a test of many words. ", count: 12)
    let answer = try server.post("/v1/audio/speech", ["input": text, "stream_format": "sse", "candidates": 8])
    // Whether before the first sound or the second is up to a busy machine.
    #expect(answer.text.contains(": working\n\n") && answer.events.last?["type"] as? String == "speech.audio.done")
  }

  // MARK: - The end

  @Test func `lets requests finish when it is to end`() async throws {
    let server = try await TestServer(PackedModel.whole)
    let json = chat("Go on.", tokens: 300)
    let body = try JSONSerialization.data(withJSONObject: json)
    async let answer = beside {
      try HTTPClient(port: server.port).request("POST", "/v1/chat/completions", body: Array(body))
    }
    try await server.sees(within: 5) { running, _ in running == 1 }
    try await server.stop()
    #expect(try await answer.status == 200)
    #expect(throws: (any Error).self) { try HTTPClient(port: server.port) }
  }

  @Test func `another model takes over, and requests under way keep theirs`() async throws {
    let server = try await TestServer(PackedModel.whole)
    let before = try server.post("/v1/audio/speech", ["input": "hello", "seed": 1, "response_format": "pcm"]).body
    let json = chat("Go on.", tokens: 300)
    let body = try JSONSerialization.data(withJSONObject: json)
    let expected = try server.post(chatPath, json).json["choices"] as? [[String: Any]]
    // A request counts until a moment after its answer.
    #expect(try await server.becomesIdle())
    async let answer = beside {
      try HTTPClient(port: server.port).request("POST", "/v1/chat/completions", body: Array(body))
    }
    try await server.sees(within: 5) { running, _ in running == 1 }
    server.server.replaceModel(with: try Model(path: TestServer.demo))
    #expect(try server.post("/v1/audio/speech", ["input": "hello", "seed": 1, "response_format": "pcm"]).body != before)
    let choices = try await answer.json["choices"] as? [[String: Any]]
    #expect((choices?[0]["message"] as? NSDictionary) == (expected?[0]["message"] as? NSDictionary))
  }
}
