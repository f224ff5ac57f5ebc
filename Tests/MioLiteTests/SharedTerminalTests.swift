import Foundation
import MioTestSupport
import Testing

/// Results, notes, progress and images on one terminal, as a person sees them.
@Suite(.needsTerminal) struct SharedTerminalTests {
  private static let folder = Swift.Result { try TemporaryFolder() }
  private static func path(_ name: String) throws -> String { try folder.get().path(name) }

  /// A command, and what its file is called if it writes one.
  struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    let arguments: @Sendable () throws -> [String]
    var testDescription: String { name }
  }

  private static let image = Goldens.image("images/rgba.png").path
  private static let sound = Goldens.speech("expected/audio/reference_output.wav").path
  private static let small = ["--greedy", "--max-tokens", "24"]
  private static let drawn = ["--steps", "3", "--seed", "1"]

  static let cases = [
    Case(name: "tts") { ["tts", "One two three. Four five six.", "-o", try path("a.wav"), "--seed", "1"] },
    Case(name: "asr") { ["asr", sound, sound, "-m", try PackedModel.whole] + small },
    Case(name: "asr --json") { ["asr", sound, "--json", "-m", try PackedModel.whole] + small },
    Case(name: "imagine") { ["imagine", "a tree", "-o", try path("a.png"), "-m", try PackedModel.whole] + drawn },
    Case(name: "describe") { ["describe", image, "What is it?", "-m", try PackedModel.whole] + small },
    Case(name: "edit") {
      ["edit", image, "at night", "-o", try path("b.png"), "-m", try PackedModel.whole] + drawn
    },
    Case(name: "film") {
      ["film", "a boat", "-o", try path("film"), "--frames", "2", "-m", try PackedModel.whole] + drawn
    },
    Case(name: "story") {
      ["story", "a boat", "-o", try path("story"), "--images", "1", "--max-tokens", "60", "-m", try PackedModel.whole] + drawn
    },
    Case(name: "chat PROMPT") { ["chat", "Hello there.", "-m", try PackedModel.whole] + small },
    Case(name: "chat --image") { ["chat", "What is it?", "--image", image, "-m", try PackedModel.whole] + small },
    Case(name: "chat --voice") {
      ["chat", "Hello.", "--voice", "-o", try path("voice"), "--greedy", "--max-tokens", "42", "-m", try PackedModel.whole]
    },
    Case(name: "recipes") { ["recipes"] },
    Case(name: "convert") { ["convert", Goldens.speech("tiny-mio").path, "-o", try path("a.mio")] },
    Case(name: "convert --plan") { ["convert", Goldens.speech("tiny-mio").path, "--plan"] },
    Case(name: "inspect") { ["inspect", try PackedModel.whole, "--tensors"] },
    Case(name: "verify") { ["verify", try PackedModel.whole] },
    Case(name: "tokenize") { ["tokenize", "some words", "-m", try PackedModel.whole] },
    Case(name: "detokenize") { ["detokenize", "--ids", "300,301,302,303", "-m", try PackedModel.whole] },
    Case(name: "generate") { ["generate", "Once upon a time", "-m", try PackedModel.whole] + small },
    Case(name: "encode") { ["encode", image, "-m", try PackedModel.whole] },
    Case(name: "--help") { ["--help"] },
    Case(name: "--version") { ["--version"] },
  ]

  /// The letters and digits that a terminal shows for sure, and one column wide.
  private func plain(_ text: String) -> String { String(text.unicodeScalars.filter { (33...126).contains($0.value) }) }

  @Test(arguments: cases, [80, 60, 40]) func `shows every result, and no more of the progress line than a line`(
    _ command: Case, _ columns: Int
  ) throws {
    // Help is laid out for the terminal that it is shown on.
    let environment = ["COLUMNS": "\(columns)"]
    let expected = try Program.run(command.arguments(), environment: environment).text
    var call = PseudoTerminal.Call(try command.arguments())
    call.columns = columns
    call.input = .file
    call.environment["COLUMNS"] = "\(columns)"
    let shown = try PseudoTerminal.run(call)
    #expect(shown.status == 0, "\(shown.lines)")
    #expect(shown.barsBehave, "\(shown.lines)")
    #expect(plain(expected).isEmpty || plain(shown.text(columns: columns)).contains(plain(expected)), "\(shown.lines)")
  }

  @Test(arguments: [10, 20, 40]) func `the progress line fits the narrowest terminal, whatever it tells`(_ columns: Int) throws
  {
    var call = PseudoTerminal.Call(
      [
        "tts", "Eins\u{2003}zwei\ndrei. \u{65E5}\u{672C} vier fünf. Sechs.", "-o", try Self.path("n.wav"), "-m",
        try PackedModel.standard,
        "--seed", "1", "--max-tokens", "42",
      ])
    call.columns = columns
    let shown = try PseudoTerminal.run(call)
    #expect(shown.status == 0, "\(shown.lines)")
    #expect(shown.barsBehave, "\(shown.lines)")
    #expect(shown.raw.contains("%"))
  }

  @Test func `a conversation shows every answer`() throws {
    var call = PseudoTerminal.Call(["chat", "-m", try PackedModel.whole] + Self.small)
    call.keys = [.init(after: "> $", type: "Hello.\n"), .init(after: "> $", type: "/quit\n")]
    let shown = try PseudoTerminal.run(call)
    let answer = try Program.run(["chat", "Hello.", "-m", PackedModel.whole] + Self.small).text
    #expect(shown.status == 0 && shown.missed == 0, "\(shown.lines)")
    #expect(plain(answer).count > 5 && plain(shown.text(columns: 80)).contains(plain(answer)), "\(shown.lines)")
    #expect(shown.barsBehave)
  }

  @Test func `a terminal that cannot move its cursor gets no codes`() throws {
    for kind in ["dumb", ""] {
      var call = PseudoTerminal.Call(["describe", Self.image, "-m", try PackedModel.whole] + Self.small)
      call.environment["TERM"] = kind
      let shown = try PseudoTerminal.run(call)
      #expect(shown.status == 0 && !shown.raw.contains("\u{1B}"), "\(shown.raw)")
    }
  }

  @Test func `colors are left out where they are not wanted`() throws {
    var call = PseudoTerminal.Call(
      ["imagine", "a tree", "-o", try Self.path("c.png"), "-m", try PackedModel.whole] + Self.drawn)
    #expect(try PseudoTerminal.run(call).raw.contains("\u{1B}[38;5;"))
    call.environment["NO_COLOR"] = "1"
    let shown = try PseudoTerminal.run(call)
    #expect(shown.status == 0 && !shown.raw.contains("\u{1B}[38"), "\(shown.raw)")
  }

  @Test(arguments: [PseudoTerminal.End.terminal, .file], [PseudoTerminal.End.terminal, .file])
  func `results and progress keep apart wherever they go`(_ output: PseudoTerminal.End, _ errors: PseudoTerminal.End) throws {
    let arguments = ["chat", "What is it?", "--image", Self.image, "-m", try PackedModel.whole] + Self.small
    let expected = try Program.run(arguments).text
    var call = PseudoTerminal.Call(arguments)
    (call.output, call.errors) = (output, errors)
    let shown = try PseudoTerminal.run(call)
    #expect(shown.status == 0 && shown.barsBehave, "\(shown.lines)")
    if output == .file {
      #expect(shown.output == expected)
    } else {
      #expect(plain(shown.text(columns: 80)).contains(plain(expected)), "\(shown.lines)")
    }
    // The progress line belongs to standard error: a terminal there shows it, and nothing else gets a code.
    #expect(shown.raw.contains("\u{1B}[K") == (errors == .terminal))
    #expect(!shown.output.contains("\u{1B}") && !shown.errors.contains("\u{1B}"))
  }

  @Test func `no image needs more rows or columns than there are`() throws {
    for (columns, rows) in [(80, 10), (20, 24), (6, 5)] {
      var call = PseudoTerminal.Call(
        ["imagine", "a tree", "-o", try Self.path("d.png"), "-m", try PackedModel.whole] + Self.drawn)
      (call.columns, call.rows) = (columns, rows)
      let shown = try PseudoTerminal.run(call)
      let image = shown.lines.filter { $0.contains("\u{2580}") }
      #expect(!image.isEmpty && image.count < rows, "\(shown.lines)")
      #expect(image.allSatisfy { $0.count < columns }, "\(shown.lines)")
    }
  }

  @Test func `a message never continues a line of text`() throws {
    // The second sound is not there: its message comes behind the first transcript.
    let shown = try PseudoTerminal.run(
      PseudoTerminal.Call(["asr", Self.sound, "none.wav", "-m", try PackedModel.whole] + Self.small))
    #expect(shown.status == 2)
    #expect(shown.lines.contains { $0.hasPrefix("mio-lite: none.wav") }, "\(shown.lines)")
  }
}
