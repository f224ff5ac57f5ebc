import Foundation
import MioLite
import MioServer
import MioTestSupport
import Testing

/// Conversations, completions and images, with a model of random weights that has all parts.
@Suite(.onOwnThreads) struct ChatServerTests {
  private let path = "/v1/chat/completions"

  private func chat(_ content: Any, _ more: [String: Any] = [:]) -> [String: Any] {
    ["messages": [["role": "user", "content": content]], "max_tokens": 24, "seed": 5].merging(more) { $1 }
  }

  private func dataURI(_ type: String, _ url: URL) throws -> String {
    "data:\(type);base64,\(try Data(contentsOf: url).base64EncodedString())"
  }

  private func choice(_ answer: HTTPClient.Answer, _ index: Int = 0) throws -> [String: Any] {
    let choices = try answer.json["choices"] as? [[String: Any]] ?? []
    return try #require(choices.first { $0["index"] as? Int == index })
  }

  private func content(_ answer: HTTPClient.Answer) throws -> String {
    (try choice(answer)["message"] as? [String: Any])?["content"] as? String ?? ""
  }

  @Test func `answers words, whole and as a stream alike`() async throws {
    let server = try await TestServer(PackedModel.whole)
    let answer = try server.post(path, chat("Tell me something."))
    #expect(answer.status == 200, "\(answer.text)")
    let text = try content(answer)
    #expect(!text.isEmpty && answer.headers["x-request-id"] != nil)
    let usage = try #require(try answer.json["usage"] as? [String: Any])
    #expect(usage["total_tokens"] as? Int == (usage["prompt_tokens"] as? Int ?? 0) + (usage["completion_tokens"] as? Int ?? 0))
    #expect(try choice(answer)["finish_reason"] as? String == (usage["completion_tokens"] as? Int == 24 ? "length" : "stop"))
    let stream = try server.post(path, chat("Tell me something.", ["stream": true, "stream_options": ["include_usage": true]]))
    #expect(stream.headers["content-type"]?.hasPrefix("text/event-stream") == true && stream.text.hasSuffix("data: [DONE]\n\n"))
    let chunks = stream.events
    #expect(Set(chunks.compactMap { $0["id"] as? String }).count == 1)
    #expect(chunks.allSatisfy { $0["object"] as? String == "chat.completion.chunk" })
    let deltas = chunks.flatMap { ($0["choices"] as? [[String: Any]] ?? []).compactMap { $0["delta"] as? [String: Any] } }
    let streamed = deltas.compactMap { $0["content"] as? String }.joined()
    #expect(streamed.trimmingCharacters(in: .whitespacesAndNewlines) == text)
    #expect(deltas.first?["role"] as? String == "assistant")
    #expect((chunks.last?["choices"] as? [Any])?.isEmpty == true && chunks.last?["usage"] is [String: Any])
    // Without the wish there is no usage, also where the options are empty.
    let plain = try server.post(path, chat("Tell me something.", ["stream": true, "stream_options": [:] as [String: Any]]))
    #expect(plain.events.allSatisfy { $0["usage"] == nil })
  }

  @Test func `takes images, sound and the turns before`() async throws {
    let server = try await TestServer(PackedModel.whole)
    let image = try dataURI("image/png", Goldens.image("images/rgba.png"))
    let sound = try Data(contentsOf: Goldens.speech("expected/audio/reference_output.wav")).base64EncodedString()
    let parts: [[String: Any]] = [
      ["type": "text", "text": "What is this?"], ["type": "image_url", "image_url": ["url": image, "detail": "low"]],
      ["type": "input_audio", "input_audio": ["data": sound, "format": "wav"]],
    ]
    let messages: [[String: Any]] = [
      ["role": "developer", "content": "Be brief."], ["role": "user", "content": "Hello."],
      ["role": "assistant", "content": NSNull(), "refusal": "no"], ["role": "user", "content": parts],
    ]
    let answer = try server.post(path, ["messages": messages, "max_tokens": 8, "seed": 1])
    #expect(answer.status == 200, "\(answer.text)")
    let details = (try answer.json["usage"] as? [String: Any])?["prompt_tokens_details"] as? [String: Any]
    #expect(details?["image_tokens"] as? Int == 34 && details?["audio_tokens"] as? Int == 8)
    let file = try server.post(path, chat([["type": "file", "file": ["file_data": image, "filename": "a.png"]]]))
    #expect(file.status == 200, "\(file.text)")
  }

  @Test func `answers aloud, and knows later what it said`() async throws {
    let server = try await TestServer(PackedModel.whole)
    let wish: [String: Any] = [
      "modalities": ["text", "audio"], "audio": ["format": "wav", "voice": "alloy"], "max_tokens": 60,
    ]
    let answer = try server.post(path, chat("Say something.", wish))
    #expect(answer.status == 200, "\(answer.text)")
    let audio = try #require((try choice(answer)["message"] as? [String: Any])?["audio"] as? [String: Any])
    let data = try #require((audio["data"] as? String).flatMap { Data(base64Encoded: $0) })
    #expect(try !Audio(bytes: Array(data)).samples.isEmpty && audio["transcript"] is String)
    let stream = try server.post(
      path, chat("Say something.", wish.merging(["stream": true, "audio": ["format": "pcm16"]]) { $1 }))
    let spoken = stream.events.flatMap { ($0["choices"] as? [[String: Any]] ?? []) }
      .compactMap { (($0["delta"] as? [String: Any])?["audio"] as? [String: Any])?["data"] as? String }
      .flatMap { Array(Data(base64Encoded: $0) ?? Data()) }
    #expect(spoken == Array(data.dropFirst(44)))
    let earlier: [String: Any] = ["role": "assistant", "audio": ["id": audio["id"] ?? ""]]
    func next(_ turn: [String: Any]) throws -> HTTPClient.Answer {
      let messages: [[String: Any]] = [["role": "user", "content": "Hi."], turn, ["role": "user", "content": "And?"]]
      return try server.post(path, ["messages": messages, "max_tokens": 4, "seed": 1])
    }
    #expect(try next(earlier).status == 200)
    #expect(try next(["role": "assistant", "audio": ["id": "audio_none"]]).error["param"] as? String == "messages[1].audio.id")
  }

  @Test func `answers with images only where they are asked for`() async throws {
    let server = try await TestServer(PackedModel.whole)
    var count = 0
    for seed in 4...7 {
      // Random weights seldom begin an image unless much is drawn.
      let wish: [String: Any] = ["max_tokens": 400, "temperature": 1.5, "top_k": 0, "top_p": 1, "seed": seed]
      let answer = try server.post(path, chat("Draw.", wish.merging(["modalities": ["text", "image"]]) { $1 }))
      let images = (try choice(answer)["message"] as? [String: Any])?["images"] as? [[String: Any]] ?? []
      for image in images {
        let url = (image["image_url"] as? [String: Any])?["url"] as? String ?? ""
        let data = try #require(Data(base64Encoded: String(url.dropFirst("data:image/png;base64,".count))))
        #expect(try Image(bytes: Array(data)).width == 128)
        count += 1
      }
      let plain = try server.post(path, chat("Draw.", wish))
      let details = (try plain.json["usage"] as? [String: Any])?["completion_tokens_details"] as? [String: Any]
      #expect(details?["image_tokens"] as? Int == 0 && details?["audio_tokens"] as? Int == 0)
    }
    #expect(count > 0)
  }

  @Test func `ends at the words that it is told, and gives several choices`() async throws {
    let server = try await TestServer(PackedModel.whole)
    let whole = try content(server.post(path, chat("Go on.", ["max_tokens": 60])))
    let middle = whole.index(whole.startIndex, offsetBy: whole.count / 2)
    let stop = String(whole[middle...].prefix(3))
    for stops in [stop as Any, ["never comes", stop]] {
      let answer = try server.post(path, chat("Go on.", ["max_tokens": 60, "stop": stops]))
      let text = try content(answer)
      #expect(!text.contains(stop) && whole.hasPrefix(text), "\(text)")
      #expect(try choice(answer)["finish_reason"] as? String == "stop")
    }
    let several = try server.post(path, chat("Go on.", ["n": 3, "temperature": 1]))
    #expect((try several.json["choices"] as? [Any])?.count == 3)
    let second = (try choice(several, 1)["message"] as? [String: Any])?["content"] as? String
    #expect(try second == content(server.post(path, chat("Go on.", ["seed": 6, "temperature": 1]))))
  }

  @Test(arguments: [
    ("tools", #"[{"type": "function", "function": {"name": "f"}}]"#), ("logprobs", "true"), ("logit_bias", #"{"5": 1}"#),
    ("response_format", #"{"type": "json_object"}"#), ("frequency_penalty", "0.5"), ("modalities", #"["smell"]"#), ("n", "99"),
    ("messages", #"[{"role": "system", "content": "alone"}]"#), ("temperature", #""hot""#), ("messages", #""words""#),
  ]) func `refuses what it cannot do, and names the field`(field: String, json: String) async throws {
    let server = try await TestServer(PackedModel.whole)
    let value = try JSONSerialization.jsonObject(with: Data(json.utf8), options: .fragmentsAllowed)
    let answer = try server.post(path, chat("Hello.", [field: value]))
    #expect(answer.status == 400 && answer.error["type"] as? String == "invalid_request_error", "\(answer.text)")
    #expect(answer.error["param"] as? String == field, "\(answer.text)")
  }

  @Test(arguments: [
    ("max_tokens", "0"), ("top_k", "-2"), ("repetition_penalty", "0"), ("temperature", "-1"), ("beams", "0"),
  ]) func `calls a setting as the request does`(field: String, json: String) async throws {
    let server = try await TestServer(PackedModel.whole)
    let value = try JSONSerialization.jsonObject(with: Data(json.utf8), options: .fragmentsAllowed)
    let answer = try server.post(path, chat("Hello.", [field: value]))
    #expect(answer.status == 400 && answer.error["param"] as? String == field, "\(answer.text)")
    #expect((answer.error["message"] as? String)?.hasPrefix("\(field): must be ") == true, "\(answer.text)")
  }

  @Test func `-1 is no limit, and tools that must not be called are none`() async throws {
    let server = try await TestServer(PackedModel.whole)
    let plain = try content(server.post(path, chat("Go on.", ["max_tokens": 4, "temperature": 1, "top_k": 0])))
    #expect(try content(server.post(path, chat("Go on.", ["max_tokens": 4, "temperature": 1, "top_k": -1]))) == plain)
    let tools: [String: Any] = ["tools": [["type": "function", "function": ["name": "f"]]], "tool_choice": "none"]
    #expect(try content(server.post(path, chat("Go on.", ["max_tokens": 4, "temperature": 1].merging(tools) { $1 }))) == plain)
    let endless = try server.post("/v1/completions", ["prompt": "a", "max_tokens": -1, "seed": 1, "stop": ["e", " ", "\n"]])
    #expect(endless.status == 200, "\(endless.text)")
  }

  @Test func `says why the answer of a tool is of no use`() async throws {
    let server = try await TestServer(PackedModel.whole)
    let messages = [["role": "user", "content": "What is it?"], ["role": "tool", "content": "5", "tool_call_id": "a"]]
    let answer = try server.post(path, chat("Hello.", ["messages": messages]))
    #expect(answer.status == 400 && answer.error["param"] as? String == "messages[1].role", "\(answer.text)")
    #expect((answer.error["message"] as? String)?.contains("calls no tools") == true, "\(answer.text)")
  }

  @Test func `never fetches an address or opens a file`() async throws {
    let server = try await TestServer(PackedModel.whole)
    for url in ["http://127.0.0.1:1/a.png", "file:///etc/passwd", "/etc/passwd", "ftp://x/y"] {
      let answer = try server.post(path, chat([["type": "image_url", "image_url": ["url": url]]]))
      #expect(answer.status == 400 && answer.error["message"] as? String != nil, "\(answer.text)")
      #expect(!answer.text.contains("root:"))
    }
    let context = try server.post(path, chat(String(repeating: "word ", count: 5000)))
    #expect(context.status == 400 && context.error["code"] as? String == "context_length_exceeded", "\(context.text)")
  }

  @Test func `completes text as the command line does`() async throws {
    let server = try await TestServer(PackedModel.whole)
    let model = try PackedModel.whole
    let result = try Program.run(["generate", "Once", "-m", model, "--greedy", "--max-tokens", "12", "-q"])
    let body: [String: Any] = ["prompt": "Once", "max_tokens": 12, "temperature": 0]
    let answer = try server.post("/v1/completions", body)
    let text = (try choice(answer)["text"] as? String ?? "").trimmingCharacters(in: .newlines)
    #expect(text == result.text.trimmingCharacters(in: .newlines), "\(answer.text) \(result.notes)")
    let stream = try server.post("/v1/completions", body.merging(["stream": true]) { $1 })
    let pieces = stream.events.flatMap { $0["choices"] as? [[String: Any]] ?? [] }.compactMap { $0["text"] as? String }
    #expect(pieces.joined().trimmingCharacters(in: .newlines) == text && stream.text.hasSuffix("data: [DONE]\n\n"))
  }

  @Test func `draws and edits images, with partial ones on the way`() async throws {
    let server = try await TestServer(PackedModel.whole)
    let wish: [String: Any] = ["prompt": "a tree", "seed": 4, "n": 2, "response_format": "b64_json", "size": "128x128"]
    let answer = try server.post("/v1/images/generations", wish)
    #expect(answer.status == 200, "\(answer.text)")
    let data = try answer.json["data"] as? [[String: Any]] ?? []
    let images = try data.map { try Image(bytes: Array(Data(base64Encoded: $0["b64_json"] as? String ?? "") ?? Data())) }
    #expect(images.count == 2 && images[0].width == 128 && images[0] != images[1])
    let expected = try await Model(path: PackedModel.whole).image(
      for: "a tree", options: ImageOptions(sampling: Sampling(seed: 4), steps: 2, seedsEachImage: true))
    #expect(images[0] == expected)
    let events = try server.post(
      "/v1/images/generations", wish.merging(["stream": true, "n": 1, "partial_images": 2, "steps": 4]) { $1 }
    ).events
    let types = events.compactMap { $0["type"] as? String }.filter { !$0.hasSuffix("progress") }
    #expect(
      types == [
        "image_generation.partial_image", "image_generation.partial_image", "image_generation.completed",
      ], "\(types)")
    var form = Form()
    form.add("prompt", "make it night")
    form.add("seed", "4")
    form.add("image[]", Array(try Data(contentsOf: Goldens.image("images/rgba.png"))), file: "a.png")
    let edited = try server.post("/v1/images/edits", form)
    #expect(edited.status == 200, "\(edited.text)")
    #expect(try (edited.json["data"] as? [Any])?.count == 1)
    for (field, value) in [("size", "64x128"), ("size", "100x100"), ("n", 11), ("output_format", "webp")] as [(String, Any)] {
      let refused = try server.post("/v1/images/generations", wish.merging([field: value]) { $1 })
      #expect(refused.status == 400, "\(field): \(refused.text)")
    }
  }
}
