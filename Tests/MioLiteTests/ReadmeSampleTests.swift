import Foundation
import MioLite
import MioLiteDemo
import MioTestSupport
import Testing

/// What the README's sample calls a player.
private final class Player {
  private(set) var sampleCount = 0
  func play(_ audio: Audio) { sampleCount += audio.samples.count }
}

/// The README's samples of Swift and commands, compiled and run.
@Suite struct ReadmeSampleTests {
  private let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

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
    try await fourLines(folder)
    #expect(try Audio(contentsOf: folder.appendingPathComponent("morning.wav")).duration > 0)
    try await sample(folder, player)
    #expect(player.sampleCount > 0)
    #expect(try Audio(contentsOf: folder.appendingPathComponent("hello.wav")).duration > 0)
    #expect(try Image(contentsOf: folder.appendingPathComponent("lighthouse.png")).width == 128)
  }

  // The lines between the marks are those of the README.
  private func fourLines(_ folder: URL) async throws {
    // sample begins
    let model = try DemoModel.open()  // or Model(contentsOf: url)
    let audio = try await model.speak("Good morning.")
    try audio.write(to: folder.appending(path: "morning.wav"))
    print(try await model.transcribe(audio).text)
    // sample ends
  }

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
    let readme = try String(contentsOf: root.appendingPathComponent("README.md"), encoding: .utf8)
    func blocks(_ text: String, from start: String, to end: String) -> [[String]] {
      text.components(separatedBy: start).dropFirst().map { lines($0.components(separatedBy: end)[0]) }
    }
    let source = try String(contentsOfFile: #filePath, encoding: .utf8)
    let samples = blocks(source, from: "// sample begins\n", to: "// sample ends")
    let shown = blocks(readme, from: "```swift\n", to: "```").map { $0.filter { $0 != "import MioLite" } }
    #expect(samples.count > 1 && shown == Array(samples.prefix(2)))
  }

  @Test func `the README's first commands do what it says`() throws {
    let folder = try TemporaryFolder()
    let readme = try String(contentsOf: root.appendingPathComponent("README.md"), encoding: .utf8)
    let start = readme.components(separatedBy: "Four ways in:\n\n```console\n")
    let block = try #require(start.last?.components(separatedBy: "```").first)
    let lines = block.split(separator: "\n").map(String.init)
    #expect(lines.count == 4)
    let spoken = try Program.run(["tts", "Good morning.", "-o", "morning.wav"], in: folder.url)
    #expect(lines[0] == "$ mio-lite tts \"Good morning.\" -o morning.wav" && spoken.status == 0, "\(spoken.notes)")
    let heard = try Program.run(["asr", "morning.wav"], in: folder.url)
    #expect(lines[1] == "$ mio-lite asr morning.wav" && heard.text == lines[2] + "\n", "\(heard.text)")
  }
}
