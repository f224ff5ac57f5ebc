import Foundation
import MioLite
import MioServer
import Testing

/// What Home Assistant's voice services send and expect.
@Suite(.onOwnThreads) struct WyomingTests {
  private struct Event {
    let type: String
    let data: [String: Any]
    let payload: [UInt8]
  }

  /// A client that speaks the protocol.
  private final class Client {
    private let socket: HTTPClient
    private var received: [UInt8] = []

    init(port: Int) throws { socket = try HTTPClient(port: port) }

    func send(_ type: String, _ data: [String: Any] = [:], payload: [UInt8] = []) throws {
      let body = try JSONSerialization.data(withJSONObject: data)
      let header: [String: Any] = ["type": type, "data_length": body.count, "payload_length": payload.count]
      try socket.send(Array(try JSONSerialization.data(withJSONObject: header)) + [10] + Array(body) + payload)
    }

    func send(raw: [UInt8]) throws { try socket.send(raw) }

    func next() throws -> Event {
      while true {
        if let event = try take() { return event }
        let more = socket.receive()
        if more.isEmpty { throw CocoaError(.fileReadCorruptFile) }
        received += more
      }
    }

    private func take() throws -> Event? {
      guard let end = received.firstIndex(of: 10) else { return nil }
      let header = try JSONSerialization.jsonObject(with: Data(received[..<end])) as? [String: Any] ?? [:]
      let (data, payload) = (header["data_length"] as? Int ?? 0, header["payload_length"] as? Int ?? 0)
      guard received.count >= end + 1 + data + payload else { return nil }
      let start = end + 1
      let fields = try JSONSerialization.jsonObject(with: Data(received[start..<(start + data)])) as? [String: Any] ?? [:]
      let event = Event(
        type: header["type"] as? String ?? "", data: fields, payload: Array(received[(start + data)..<(start + data + payload)])
      )
      received.removeFirst(start + data + payload)
      return event
    }
  }

  @Test func `says what it offers`() async throws {
    let server = try await TestServer()
    let client = try Client(port: server.wyomingPort)
    try client.send("describe")
    let info = try client.next()
    #expect(info.type == "info")
    let voices = (info.data["tts"] as? [[String: Any]])?.first?["voices"] as? [[String: Any]]
    #expect(voices?.first?["name"] as? String == "default" && voices?.first?["languages"] as? [String] == ["en"])
    #expect(((info.data["asr"] as? [[String: Any]])?.first?["models"] as? [Any])?.count == 1)
    try client.send("ping", ["text": "x"])
    #expect(try client.next().data["text"] as? String == "x")
  }

  @Test func `speaks, and writes down what it said`() async throws {
    let server = try await TestServer()
    let client = try Client(port: server.wyomingPort)
    try client.send("synthesize", ["text": "good morning", "voice": ["name": "default"]])
    var sound: [UInt8] = []
    var event = try client.next()
    #expect(event.type == "audio-start" && event.data["rate"] as? Int == 16_000 && event.data["width"] as? Int == 2)
    while true {
      event = try client.next()
      guard event.type == "audio-chunk" else { break }
      sound += event.payload
    }
    #expect(event.type == "audio-stop" && sound.count > 10_000)
    try client.send("transcribe", ["language": "en"])
    try client.send("audio-start", ["rate": 16_000, "width": 2, "channels": 1])
    for start in stride(from: 0, to: sound.count, by: 2048) {
      let piece = Array(sound[start..<min(start + 2048, sound.count)])
      try client.send("audio-chunk", ["rate": 16_000, "width": 2, "channels": 1], payload: piece)
    }
    try client.send("audio-stop")
    let transcript = try client.next()
    #expect(transcript.type == "transcript")
    #expect((transcript.data["text"] as? String)?.contains("morning") == true, "\(transcript.data)")
  }

  @Test func `speaks text that still comes, sentence by sentence`() async throws {
    let server = try await TestServer()
    let client = try Client(port: server.wyomingPort)
    try client.send("synthesize-start", ["voice": ["name": "default"]])
    for piece in ["Good mor", "ning. This is", " a test. And", " the end"] {
      try client.send("synthesize-chunk", ["text": piece])
    }
    // Sound before the text has ended.
    #expect(try client.next().type == "audio-start")
    #expect(try client.next().type == "audio-chunk")
    try client.send("synthesize", ["text": "Good morning. This is a test. And the end"])
    try client.send("synthesize-stop")
    var types: [String] = []
    while types.last != "synthesize-stopped" { types.append(try client.next().type) }
    #expect(types.filter { $0 == "audio-start" }.isEmpty && types.filter { $0 == "audio-stop" }.count == 1)
  }

  @Test func `sound of nothing begins and ends`() async throws {
    let server = try await TestServer()
    let client = try Client(port: server.wyomingPort)
    try client.send("synthesize", ["text": "👍"])
    #expect(try client.next().type == "audio-start")
    #expect(try client.next().type == "audio-stop")
  }

  @Test func `bad bytes end the connection, bad requests do not`() async throws {
    let server = try await TestServer()
    for bytes in [
      "no json\n", "{\"type\":\"x\",\"data_length\":-1}\n", "{\"type\":\"x\",\"payload_length\":99999999999}\n", "[]\n",
    ] {
      let client = try Client(port: server.wyomingPort)
      try client.send(raw: Array(bytes.utf8))
      #expect(throws: (any Error).self, "\(bytes)") { try client.next() }
    }
    let client = try Client(port: server.wyomingPort)
    try client.send("synthesize", ["text": "你好"])
    #expect(try client.next().type == "error")
    try client.send("audio-start", ["rate": 0, "width": 3, "channels": 0])
    try client.send("audio-stop")
    #expect(try client.next().type == "error")
    try client.send("describe")
    #expect(try client.next().type == "info")
  }
}
