import Foundation
import MioLite
import MioTestSupport
import Testing

/// What the README's sample calls a player.
private final class Player {
  private(set) var sampleCount = 0
  func play(_ audio: Audio) { sampleCount += audio.samples.count }
}

/// The README's Swift sample, compiled and run.
@Suite struct ReadmeSampleTests {
  @Test func `the sample of the README does what it says`() async throws {
    let temporary = try TemporaryFolder()
    let folder = temporary.url
    let copies = [
      (URL(fileURLWithPath: try PackedModel.whole), "mio.mio"),
      (Goldens.speech("expected/audio/reference_output.wav"), "question.wav"),
      (Goldens.image("images/rgb_landscape.jpg"), "harbour.jpg"),
    ]
    for (source, name) in copies {
      try FileManager.default.copyItem(at: source, to: folder.appendingPathComponent(name))
    }
    let player = Player()
    try await sample(folder, player)
    #expect(player.sampleCount > 0)
    #expect(try Audio(contentsOf: folder.appendingPathComponent("hello.wav")).duration > 0)
    #expect(try Image(contentsOf: folder.appendingPathComponent("lighthouse.png")).width == 128)
  }

  // The lines between the marks are those of the README.
  private func sample(_ folder: URL, _ player: Player) async throws {
    // sample begins
    let model = try Model(contentsOf: folder.appending(path: "mio.mio"))

    let audio = try await model.speak("Hello there.")
    try audio.write(to: folder.appending(path: "hello.wav"))

    for try await chunk in model.speech(for: "Long texts are cut into sentences. The first one sounds first.") {
      player.play(chunk.audio)
    }

    let transcript = try await model.transcribe(contentsOf: folder.appending(path: "question.wav"))
    for segment in transcript.segments { print(segment.start, segment.text) }

    let image = try await model.image(for: "a lighthouse at dusk", options: ImageOptions(steps: 10, sampler: .unipc))
    try image.write(to: folder.appending(path: "lighthouse.png"))
    print(try await model.describe(image, question: "What time of the day is it?"))

    for try await part in model.story(about: "a stormy night", images: [image]) {
      switch part {  // in the order of the story, each as soon as it is finished
      case .text(let text): print(text, terminator: "")
      case .image(let image?, _): print("[an image of \(image.width) x \(image.height)]")
      default: break
      }
    }

    let session = try model.session()
    let question = folder.appending(path: "question.wav")
    let answer = try await session.respond(to: [.text("What is said here?"), .audio(contentsOf: question)])
    print(answer.text)
    // sample ends
  }

  @Test func `the sample that runs is the README's`() throws {
    func lines(_ text: some StringProtocol) -> [String] {
      text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
    }
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let readme = try String(contentsOf: root.appendingPathComponent("README.md"), encoding: .utf8)
    let block = try #require(
      readme.components(separatedBy: "```swift\n").dropFirst().first?.components(separatedBy: "```").first)
    let source = try String(contentsOfFile: #filePath, encoding: .utf8)
    let sample = try #require(
      source.components(separatedBy: "// sample begins\n").dropFirst().first?.components(separatedBy: "// sample ends").first)
    #expect(lines(block).filter { $0 != "import MioLite" } == lines(sample))
  }
}
