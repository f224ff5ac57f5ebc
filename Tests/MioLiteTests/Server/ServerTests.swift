import Foundation
import MioLite
import MioServer
import MioTestSupport
import Testing

/// What the endpoints answer.
@Suite(.onOwnThreads) struct ServerTests {
  // MARK: - What there is

  @Test func `says what it is and what it can do`() async throws {
    let server = try await TestServer()
    #expect(try server.get("/health").json["status"] as? String == "ok")
    let list = try server.get("/v1/models").json["data"] as? [[String: Any]]
    #expect(list?.count == 1 && list?[0]["id"] as? String == "mio")
    #expect(list?[0]["tasks"] as? [String] == ["speech-recognition", "text-to-speech"])
    #expect(try server.get("/v1/models/mio").json["object"] as? String == "model")
    #expect(try server.get("/v1/models/other").error["code"] as? String == "model_not_found")
    #expect((try server.get("/audio/voices").json["voices"] as? [[String: Any]])?.first?["id"] as? String == "default")
    let page = try server.get("/")
    #expect(page.status == 200 && page.headers["content-type"] == "text/html; charset=utf-8" && page.text.contains("<title>"))
    #expect(page.headers["content-security-policy"]?.contains("default-src 'none'") == true)
    #expect(try server.get("/openapi.json").json["openapi"] as? String == "3.1.0")
    #expect(try server.get("/metrics").text.contains("mio_requests_total{endpoint=\"/health\",status=\"200\"} 1"))
    let missing = try server.get("/v1/nothing")
    #expect(missing.status == 404 && missing.headers["x-request-id"] != nil && missing.error["type"] as? String != nil)
    #expect(try server.get("/v1/audio/speech").status == 405)
    let head = try HTTPClient(port: server.port).request("HEAD", "/health")
    #expect(head.status == 200 && head.body.isEmpty && head.headers["content-length"] != "0")
  }

  @Test func `one connection takes many requests`() async throws {
    let server = try await TestServer()
    let client = try HTTPClient(port: server.port)
    for _ in 0..<3 { #expect(try client.request("GET", "/health").status == 200) }
    // Sent ahead, answered in order.
    try client.send("GET /health HTTP/1.1\r\nhost: localhost\r\n\r\nGET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n")
    #expect(try client.answer().json["status"] != nil)
    #expect(try client.answer().json["object"] != nil)
  }

  @Test func `the next request may come before the task of the last one has ended`() async throws {
    let server = try await TestServer()
    let client = try HTTPClient(port: server.port)
    let one = "POST /v1/audio/speech HTTP/1.1\r\nhost: localhost\r\ncontent-length: 12\r\n\r\n{\"input\": 5}"
    for _ in 0..<25 {
      try client.send(String(repeating: one, count: 20))
      for number in 0..<20 { #expect(try client.answer().status == 400, "request \(number)") }
    }
    #expect(try client.request("GET", "/health").status == 200)
  }

  // MARK: - Speech

  private func speech(_ more: [String: Any] = [:]) -> [String: Any] {
    ["model": "tts-1", "voice": "alloy", "input": "Good morning. How are you?", "seed": 3].merging(more) { $1 }
  }

  @Test func `speaks in every form`() async throws {
    let server = try await TestServer()
    let expected = try await Model(path: TestServer.demo).speak(
      "Good morning. How are you?", options: SpeechOptions(sampling: Sampling(seed: 3)))
    let types = [
      "mp3": "audio/mpeg", "opus": "audio/ogg", "flac": "audio/flac", "wav": "audio/wav",
      "pcm": "audio/pcm;rate=16000;channels=1",
    ]
    for (format, type) in types {
      let answer = try server.post("/v1/audio/speech", speech(["response_format": format]))
      #expect(answer.status == 200 && answer.headers["content-type"] == type, "\(format)")
      let again = try server.post("/v1/audio/speech", speech(["response_format": format]))
      #expect(again.body == answer.body, "\(format)")
      if format == "pcm" {
        #expect(answer.body.count == 2 * expected.samples.count)
      } else {
        let audio = try Audio(bytes: answer.body)
        #expect(abs(audio.duration - expected.duration) < 0.2, "\(format): \(audio.duration)")
      }
    }
    // Without a wish it is MP3, as clients expect.
    #expect(try server.post("/v1/audio/speech", speech()).headers["content-type"] == "audio/mpeg")
  }

  @Test func `a whole WAV says how long it is, a streamed one that nobody knows`() async throws {
    let server = try await TestServer()
    let whole = try server.post("/v1/audio/speech", speech(["response_format": "wav"]))
    #expect(whole.headers["content-length"] == "\(whole.body.count)")
    func size(_ bytes: [UInt8]) -> Int { (0..<4).reduce(0) { $0 | Int(bytes[40 + $1]) << (8 * $1) } }
    #expect(size(whole.body) == whole.body.count - 44)
    let streamed = try server.post("/v1/audio/speech", speech(["response_format": "wav", "stream_format": "audio"]))
    #expect(streamed.headers["transfer-encoding"] == "chunked" && size(streamed.body) == 0xFFFF_FFFF)
    #expect(streamed.body.dropFirst(44) == whole.body.dropFirst(44))
    let events = try server.post("/v1/audio/speech", speech(["response_format": "pcm", "stream_format": "sse"])).events
    let pieces = events.compactMap { ($0["audio"] as? String).flatMap { Data(base64Encoded: $0) } }
    #expect(pieces.count > 1 && pieces.flatMap { Array($0) } == Array(whole.body.dropFirst(44)))
    #expect(events.last?["type"] as? String == "speech.audio.done")
  }

  @Test(arguments: ["😀", "...", "—", " \"…\" ✅"]) func `says nothing for marks and little pictures`(text: String) async throws {
    let server = try await TestServer()
    for format in ["mp3", "wav", "pcm"] {
      let answer = try server.post("/v1/audio/speech", ["input": text, "response_format": format])
      #expect(answer.status == 200 && !answer.body.isEmpty, "\(format): \(answer.text.prefix(200))")
      if format == "pcm" { #expect(answer.body.count == 8000 && answer.body.allSatisfy { $0 == 0 }) }
    }
    let events = try server.post("/v1/audio/speech", ["input": text, "stream_format": "sse"]).events
    #expect(events.compactMap { $0["type"] as? String } == ["speech.audio.delta", "speech.audio.done"])
    let unknown = try server.post("/v1/audio/speech", ["input": "你好"])
    #expect(unknown.status == 400 && unknown.error["param"] as? String == "input")
  }

  @Test func `addresses may have slashes too many, bodies no coding`() async throws {
    let server = try await TestServer()
    let client = try HTTPClient(port: server.port)
    for path in ["/v1/models", "/v1/models/", "/v1//models", "//v1/models?x=1"] {
      #expect(try client.request("GET", path).text.contains("\"list\""), "\(path)")
    }
    #expect(try client.request("GET", "/v1/models//demo").status == client.request("GET", "/v1/models/demo").status)
    let coded = try client.request("POST", "/v1/audio/speech", headers: ["content-encoding": "gzip"], body: [31, 139])
    #expect(coded.status == 415 && coded.text.contains("gzip"))
  }

  @Test(arguments: [
    ("response_format", "aac", "AAC"), ("response_format", "tape", "tape"), ("stream_format", "fast", "audio or sse"),
    ("input", "  ", "no words"),
  ]) func `refuses speech that it cannot make`(field: String, value: String, words: String) async throws {
    let server = try await TestServer()
    let answer = try server.post("/v1/audio/speech", speech([field: value]))
    #expect(answer.status == 400 && answer.error["param"] as? String == field)
    #expect((answer.error["message"] as? String)?.contains(words) == true)
    #expect(!(answer.error["code"] is Int))
  }

  @Test func `has a speed, and refuses other models and bodies in OpenAI's form`() async throws {
    let server = try await TestServer()
    #expect(try server.post("/v1/audio/speech", speech(["speed": 1.0])).status == 200)
    #expect(try server.post("/v1/audio/speech", speech(["speed": 0.1])).error["param"] as? String == "speed")
    let (slow, fast) = try (
      server.post("/v1/audio/speech", speech(["speed": 0.5, "response_format": "pcm"])).body.count,
      server.post("/v1/audio/speech", speech(["speed": 2.0, "response_format": "pcm"])).body.count
    )
    #expect(slow > 3 * fast && slow < 5 * fast)
    let unknown = try server.post("/v1/audio/speech", speech(["model": "llama"]))
    #expect(unknown.status == 404 && unknown.error["code"] as? String == "model_not_found")
    #expect(try server.post("/v1/audio/speech", ["model": "tts-1"]).error["message"] as? String != nil)
    #expect(try server.post("/v1/audio/speech", ["input": 5]).error["param"] as? String == "input")
    let client = try HTTPClient(port: server.port)
    #expect(try client.request("POST", "/v1/audio/speech", body: Array("{".utf8)).status == 400)
    // Nulls and fields that nobody knows are as good as not there.
    #expect(try server.post("/v1/audio/speech", speech(["speed": NSNull(), "whatever": [1, 2]])).status == 200)
  }

  // MARK: - Transcription

  private func form(_ file: [UInt8], _ fields: [(String, String)] = []) -> Form {
    var form = Form()
    form.add("model", "whisper-1")
    for (name, value) in fields { form.add(name, value) }
    form.add("file", file, file: "speech.wav")
    return form
  }

  private func spoken(_ server: TestServer) throws -> [UInt8] {
    try server.post("/v1/audio/speech", ["input": "good morning", "seed": 1, "response_format": "wav"]).body
  }

  @Test func `writes down what it said, in every form`() async throws {
    let server = try await TestServer()
    let file = try spoken(server)
    let path = "/v1/audio/transcriptions"
    let json = try server.post(path, form(file)).json
    #expect(json["text"] as? String == "good morning")
    #expect((json["usage"] as? [String: Any])?["type"] as? String == "duration")
    #expect(try server.post(path, form(file, [("response_format", "text")])).text == "good morning\n")
    #expect(try server.post(path, form(file, [("response_format", "srt")])).text.hasPrefix("1\n00:00:00,"))
    #expect(try server.post(path, form(file, [("response_format", "vtt")])).text.hasPrefix("WEBVTT\n\n00:00:00."))
    let verbose = try server.post(
      path, form(file, [("response_format", "verbose_json"), ("timestamp_granularities[]", "segment")])
    ).json
    let segments = verbose["segments"] as? [[String: Any]]
    #expect(
      segments?.count == 1 && segments?[0]["text"] as? String == "good morning" && verbose["task"] as? String == "transcribe")
    let events = try server.post(path, form(file, [("stream", "true")])).events
    #expect(events.map { $0["type"] as? String } == ["transcript.text.delta", "transcript.text.done"])
    #expect(events.last?["text"] as? String == "good morning")
    // In chunks, as programs send forms whose length they do not know.
    let body = form(file)
    let client = try HTTPClient(port: server.port)
    try client.send(
      "POST \(path) HTTP/1.1\r\nhost: localhost\r\ncontent-type: \(body.headers["content-type"]!)\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    for start in stride(from: 0, to: body.body.count, by: 1000) {
      let piece = Array(body.body[start..<min(start + 1000, body.body.count)])
      try client.send(Array("\(String(piece.count, radix: 16))\r\n".utf8) + piece + Array("\r\n".utf8))
    }
    try client.send("0\r\n\r\n")
    #expect(try client.answer().json["text"] as? String == "good morning")
  }

  @Test func `refuses forms that are none`() async throws {
    let server = try await TestServer()
    let path = "/v1/audio/transcriptions"
    #expect(try server.post(path, ["file": "x"]).status == 400)
    var empty = Form()
    empty.add("model", "whisper-1")
    #expect(try server.post(path, empty).error["param"] as? String == "file")
    #expect(try server.post(path, form([1, 2, 3])).status == 400)
    let file = try spoken(server)
    #expect(
      try server.post(path, form(file, [("timestamp_granularities[]", "word")])).error["param"] as? String
        == "timestamp_granularities")
    #expect(try server.post(path, form(file, [("response_format", "doc")])).error["param"] as? String == "response_format")
    // Cut off anywhere.
    let whole = form(file)
    for count in [0, 10, 60, 200, whole.body.count - 1, whole.body.count - 4] {
      let body = Array(whole.body.prefix(count))
      let status = try HTTPClient(port: server.port).request("POST", path, headers: whole.headers, body: body).status
      #expect(status == 400 || count == whole.body.count - 1 && status == 200, "\(count) bytes: \(status)")
    }
    #expect(try server.post("/v1/audio/translations", form(file)).error["code"] as? String == "unsupported_endpoint")
  }
}
