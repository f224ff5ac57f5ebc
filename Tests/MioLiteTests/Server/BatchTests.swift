import Foundation
import MioLite
import MioTestSupport
import Testing

/// `mio-lite batch`: each row answered exactly once, whatever happens.
@Suite(.onOwnThreads) struct BatchTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func row(_ id: String, _ url: String, _ body: [String: Any]) throws -> String {
    let object: [String: Any] = ["custom_id": id, "method": "POST", "url": url, "body": body]
    return String(decoding: try JSONSerialization.data(withJSONObject: object, options: .sortedKeys), as: UTF8.self)
  }

  private func chat(_ id: String, tokens: Int = 8, _ more: [String: Any] = [:]) throws -> String {
    let body: [String: Any] = [
      "messages": [["role": "user", "content": "Row \(id)."]], "max_tokens": tokens, "temperature": 1,
    ]
    return try row(id, "/v1/chat/completions", body.merging(more) { $1 })
  }

  private func write(_ lines: [String], _ name: String = "in.jsonl") throws -> String {
    try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: folder.url.appendingPathComponent(name))
    return folder.path(name)
  }

  private func batch(_ arguments: [String], input: [UInt8]? = nil) throws -> Program.Result {
    try Program.run(["batch", "-m", try PackedModel.whole, "--seed", "3"] + arguments, input: input)
  }

  private func rows(_ name: String = "out.jsonl") throws -> [[String: Any]] {
    try String(decoding: folder.bytes(name), as: UTF8.self).split(separator: "\n").map {
      try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
    }
  }

  private func status(_ row: [String: Any]) -> Int { (row["response"] as? [String: Any])?["status_code"] as? Int ?? 0 }
  private func body(_ row: [String: Any]) -> [String: Any] {
    (row["response"] as? [String: Any])?["body"] as? [String: Any] ?? [:]
  }

  @Test func `answers rows of every kind in their order, errors too`() throws {
    let image = try Data(contentsOf: Goldens.image("images/rgba.png")).base64EncodedString()
    let sound = try Data(contentsOf: Goldens.speech("expected/audio/reference_output.wav")).base64EncodedString()
    let input = try write([
      try chat("a/1"), try row("speech", "/v1/audio/speech", ["input": "hello", "response_format": "wav"]), "",
      try row("asr", "/v1/audio/transcriptions", ["file": "data:audio/wav;base64,\(sound)", "response_format": "text"]),
      try row("image", "/v1/images/generations", ["prompt": "a tree", "steps": 1]),
      try row("edit", "/v1/images/edits", ["prompt": "night", "image": "data:image/png;base64,\(image)", "steps": 1]),
      try row("nowhere", "/v1/nothing", [:]), try chat("wrong", ["n": 99]),
      try row("text", "/v1/completions", ["prompt": "Once"]),
    ])
    let media = folder.path("media")
    let result = try batch([input, "-o", folder.path("out.jsonl"), "--media-out", media])
    #expect(result.status == 1 && result.notes.contains("2 with an error"), "\(result.notes)")
    let rows = try rows()
    #expect(
      rows.compactMap { $0["custom_id"] as? String } == ["a/1", "speech", "asr", "image", "edit", "nowhere", "wrong", "text"])
    #expect(rows.map(status) == [200, 200, 200, 200, 200, 404, 400, 200])
    #expect((body(rows[6])["error"] as? [String: Any])?["param"] as? String == "n")
    #expect(body(rows[1])["file"] as? String == "speech.wav" && body(rows[2])["text"] is String)
    let files = try FileManager.default.contentsOfDirectory(atPath: media).sorted()
    #expect(files == ["edit.png", "image.png", "speech.wav"])
    let bytes = try Array(Data(contentsOf: URL(fileURLWithPath: "\(media)/image.png")))
    #expect(try Image(bytes: bytes).width == 128)
  }

  @Test func `parts, one behind the other, are the whole, byte for byte, and nothing runs twice`() throws {
    let input = try write(try (0..<23).map { try chat("row \($0)") })
    #expect(try batch([input, "-o", folder.path("whole.jsonl")]).status == 0)
    var joined: [UInt8] = []
    for number in 1...4 {
      let result = try batch([input, "-o", folder.path("\(number).jsonl"), "--shard", "\(number)/4", "--parallel", "\(number)"])
      #expect(result.status == 0, "\(result.notes)")
      joined += try folder.bytes("\(number).jsonl")
    }
    #expect(try joined == folder.bytes("whole.jsonl"))
    let again = try batch([input, "-o", folder.path("whole.jsonl"), "--resume"])
    #expect(again.status == 0 && again.notes.contains("23 of 23"))
    #expect(try joined == folder.bytes("whole.jsonl"))
    let any = try batch([input, "-o", folder.path("any.jsonl"), "--unordered"])
    #expect(any.status == 0)
    let lines = { (bytes: [UInt8]) in Set(String(decoding: bytes, as: UTF8.self).split(separator: "\n")) }
    #expect(try lines(folder.bytes("any.jsonl")) == lines(joined))
    // Other seeds draw otherwise.
    #expect(try batch([input, "-o", folder.path("other.jsonl"), "--seed", "4"]).status == 0)
    #expect(try folder.bytes("other.jsonl") != joined)
  }

  @Test func `loses and doubles nothing, however often it is killed`() throws {
    let count = 120
    let input = try write(try (0..<count).map { try chat("\($0)", tokens: 20) })
    let arguments = ["batch", "-m", try PackedModel.whole, "--seed", "3", "-q", input, "-o"]
    #expect(try Program.run(arguments + [folder.path("whole.jsonl")]).status == 0)
    let out = folder.path("out.jsonl")
    var random = SystemRandomNumberGenerator()
    var kills = 0
    while kills < 50 {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: Program.path)
      process.arguments = arguments + [out]
      process.standardError = FileHandle.nullDevice
      try process.run()
      usleep(UInt32.random(in: 10_000...120_000, using: &random))
      if process.isRunning { kill(process.processIdentifier, SIGKILL) }
      process.waitUntilExit()
      kills += 1
      // Whatever is there by now is the beginning of the whole, up to a line that broke off.
      if process.terminationReason == .exit, process.terminationStatus == 0 { break }
    }
    #expect(try Program.run(arguments + [out]).status == 0)
    #expect(try folder.bytes("out.jsonl") == folder.bytes("whole.jsonl"), "after \(kills) kills")
  }

  @Test func `a line that broke off is answered again`() throws {
    let input = try write(try (0..<6).map { try chat("\($0)") })
    let out = folder.url.appendingPathComponent("out.jsonl")
    #expect(try batch([input, "-o", out.path]).status == 0)
    let whole = try folder.bytes("out.jsonl")
    for cut in [whole.count - 1, whole.count - 40, whole.count / 2, 10, 0] {
      try Data(whole.prefix(cut)).write(to: out)
      let result = try batch([input, "-o", out.path])
      #expect(result.status == 0, "\(result.notes)")
      #expect(try folder.bytes("out.jsonl") == whole, "cut at \(cut)")
    }
  }

  @Test func `refuses what would mix or lose answers`() throws {
    let input = try write([try chat("a"), try chat("b")])
    let out = folder.path("out.jsonl")
    let twice = try batch([try write([try chat("a"), try chat("b"), try chat("a")], "twice.jsonl"), "-o", out])
    #expect(twice.status == 2 && twice.notes.contains("line 3") && twice.notes.contains("line 1"), "\(twice.notes)")
    let same = try batch([input, "-o", input])
    #expect(same.status == 2 && same.notes.contains("same file"), "\(same.notes)")
    for (line, words) in [
      ("[]", "no JSON object"), ("{\"url\":\"/v1\"}", "custom_id"), ("{\"custom_id\":\"x\"}", "url"),
      (#"{"custom_id":"x","url":"/v1","method":"GET","body":{}}"#, "POST"), (#"{"custom_id":"x","url":"/v1"}"#, "body"),
    ] {
      let bad = try batch([try write([try chat("a"), line], "bad.jsonl"), "-o", out])
      #expect(bad.status == 2 && bad.notes.contains("line 2") && bad.notes.contains(words), "\(bad.notes)")
    }
    #expect(!FileManager.default.fileExists(atPath: out))
    #expect(try batch([input, "-o", out]).status == 0)
    let seed = try Program.run(["batch", "-m", try PackedModel.whole, "--seed", "9", input, "-o", out])
    #expect(seed.status == 2 && seed.notes.contains("seed was 3, now 9"), "\(seed.notes)")
    let model = try Program.run(["batch", "-m", try PackedModel.exact, "--seed", "3", input, "-o", out])
    #expect(model.status == 2 && model.notes.contains("model was"), "\(model.notes)")
    #expect(
      try Program.run(["batch", "-m", try PackedModel.whole, "--seed", "9", input, "-o", out, "--overwrite"]).status == 0)
    try Data("mine\n".utf8).write(to: folder.url.appendingPathComponent("mine.txt"))
    let mine = try batch([input, "-o", folder.path("mine.txt")])
    #expect(mine.status == 2 && mine.notes.contains("no manifest"), "\(mine.notes)")
    #expect(try folder.bytes("mine.txt") == Array("mine\n".utf8))
    #expect(try batch([input, "-o", out, "--shard", "5/4"]).status == 2)
  }

  @Test func `rows name files below a folder only`() throws {
    let media = folder.url.appendingPathComponent("media")
    try FileManager.default.createDirectory(at: media, withIntermediateDirectories: true)
    try FileManager.default.copyItem(at: Goldens.image("images/rgba.png"), to: media.appendingPathComponent("a.png"))
    try Data("secret".utf8).write(to: folder.url.appendingPathComponent("secret.png"))
    try FileManager.default.createSymbolicLink(
      atPath: media.appendingPathComponent("link.png").path, withDestinationPath: folder.path("secret.png"))
    func ask(_ id: String, _ file: String) throws -> String {
      try chat(id, ["messages": [["role": "user", "content": [["type": "image_url", "image_url": ["url": file]]]]]])
    }
    let input = try write([
      try ask("good", "a.png"), try ask("out", "../secret.png"), try ask("link", "link.png"), try ask("none", "b.png"),
      try ask("whole", folder.path("secret.png")),
    ])
    #expect(try batch([input, "-o", folder.path("out.jsonl"), "--media", media.path]).status == 1)
    #expect(try rows().map(status) == [200, 400, 400, 400, 400])
    // Without a folder nothing is opened.
    #expect(try batch([input, "-o", folder.path("none.jsonl")]).status == 1)
    #expect(try rows("none.jsonl").map(status) == [400, 400, 400, 400, 400])
  }

  @Test func `files and texts are rows by themselves, pipes are inputs and outputs`() throws {
    let words = ["good morning", "this is a test"]
    let out = folder.path("speech.jsonl")
    let spoken = try Program.run(
      ["batch", "--task", "tts", "--from-list", "-", "-o", out, "--media-out", folder.path("speech"), "-q"],
      input: Array(words.joined(separator: "\n").utf8))
    #expect(spoken.status == 0, "\(spoken.notes)")
    let files = try rows("speech.jsonl").compactMap { body($0)["file"] as? String }
    #expect(files == ["1.mp3", "2.mp3"])
    let heard = try Program.run(
      ["batch", "--task", "asr"] + files.map { folder.path("speech/\($0)") } + ["-o", "-", "-q"])
    #expect(heard.status == 0, "\(heard.notes)")
    let texts = heard.text.split(separator: "\n").compactMap { line in
      ((try? JSONSerialization.jsonObject(with: Data(line.utf8))) as? [String: Any]).map { body($0)["text"] as? String ?? "" }
    }
    #expect(texts.count == 2, "\(texts)")
    #expect(texts[0].contains("morning") || texts[1].contains("test"), "\(texts)")
    let piped = try batch(["-", "-o", "-", "-q"], input: Array(try chat("x").utf8))
    #expect(piped.status == 0 && piped.text.hasPrefix("{\"id\":\"batch_req_"), "\(piped.notes)")
  }
}
