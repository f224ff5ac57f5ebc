import Foundation
import MioLite
import MioMedia
import MioTestSupport
import Testing

/// Every row of MIO's list of features, end to end on the small whole checkpoint, in the words of both kinds of models.
struct Feature: Sendable, CustomTestStringConvertible {
  /// The row of the README's table.
  let name: String
  /// What standard output or the folder holds afterwards.
  let check: Check
  /// The command, without the model.
  let arguments: @Sendable (TemporaryFolder) throws -> [String]

  typealias Check = @Sendable (Program.Result, TemporaryFolder) throws -> Void

  var testDescription: String { name }

  init(
    _ name: String, _ check: @escaping Check, _ arguments: @escaping @Sendable (TemporaryFolder) throws -> [String]
  ) {
    self.name = name
    self.check = check
    self.arguments = arguments
  }

  private static let photo = Goldens.image("images/rgb_landscape.jpg").path
  private static let other = Goldens.image("images/rgba.png").path
  private static let film = Goldens.root.appendingPathComponent("image-kinds/disposal.gif").path
  private static let sound = Sounds.spoken.path
  private static let few = ["--max-tokens", "6"]
  private static let drawn = ["--steps", "2", "--seed", "5", "--max-tokens", "120"]

  private static func hasText(_ result: Program.Result, _ folder: TemporaryFolder) throws {
    #expect(result.text.contains { !$0.isWhitespace })
  }

  /// Parts of an answer as JSON, whatever the small model made of it: at least one, and each is what it says.
  private static func hasParts(_ result: Program.Result, _ folder: TemporaryFolder) throws {
    let parts = try #require(try result.json["parts"] as? [[String: Any]])
    #expect(!parts.isEmpty)
    for part in parts {
      switch part["type"] as? String {
      case "text": #expect((part["text"] as? String)?.isEmpty == false)
      case "image":
        let image = try ImageFile.open(path: #require(part["file"] as? String))
        #expect(image.width == 128 && image.height == 128)
        #expect((part["codes"] as? [[Int]])?.map(\.count) == [32])
      case "speech": try checkSpeech(part)
      default: Issue.record("a part of another type: \(part)")
      }
    }
  }

  /// Speech sounds as long as its codes say, and it is no silence.
  private static func checkSpeech(_ part: [String: Any]) throws {
    let audio = try Audio(contentsOf: URL(fileURLWithPath: #require(part["file"] as? String)))
    let codes = try #require(part["codes"] as? [[Int]])
    #expect(codes.count == 4 && codes.allSatisfy { $0.count == codes[0].count && !$0.isEmpty })
    #expect(audio.sampleRateHz == 16_000 && audio.samples.count == codes[0].count * 320)
    #expect(audio.samples.contains { $0 != 0 })
  }

  private static func hasSpeech(_ result: Program.Result, _ folder: TemporaryFolder) throws {
    let parts = try #require(try result.json["parts"] as? [[String: Any]])
    #expect(parts.map { $0["type"] as? String } == ["speech"])
    try parts.forEach(checkSpeech)
    #expect(folder.contents == ["speech-1.wav"])
  }

  private static func hasImage(_ name: String) -> Check {
    { _, folder in
      let image = try ImageFile.open(path: folder.path(name))
      #expect(image.width == 128)
    }
  }

  private static func hasFile(_ name: String, startingWith start: String) -> Check {
    { _, folder in
      let bytes = try folder.bytes(name)
      #expect(bytes.starts(with: Array(start.utf8)))
    }
  }

  static let all = [
    Feature("text generation", hasText) { _ in ["chat", "What's the capital of France?"] + few },
    Feature("image captioning", hasText) { _ in ["describe", photo] + few },
    Feature("image understanding", hasText) { _ in ["describe", photo, "What colour is the car?"] + few },
    Feature("image generation", hasImage("a.png")) { ["imagine", "a tree", "-o", $0.path("a.png")] + drawn },
    Feature("instructional image editing", hasImage("a.jpg")) {
      ["edit", photo, "make it night", "-o", $0.path("a.jpg")] + drawn
    },
    Feature("speech recognition (ASR)", hasText) { _ in ["asr", sound] + few },
    Feature("text to speech (TTS)", hasFile("a.wav", startingWith: "RIFF")) {
      ["tts", "Hello.", "-o", $0.path("a.wav"), "--seed", "1", "--max-tokens", "42"]
    },
    Feature("speech understanding", hasText) { _ in
      ["chat", "Please continue the story.", "--audio", sound, "--recipe", "speech-question"] + few
    },
    Feature("speech generation", hasSpeech) {
      ["chat", "What abilities do you have?", "--voice", "--json", "-o", $0.url.path, "--greedy", "--max-tokens", "42"]
    },
    Feature("speech to speech", hasSpeech) {
      ["chat", "--voice", "--audio", sound, "--json", "", "-o", $0.url.path, "--greedy", "--max-tokens", "42"]
    },
    Feature("video captioning", hasText) { _ in ["describe", film] + few },
    Feature("video understanding", hasText) { _ in ["describe", film, "What happens?"] + few },
    Feature("video generation", hasFile("film/film.gif", startingWith: "GIF89a")) {
      ["film", "a boat", "-o", $0.path("film"), "--frames", "3"] + drawn
    },
    Feature("interleaved generation", hasParts) {
      ["chat", "Tell me about trees, with images.", "--recipe", "interleaved", "--json", "-o", $0.url.path] + drawn
    },
    Feature("chain of visual thought", hasParts) {
      ["chat", "What comes next?", "--image", photo, "--recipe", "visual-thought", "--json", "-o", $0.url.path] + drawn
    },
    Feature("multimodal in-context learning", hasText) { _ in
      [
        "chat", "--image", photo, "--text", "a valley", "--image", other, "--text", "a ball", "--image", photo, "--recipe",
        "in-context",
      ] + few
    },
    Feature("multimodal chain of thought", hasText) { _ in
      ["chat", "How many are there?", "--image", photo, "--recipe", "reasoning"] + few
    },
    Feature("chart understanding", hasText) { _ in
      ["describe", other, "Which bar is the highest?", "--recipe", "chart-question"] + few
    },
    Feature("visual storytelling", hasFile("story/index.html", startingWith: "<!doctype html>")) {
      ["story", "a detective", "-o", $0.path("story")] + drawn
    },
  ]
}

@Suite struct FeatureTests {
  @Test(arguments: Feature.all, ["instruct", "base"])
  func `works from the command line`(feature: Feature, style: String) throws {
    let folder = try TemporaryFolder()
    let result = try Program.run(
      feature.arguments(folder) + ["-m", PackedModel.whole, "--style", style], in: folder.url)
    #expect(result.status == 0, "\(result.notes)")
    try feature.check(result, folder)
  }

  @Test func `stands in the README with what to type`() throws {
    let readme = try String(
      contentsOf: Goldens.root.deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("README.md"),
      encoding: .utf8)
    for feature in Feature.all {
      let row = "| \(feature.name) | `mio-lite "
      #expect(readme.contains(row), "\(row)")
    }
  }

  @Test(arguments: MioTask.allCases, [Model.Options.PromptStyle.instruct, .base])
  func `works from Swift`(task: MioTask, style: Model.Options.PromptStyle) async throws {
    let model = try Model(path: PackedModel.whole, options: .init(promptStyle: style))
    var picture = MediaSource(contentsOf: Goldens.image("images/rgba.png"))
    picture.transparency = .dropped
    let parts: [InputPart] = [
      .imageFile(picture),
      .audio(contentsOf: Goldens.speech("expected/audio/reference_output.wav")), .text("a tree"),
    ]
    let speaks = task.output == [.speech]
    let options = TaskOptions(
      sampling: Sampling(maxTokens: speaks ? 42 : 80, seed: 3), image: ImageOptions(steps: 2), maxImages: 2)
    var modalities: Set<MioTask.Modality> = []
    for try await part in model.perform(task, parts, options: options) {
      switch part {
      case .text: modalities.insert(.text)
      case .image(let image, let codes):
        modalities.insert(.image)
        #expect(image?.width == 128 && codes.count == 32)
      case .speech(let audio, let codes):
        modalities.insert(.speech)
        #expect(audio.samples.count == codes[0].count * 320)
      case .progress(let progress): #expect((0...1).contains(progress.fraction))
      case .problem(let problem): Issue.record("\(problem)")
      case .preview: Issue.record("a preview that nobody asked for")
      case .finished(let summary):
        #expect(summary.reply.all > 0 && summary.prompt.all > 0)
        #expect((summary.reply.image > 0) == modalities.contains(.image))
      }
    }
    // A model of random weights may say anything that the task allows.
    #expect(modalities.isSubset(of: task.output) && !modalities.isEmpty)
    if task.output.count == 1 { #expect(modalities == Set(task.output)) }
  }

  @Test func `lists the recipes`() throws {
    let result = try Program.run(["recipes", "--json"])
    let rows = try #require(try JSONSerialization.jsonObject(with: Data(result.output)) as? [[String: String]])
    #expect(rows.count == MioTask.allCases.count && rows.allSatisfy { $0["instruct"] != nil && $0["base"] != nil })
  }
}
