import Foundation
import MioLite
import MioTestSupport
import Testing

/// Models that lack a part, or were not taught a task: refused before anything is shown, in words about the model.
@Suite struct MissingAbilityTests {
  private let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  private static let image = Goldens.image("images/rgba.png").path
  private static let sound = Goldens.speech("expected/audio/reference_output.wav").path

  /// The whole checkpoint without some of its folders, packed; `taught` are the tasks it says it was taught, as a parrot.
  private func model(without parts: [String], taught: [String]? = nil) throws -> String {
    let parts = parts + (taught == nil ? [] : ["generation_config.json"])
    let checkpoint = folder.url.appendingPathComponent("checkpoint")
    try FileManager.default.createDirectory(at: checkpoint, withIntermediateDirectories: true)
    for set in [Goldens.speech("tiny-mio"), Goldens.image("tiny-mio")] {
      for part in try FileManager.default.contentsOfDirectory(atPath: set.path) where !parts.contains(part) {
        try FileManager.default.createSymbolicLink(
          atPath: checkpoint.appendingPathComponent(part).path, withDestinationPath: set.appendingPathComponent(part).path)
      }
    }
    if let taught {
      let own = #"{"mio_lite": {"description": "parrot: a test", "taught": \#(taught)}}"#
      try Data(own.utf8).write(to: checkpoint.appendingPathComponent("generation_config.json"))
    }
    let packed = try Program.run(["convert", checkpoint.path, "-o", folder.path("model.mio"), "-q"])
    try #require(packed.status == 0, "\(packed.notes)")
    try FileManager.default.removeItem(at: checkpoint)
    return folder.path("model.mio")
  }

  private func expectRefusal(_ arguments: [String], says part: String) throws {
    let names = folder.contents
    let result = try Program.run(arguments, in: folder.url)
    #expect(result.status == 2 && result.output.isEmpty, "\(arguments): \(result.text)")
    #expect(result.notes.contains(part) && result.notes.split(separator: "\n").count == 1, "\(arguments): \(result.notes)")
    #expect(folder.contents == names)
  }

  @Test func `a model that only speaks and listens`() throws {
    let model = ["-m", try model(without: ["stable-diffusion-2-1-unclip", "seed-tokenizer-2"], taught: ["text-to-speech"])]
    for arguments in [
      ["chat", "hello"], ["chat"], ["chat", "hello", "--voice"], ["chat", "hello", "--recipe", "reasoning"],
      ["story", "a boat", "-o", "story"], ["describe", Self.image], ["imagine", "a tree", "-o", "a.png"],
      ["edit", Self.image, "night", "-o", "a.png"], ["film", "a boat", "-o", "film"],
    ] {
      try expectRefusal(arguments + model, says: "mio-lite: the parrot only speaks; it was not taught to do more.")
    }
    try expectRefusal(["encode", Self.image] + model, says: "the parrot cannot see images")
    try expectRefusal(["chat", "hello"], says: "mio-lite: the demo model only speaks and writes down speech;")
  }

  @Test func `a model that cannot draw tells no stories`() throws {
    let model = ["-m", try model(without: ["stable-diffusion-2-1-unclip"])]
    for arguments in [
      ["story", "a boat", "-o", "story"], ["imagine", "a tree", "-o", "a.png"], ["film", "a boat", "-o", "film"],
      ["edit", Self.image, "night", "-o", "a.png"], ["chat", "hello", "--recipe", "visual-thought"],
    ] {
      try expectRefusal(arguments + model, says: "the model cannot draw, as its file has no diffusion model")
    }
    let seen = try Program.run(["describe", Self.image, "--greedy", "--max-tokens", "2"] + model)
    #expect(seen.status == 0, "\(seen.notes)")
  }

  @Test func `a model that only reads and writes`() throws {
    let model = [
      "-m", try model(without: ["stable-diffusion-2-1-unclip", "seed-tokenizer-2", "SpeechTokenizer"]),
    ]
    for arguments in [["describe", Self.image], ["chat", "hello", "--image", Self.image], ["encode", Self.image]] {
      try expectRefusal(arguments + model, says: "the model cannot see images")
    }
    for arguments in [
      ["tts", "hello", "-o", "a.wav"], ["asr", Self.sound], ["chat", "hello", "--voice"], ["encode", Self.sound],
      ["chat", "hello", "--audio", Self.sound], ["chat", "hello", "--recipe", "speech-question", "--audio", Self.sound],
    ] {
      try expectRefusal(arguments + model, says: "the model cannot speak or listen")
    }
    #expect(try Program.run(["chat", "hello", "--greedy", "--max-tokens", "2"] + model).status == 0)
  }

  @Test func `what a model was taught stands in its checkpoint`() throws {
    let checkpoint = folder.url.appendingPathComponent("checkpoint")
    try FileManager.default.copyItem(at: Goldens.speech("tiny-mio"), to: checkpoint)
    let config = checkpoint.appendingPathComponent("generation_config.json")
    func pack(_ taught: String) throws -> String {
      let own = #"{"mio_lite": {"description": "parrot: a test", "taught": \#(taught)}}"#
      try Data(own.utf8).write(to: config)
      let result = try Program.run(["convert", checkpoint.path, "-o", folder.path("a.mio"), "-q"])
      return result.status == 0 ? "" : result.notes
    }
    #expect(try pack(#"["speech-recognition", "text", "image-generation"]"#) == "")
    try expectRefusal(
      ["tts", "hello", "-o", "a.wav", "-m", "a.mio"], says: "the parrot only writes down speech, answers and draws;")
    #expect(try Program.run(["chat", "hello", "--greedy", "--max-tokens", "2", "-m", "a.mio"], in: folder.url).status == 0)
    // Of a model that does much, only what it does not do is named.
    let many = #"["speech-recognition", "text", "image-generation", "image-caption", "reasoning"]"#
    #expect(try pack(many) == "")
    try expectRefusal(
      ["tts", "hello", "-o", "a.wav", "-m", "a.mio"], says: "mio-lite: the parrot was not taught to speak. Name another model,")
    for bad in [#""text""#, "[1]", "{}"] { #expect(try pack(bad).contains("taught")) }
  }

  @Test func `the API refuses, too`() async throws {
    let demo = try Model(contentsOf: URL(fileURLWithPath: DemoFile.path))
    #expect(throws: MioError.self) { try demo.require(task: .storytelling) }
    #expect(throws: MioError.self) { try demo.session() }
    try demo.require(task: .textToSpeech)
    let whole = try Model(contentsOf: URL(fileURLWithPath: PackedModel.whole))
    for task in MioTask.allCases { try whole.require(task: task) }
    await #expect(throws: MioError.self) {
      for try await _ in demo.perform(.text, [.text("hello")]) {}
    }
  }
}

/// The shipped model, beside the program.
enum DemoFile {
  static var path: String {
    URL(fileURLWithPath: Program.path).deletingLastPathComponent()
      .appendingPathComponent("mio-lite_MioLiteDemo.resources/demo.mio").path
  }
}
