import Foundation
import MioConverter
import MioTestSupport
import Testing

/// The contract of the command line, checked on the built program.
@Suite struct CommandLineTests {
  @Test func `speaks into a file and says how fast`() throws {
    let folder = try TemporaryFolder()
    let result = try Program.run(
      ["tts", "hello", "-m", PackedModel.standard, "-o", folder.path("hello.wav"), "--seed", "1", "--max-tokens", "402"])
    #expect(result.status == 0, "\(result.notes)")
    #expect(result.output.isEmpty)
    #expect(result.notes.contains("real time"))
    #expect(folder.contents == ["hello.wav"])
    #expect(try folder.bytes("hello.wav").starts(with: Array("RIFF".utf8)))
  }

  @Test func `speaks with the shipped model when none is named`() throws {
    let folder = try TemporaryFolder()
    let result = try Program.run(["tts", "hello", "--seed", "1", "-o", folder.path("hello.wav")])
    #expect(result.status == 0, "\(result.notes)")
    let samples = try folder.bytes("hello.wav").count / 2
    #expect((6_000...32_000).contains(samples), "hello takes between 0.4 and 2 seconds, not \(samples) samples")
  }

  @Test(arguments: ["tts", "generate"]) func `gives the same bytes for one and two threads`(_ command: String) throws {
    let arguments =
      try [command, "Good morning.", "-m", PackedModel.standard, "--seed", "7", "--max-tokens", "202"]
      + (command == "tts" ? ["-o", "-"] : ["--json", "--temperature", "0.9"])
    let one = try Program.run(arguments + ["-t", "1"])
    let two = try Program.run(arguments + ["-t", "2"])
    #expect(one.status == 0, "\(one.notes)")
    #expect(!one.output.isEmpty)
    #expect(one.output == two.output)
  }

  @Test func `converts to the same bytes for one and two threads`() throws {
    let folder = try TemporaryFolder()
    for threads in ["1", "2"] {
      let result = try Program.run(
        ["convert", Goldens.speech("tiny-mio").path, "-o", folder.path("\(threads).mio"), "-t", threads, "-q"])
      #expect(result.status == 0, "\(result.notes)")
      #expect(result.notes.isEmpty)
    }
    #expect(try folder.bytes("1.mio") == folder.bytes("2.mio"))
  }

  @Test func `speaks a long text segment by segment, in one stream of raw samples`() throws {
    let text = "The first sentence is here. The second one follows it. And a third one ends the text."
    let result = try Program.run(
      ["tts", "-", "--raw", "-m", PackedModel.standard, "--seed", "3", "--max-tokens", "122"], input: Array(text.utf8))
    #expect(result.status == 0, "\(result.notes)")
    #expect(result.output.count > 2 * 320 && result.output.count.isMultiple(of: 2))
  }

  @Test func `transcribes, also from standard input`() throws {
    let audio = Goldens.speech("expected/audio/reference_output.wav").path
    let named = try Program.run(["asr", audio, "-m", PackedModel.standard, "--max-tokens", "8", "--json"])
    let piped = try Program.run(
      ["asr", "-", "-m", PackedModel.standard, "--max-tokens", "8", "--json"],
      input: Array(Data(contentsOf: URL(fileURLWithPath: audio))))
    #expect(named.status == 0 && piped.status == 0, "\(named.notes)\(piped.notes)")
    #expect(try named.json["text"] as? String == piped.json["text"] as? String)
  }

  @Test func `encodes sound to tokens and renders them again`() throws {
    let folder = try TemporaryFolder()
    let audio = Goldens.speech("expected/audio/reference_output.wav").path
    let encoded = try Program.run(["encode", audio, "--timbre", "--json", "-m", PackedModel.exact])
    #expect(encoded.status == 0, "\(encoded.notes)")
    let codes = try #require(try encoded.json["codes"] as? [[Int]])
    #expect(codes.count == 4)
    #expect(try encoded.json["modality"] as? String == "speech")
    try Data(encoded.output).write(to: folder.url.appendingPathComponent("tokens.json"))
    let decoded = try Program.run(
      ["decode", folder.path("tokens.json"), "-o", folder.path("out.wav"), "-m", PackedModel.exact])
    #expect(decoded.status == 0, "\(decoded.notes)")
    #expect(try folder.bytes("out.wav").count > codes[0].count * 320)
  }

  @Test func `encodes an image to 32 codes and tokens, also from standard input`() throws {
    let folder = try TemporaryFolder()
    // Language, text and image tokenizer in one checkpoint.
    for part in try FileManager.default.contentsOfDirectory(atPath: Goldens.speech("tiny-mio").path) {
      try FileManager.default.createSymbolicLink(
        atPath: folder.path(part), withDestinationPath: Goldens.speech("tiny-mio/\(part)").path)
    }
    try FileManager.default.createSymbolicLink(
      atPath: folder.path("seed-tokenizer-2"), withDestinationPath: Goldens.image("tiny-mio/seed-tokenizer-2").path)
    let packed = try Program.run(["convert", folder.url.path, "-o", folder.path("all.mio"), "-q"])
    #expect(packed.status == 0, "\(packed.notes)")
    let image = Goldens.image("images/rgba.png")
    let named = try Program.run(["encode", image.path, "-m", folder.path("all.mio"), "--json"])
    let piped = try Program.run(
      ["encode", "-", "-m", folder.path("all.mio"), "--json"], input: Array(Data(contentsOf: image)))
    #expect(named.status == 0 && piped.output == named.output, "\(named.notes)\(piped.notes)")
    let coded = try named.json
    let codes = try #require(coded["codes"] as? [Int])
    #expect(coded["modality"] as? String == "image" && codes.count == 32)
    #expect((coded["ids"] as? [Int])?.count == 34)
    #expect((coded["text"] as? String)?.hasPrefix("<image><img\(codes[0])><img\(codes[1])>") == true)
  }

  @Test func `chats for one turn and keeps media of the answer in order`() throws {
    let folder = try TemporaryFolder()
    let result = try Program.run(
      [
        "chat", "Say something.", "--voice", "-m", PackedModel.standard, "--greedy", "--max-tokens", "42", "-o",
        folder.path("out"),
        "--json",
      ])
    #expect(result.status == 0, "\(result.notes)")
    let parts = try #require(try result.json["parts"] as? [[String: Any]])
    #expect(parts.map { $0["type"] as? String } == ["speech"])
    #expect(FileManager.default.fileExists(atPath: folder.path("out/speech-1.wav")))
  }

  @Test func `leads a conversation line by line`() throws {
    let folder = try TemporaryFolder()
    let input = "Hello.\nAnd again.\n/save \(folder.path("talk.json"))\n/quit\n"
    let result = try Program.run(
      ["chat", "-m", PackedModel.standard, "--greedy", "--max-tokens", "6"], input: Array(input.utf8))
    #expect(result.status == 0, "\(result.notes)")
    let saved = try JSONSerialization.jsonObject(with: Data(folder.bytes("talk.json"))) as? [[String: Any]]
    #expect(saved?.compactMap { $0["role"] as? String } == ["user", "assistant", "user", "assistant"])
  }

  @Test func `writes every intermediate of the backbone`() throws {
    let folder = try TemporaryFolder()
    var given = SafetensorsWriter()
    given.add("ids", [4], [Int32]([5, 6, 7, 8]))
    try given.write(to: folder.path("in.safetensors"))
    let result = try Program.run(
      ["trace", "backbone", "-i", folder.path("in.safetensors"), "-o", folder.path("out.safetensors"), "-m", PackedModel.exact])
    #expect(result.status == 0, "\(result.notes)")
    let written = try SafetensorsFile(path: folder.path("out.safetensors"))
    #expect(written.names == ["hidden.0", "hidden.1", "hidden.2", "hidden.3", "hidden.norm", "logits"])
  }

  @Test func `verifies a whole file and finds one flipped bit`() throws {
    let folder = try TemporaryFolder()
    #expect(try Program.run(["verify", PackedModel.standard]).status == 0)
    var bytes = try Array(Data(contentsOf: URL(fileURLWithPath: PackedModel.standard)))
    bytes[bytes.count / 2] ^= 4
    try Data(bytes).write(to: folder.url.appendingPathComponent("bad.mio"))
    let result = try Program.run(["verify", folder.path("bad.mio")])
    #expect(result.status == 2)
    #expect(result.notes.split(separator: "\n").count == 1)
    #expect(result.notes.contains("bytes"))
  }

  @Test func `inspects a file as JSON`() throws {
    let report = try Program.run(["inspect", PackedModel.standard, "--json"]).json
    let components = try #require(report["components"] as? [[String: Any]])
    #expect(Set(components.compactMap { $0["name"] as? String }).isSuperset(of: ["language", "text", "speech", "about"]))
  }

  @Test func `measures machine and model as JSON`() throws {
    let result = try Program.run(
      [
        "bench", "-m", PackedModel.standard, "--threads", "1", "--prefill", "8", "--batch", "1,2", "--repetitions", "1",
        "--json",
      ])
    #expect(result.status == 0, "\(result.notes)")
    let report = try result.json
    #expect(Set(report.keys) == ["machine", "model", "results", "load_seconds", "peak_rss_bytes"])
    let phases = (report["results"] as? [[String: Any]])?.compactMap { $0["phase"] as? String }
    #expect(phases == ["prefill", "decode", "decode", "speech-decode", "speech-decode", "codec-decode", "codec-encode"])
  }

  @Test func `says what it measures instead of more than the context holds`() throws {
    let options = [
      "--phases", "prefill,decode", "--prefill", "50000", "--depth", "60000", "--batch", "1", "--repetitions", "1",
    ]
    let result = try Program.run(["bench", "-m", PackedModel.standard, "--threads", "1", "--json"] + options)
    #expect(result.status == 0, "\(result.notes)")
    #expect(result.notes.contains("--prefill 50000: ") && result.notes.contains("--depth 60000: "), "\(result.notes)")
    // Numbers of a report have no more digits than there are in them.
    #expect(try result.text.firstMatch(of: /\d\.\d{7}/) == nil, "\(result.text)")
  }

  @Test func `reports what it is and how it is used`() throws {
    let version = try Program.run(["--version"]).text
    #expect(version.hasPrefix("mio-lite "))
    #expect(version.contains("shipped model: demo model"))
    #expect(version.contains("not MIO-7B"))
    let help = try Program.run(["--help"])
    #expect(help.status == 0)
    for command in [
      "tts", "asr", "imagine", "chat", "convert", "inspect", "verify", "bench", "tokenize", "detokenize", "encode",
      "decode", "generate", "trace",
    ] {
      #expect(help.text.contains(command))
    }
  }
}
