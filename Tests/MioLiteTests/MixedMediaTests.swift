import Foundation
import MioLite
import MioMedia
import MioTestSupport
import Testing

/// Words, images, sound and films mixed, in and out.
@Suite struct MixedMediaTests {
  private let folder: TemporaryFolder
  private let model: String
  private let photo = Goldens.image("images/rgb_landscape.jpg").path
  private let sound = Goldens.speech("expected/audio/reference_output.wav").path

  init() throws {
    folder = try TemporaryFolder()
    model = try PackedModel.whole
  }

  private func run(_ arguments: [String], input: [UInt8]? = nil) throws -> Program.Result {
    let result = try Program.run(arguments + ["-m", model], input: input, in: folder.url)
    #expect(result.status == 0, "\(result.notes)")
    return result
  }

  @Test func `the order of media on the command line counts`() throws {
    let first = try run(["chat", "x", "--image", photo, "--audio", sound, "--json", "--greedy", "--max-tokens", "12"])
    let again = try run(["chat", "x", "--image=\(photo)", "--speech", sound, "--json", "--greedy", "--max-tokens", "12"])
    let other = try run(["chat", "x", "--audio", sound, "--image", photo, "--json", "--greedy", "--max-tokens", "12"])
    #expect(first.output == again.output && first.output != other.output)
  }

  @Test func `media without words are answered`() throws {
    let media = ["--image", photo, "--audio", sound, "--greedy", "--max-tokens", "8"]
    let asked = try run(["chat", ""] + media)
    let alone = try run(["chat"] + media, input: [])
    #expect(alone.text == asked.text && !asked.text.isEmpty)
    #expect(try run(["chat"] + media, input: [10]).text == asked.text)
    #expect(try run(["chat", "--greedy"], input: []).output.isEmpty)
  }

  @Test func `looks at what standard input brings`() throws {
    let named = try run(["describe", photo, "what?", "--max-tokens", "6"])
    let piped = try run(
      ["describe", "-", "what?", "--max-tokens", "6"], input: Array(Data(contentsOf: URL(fileURLWithPath: photo))))
    #expect(named.output == piped.output && !named.output.isEmpty)
  }

  @Test func `sees a folder of frames as the film it is`() async throws {
    try FileManager.default.createDirectory(atPath: folder.path("frames"), withIntermediateDirectories: true)
    for (index, name) in ["rgba.png", "gray.png", "rgb_portrait.png"].enumerated() {
      try FileManager.default.copyItem(
        atPath: Goldens.image("images/\(name)").path, toPath: folder.path("frames/frame_\(index + 9).png"))
    }
    let model = try Model(path: model)
    let frames = try ["rgba.png", "gray.png", "rgb_portrait.png"].map { try Image(contentsOf: Goldens.image("images/\($0)")) }
    let options = TaskOptions(sampling: Sampling(maxTokens: 8, greedy: true))
    func answer(_ part: InputPart) async throws -> String {
      var text = ""
      for try await case .text(let more) in model.perform(.videoQuestion, [part, .text("what?")], options: options) {
        text += more
      }
      return text
    }
    let expected = try await answer(.video(Video(frames: frames)))
    #expect(try await answer(.videoFile(MediaSource(path: folder.path("frames")))) == expected)
    #expect(try await answer(.visualFile(MediaSource(path: folder.path("frames")))) == expected)
    #expect(!expected.isEmpty)
  }

  @Test func `adds media to a conversation line by line`() throws {
    let input = "/image \(photo)\n/audio \(sound)\nWhat is this?\n/image none.png\n"
    let result = try Program.run(
      ["chat", "-m", model, "--greedy", "--max-tokens", "4"], input: Array(input.utf8), in: folder.url)
    #expect(result.status == 2 && result.notes.contains("none.png"), "\(result.notes)")
    #expect(result.notes.contains("goes with your next words"))
    #expect(!result.output.isEmpty)
  }

  @Test func `saves images and speech of an answer in order, without overwriting`() throws {
    var seen: Set<String> = []
    for seed in 1...12 where seen.count < 2 {
      let result = try run([
        "chat", "Tell me something.", "--recipe", "interleaved", "--seed", "\(seed)", "--steps", "1", "--max-tokens", "400",
        "--json", "-o", folder.path("out"),
      ])
      let parts = try #require(try result.json["parts"] as? [[String: Any]])
      for part in parts {
        guard let file = part["file"] as? String, let type = part["type"] as? String else { continue }
        #expect(seen.contains(type) || file.hasSuffix("\(type)-1.\(type == "image" ? "png" : "wav")"))
        #expect(FileManager.default.fileExists(atPath: file))
        seen.insert(type)
      }
    }
    #expect(seen == ["image", "speech"])
  }

  @Test func `tells the same story for the same seed, in a page that needs nothing else`() throws {
    func tell(_ name: String, _ seed: Int, _ options: [String] = []) throws -> [UInt8] {
      let given = ["story", "<b>a & b</b>", "-o", folder.path(name), "--seed", "\(seed)", "--steps", "2"]
      _ = try run(given + ["--max-tokens", "500", "--speech"] + options)
      return try folder.bytes("\(name)/index.html")
    }
    // Which stories have images depends on the rounding of this machine.
    let seed = try #require(
      try (1...20).first { try String(decoding: tell("try-\($0)", $0), as: UTF8.self).contains("data:image/jpeg") })
    let page = try tell("a", seed, ["-t", "1"])
    #expect(try page == tell("b", seed))
    let html = String(decoding: page, as: UTF8.self)
    #expect(html.contains("&lt;b&gt;a &amp; b&lt;/b&gt;") && !html.contains("<b>a"))
    #expect(html.contains("prefers-color-scheme: dark"))
    for address in ["http://", "https://", "src=\"image", "href="] { #expect(!html.contains(address)) }
    let images = try FileManager.default.contentsOfDirectory(atPath: folder.path("a")).filter { $0.hasSuffix("png") }
    #expect(html.components(separatedBy: "<img").count - 1 == images.count)
  }

  @Test func `draws all frames of a film from one noise`() throws {
    _ = try run(["film", "a boat", "-o", "film", "--seed", "9", "--steps", "2", "--frames", "3", "--style", "base"])
    let record = try JSONSerialization.jsonObject(with: Data(folder.bytes("film/film.json"))) as? [String: Any]
    let frames = try #require(record?["frames"] as? [[String: Any]])
    #expect(record?["seed"] as? Int == 9)
    for frame in frames {
      let codes = try #require(frame["codes"] as? [Int])
      try Data("{\"codes\": \(codes)}".utf8).write(to: folder.url.appendingPathComponent("codes.json"))
      _ = try run(["decode", "codes.json", "-o", "again.png", "--seed", "9", "-q"])
      let again = try ImageFile.open(path: folder.path("again.png"))
      #expect(again.width == 128)
    }
    _ = try run(["film", "a boat", "-o", "film.gif", "--seed", "9", "--steps", "2", "--frames", "3", "--style", "base"])
    #expect(try folder.bytes("film.gif") == folder.bytes("film/film.gif"))
  }

  @Test func `draws every image of a film from noise of its own when told to`() async throws {
    let model = try Model(path: model)
    func film(varying: Bool) async throws -> [Image] {
      let drawing = ImageOptions(sampling: Sampling(seed: 7), steps: 1, seedsEachImage: varying)
      let options = TaskOptions(sampling: Sampling(seed: 2), image: drawing, maxImages: 3)
      var clips: [Image] = []
      for try await case .image(let clip?, _) in model.perform(.videoGeneration, [.text("a boat")], options: options) {
        clips.append(clip)
      }
      return clips
    }
    let (same, varied) = (try await film(varying: false), try await film(varying: true))
    #expect(same.count == varied.count && same.first == varied.first)
    for (a, b) in zip(same, varied).dropFirst() { #expect(a != b) }
  }

  @Test func `tells how many images it has looked at`() async throws {
    let model = try Model(path: model)
    let clip = try Image(contentsOf: URL(fileURLWithPath: photo))
    var details: [String] = []
    let options = TaskOptions(sampling: Sampling(maxTokens: 2, greedy: true))
    for try await case .progress(let progress) in model.perform(
      .videoCaption, [.video(Video(frames: [clip, clip]))], options: options)
    {
      details.append(progress.detail)
    }
    #expect(details == ["looking at image 1 of 2", "looking at image 2 of 2"])
  }

  @Test func `an iteration that ends early stops the drawing`() async throws {
    let model = try Model(path: model)
    var steps = 0
    let options = TaskOptions(sampling: Sampling(seed: 1), image: ImageOptions(steps: 500))
    for try await case .progress(let progress) in model.perform(.imageGeneration, [.text("a tree")], options: options) {
      if progress.detail.hasPrefix("step") { steps += 1 }
      if steps == 2 { break }
    }
    #expect(steps == 2)
  }

  @Test func `without an image half the file says what it cannot do`() throws {
    let result = try Program.run(["describe", photo, "-m", PackedModel.standard])
    #expect(result.status == 2 && result.notes.contains("image tokenizer"), "\(result.notes)")
  }
}
