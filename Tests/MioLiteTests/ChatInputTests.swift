import Foundation
import MioLite
import MioTestSupport
import Testing

/// What people do at the keyboard of a conversation, and what they give along.
@Suite struct ChatInputTests {
  private let folder: TemporaryFolder
  init() throws {
    folder = try TemporaryFolder()
    try FileManager.default.copyItem(
      atPath: Goldens.image("images/rgba.png").path, toPath: folder.path("My Photo.png"))
    try Data("no image".utf8).write(to: folder.url.appendingPathComponent("bad.png"))
  }

  private static let sound = Goldens.speech("expected/audio/reference_output.wav").path

  private struct Turn: Decodable, Equatable {
    struct Part: Decodable, Equatable {
      var type: String
      var text: String?
      var file: String?
    }

    var role: String
    var parts: [Part]
  }

  /// What the user said, as the conversation was saved.
  private func said(_ name: String = "talk.json") throws -> [[String]] {
    try JSONDecoder().decode([Turn].self, from: Data(folder.bytes(name))).filter { $0.role == "user" }.map {
      $0.parts.map { $0.text ?? $0.file ?? "" }
    }
  }

  private func piped(_ lines: [String], _ options: [String] = []) throws -> Program.Result {
    try Program.run(
      ["chat", "-m", PackedModel.whole, "--greedy", "--max-tokens", "3"] + options,
      input: Array((lines + ["/save talk.json"]).joined(separator: "\n").utf8),
      environment: ["HOME": folder.url.path], in: folder.url)
  }

  @Test(arguments: [
    #"/image My\ Photo.png"#, "/image My Photo.png", #"/image "My Photo.png""#, "/image 'My Photo.png'",
    "/image ~/My\\ Photo.png", "/image file://HOME/My%20Photo.png", "/image file://localhost/HOME/My%20Photo.png",
    "'HOME/My Photo.png'", "HOME/My\\ Photo.png", "file://HOME/My%20Photo.png", "~/My\\ Photo.png ",
  ]) func `paths are taken as people type, copy and drop them`(_ line: String) throws {
    let line = line.replacingOccurrences(of: "HOME", with: folder.url.path)
    let result = try piped([line, "hello"])
    #expect(result.status == 0, "\(result.notes)")
    let turns = try said()
    #expect(turns.count == 1 && turns[0].count == 2 && turns[0][1] == "hello", "\(turns)")
    #expect(turns[0][0].hasSuffix("My Photo.png"))
  }

  @Test func `words behind a path are the turn, and several files go with it`() throws {
    let result = try piped(["/image My\\ Photo.png what is it?", "'\(folder.path("My Photo.png"))' \(Self.sound) and this?"])
    #expect(result.status == 0, "\(result.notes)")
    #expect(try said() == [["My Photo.png", "what is it?"], [folder.path("My Photo.png"), Self.sound, "and this?"]])
  }

  @Test(arguments: ["/image none.png", "/image bad.png", "/audio bad.png", "/video none", "/none", "/home/none.png"])
  func `a script is told at once what cannot be read`(_ line: String) throws {
    let result = try piped([line, "hello"])
    #expect(result.status == 2 && result.output.isEmpty, "\(result.notes)")
    #expect(result.notes.split(separator: "\n").last?.hasPrefix("mio-lite: ") == true)
  }

  @Test func `says that the first turns are forgotten`() throws {
    let result = try piped(["hello", "hello you", "again"], ["--context", "100"])
    #expect(result.status == 0, "\(result.notes)")
    #expect(result.notes.contains("the context is full; the first turn is forgotten"), "\(result.notes)")
    #expect(result.notes.contains("the first 2 turns are forgotten"), "\(result.notes)")
    #expect(try !piped(["hello", "hello you"], ["-q", "--context", "100"]).notes.contains("forgotten"))
  }

  // MARK: - At a terminal

  private func talk(_ keys: [PseudoTerminal.Key], _ environment: [String: String] = [:]) throws -> PseudoTerminal.Result {
    var call = PseudoTerminal.Call(["chat", "-m", try PackedModel.whole, "--greedy", "--max-tokens", "3"])
    call.keys = keys + [.init(after: "> $", type: "/save talk.json\n"), .init(after: "> $", type: "/quit\n")]
    call.environment.merge(environment) { $1 }
    call.directory = folder.url.path
    return try PseudoTerminal.run(call)
  }

  /// Whether this machine has libedit.
  private static let hasEditor = unsafe dlopen("libedit.so.2", RTLD_NOW) != nil

  /// What a terminal sends for a paste, and the key that sends the line.
  private static func pasted(_ text: String) -> String { "\u{1B}[200~\(text)\u{1B}[201~\n" }

  @Test(.needsTerminal, .enabled(if: hasEditor)) func `several lines that are pasted are one turn`() throws {
    let shown = try talk([
      .init(after: "> $", type: Self.pasted("one\rtwo\r\rthree\r")), .init(after: "> $", type: "four\n"),
    ])
    #expect(shown.status == 0 && shown.missed == 0, "\(shown.lines)")
    #expect(try said() == [["one\ntwo\n\nthree"], ["four"]])
    #expect(shown.raw.contains("\u{1B}[?2004h") && shown.raw.contains("\u{1B}[?2004l"))
  }

  /// However fast they come: nothing depends on the time between them.
  @Test(.needsTerminal, .enabled(if: hasEditor)) func `lines that are typed are turns of their own`() throws {
    let shown = try talk([.init(after: "> $", type: "one\ntwo\nthree\n")])
    #expect(shown.status == 0 && shown.missed == 0, "\(shown.lines)")
    #expect(try said() == [["one"], ["two"], ["three"]])
  }

  @Test(.needsTerminal, .enabled(if: hasEditor)) func `what is pasted is text, and its keys are none`() throws {
    let odd = "a\tb\u{1}\u{7F}c caf\u{E9} \u{1F600} \u{1B}[2x\u{1B}[D"
    let shown = try talk([.init(after: "> $", type: "say \(Self.pasted(odd).dropLast())!\n")])
    #expect(shown.status == 0 && shown.missed == 0, "\(shown.lines)")
    #expect(try said() == [["say a\tbc caf\u{E9} \u{1F600} [2x[D!"]])
  }

  @Test(.needsTerminal, .enabled(if: hasEditor)) func `a terminal that marks nothing is told by the time between lines`() throws
  {
    let shown = try talk([.init(after: "> $", type: "one\ntwo\n\nthree\n")], ["TERM": "linux"])
    #expect(shown.status == 0 && shown.missed == 0, "\(shown.lines)")
    #expect(try said() == [["one\ntwo\n\nthree"]])
  }

  @Test(.needsTerminal, .enabled(if: hasEditor)) func `commands within what is pasted stand alone`() throws {
    let shown = try talk([.init(after: "> $", type: Self.pasted("one\n/image My Photo.png\ntwo\n"))])
    #expect(shown.status == 0 && shown.missed == 0, "\(shown.lines)")
    #expect(try said() == [["one"], ["My Photo.png", "two"]])
  }

  @Test(.needsTerminal) func `one bad attachment is told at once and keeps the others and the words`() throws {
    let shown = try talk([
      .init(after: "> $", type: "/image My Photo.png\n"), .init(after: "> $", type: "/image bad.png\n"),
      .init(after: "> $", type: "/image none.png what is it?\n"), .init(after: "> $", type: "hello\n"),
    ])
    #expect(shown.status == 0 && shown.missed == 0, "\(shown.lines)")
    #expect(shown.lines.contains { $0.hasPrefix("mio-lite: bad.png") } && shown.lines.contains { $0.contains("'none.png'") })
    #expect(try said() == [["My Photo.png", "what is it?", "hello"]])
  }

  @Test(.needsTerminal, .enabled(if: hasEditor)) func `lines are edited and remembered`() throws {
    let state = ["XDG_STATE_HOME": folder.path("state")]
    let left = "\u{1B}[D"
    let first = try talk(
      [
        .init(after: "> $", type: "wurld\(left)\(left)\(left)\u{7F}o\n"), .init(after: "> $", type: "caf\u{E9}s\u{7F}\n"),
      ], state)
    #expect(first.status == 0 && first.missed == 0, "\(first.lines)")
    #expect(try said() == [["world"], ["café"]])
    // The next conversation remembers: three lines up, behind /quit and /save.
    let second = try talk([.init(after: "> $", type: "\u{1B}[A\u{1B}[A\u{1B}[A\n")], state)
    #expect(second.status == 0 && second.missed == 0, "\(second.lines)")
    #expect(try said() == [["café"]])
    let attributes = try FileManager.default.attributesOfItem(atPath: folder.path("state/mio-lite/history"))
    #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600)
    let none = try talk([.init(after: "> $", type: "hello\n")], ["MIO_HISTORY": "", "HOME": folder.path("home")])
    #expect(none.status == 0 && !folder.contents.contains("home"))
  }

  @Test(.needsTerminal) func `without an editor the terminal's own serves`() throws {
    let shown = try talk([.init(after: "> $", type: "one\ntwo\n"), .init(after: "> $", type: "three\n")], ["TERM": "dumb"])
    #expect(shown.status == 0 && shown.missed == 0 && !shown.raw.contains("\u{1B}"), "\(shown.raw)")
    #expect(try said() == [["one\ntwo"], ["three"]])
  }

  @Test(.needsTerminal, arguments: [SIGINT, SIGTERM])
  func `a signal at the prompt ends the program and gives the terminal back`(_ number: Int32) throws {
    var call = PseudoTerminal.Call(["chat", "-m", try PackedModel.whole])
    var key = PseudoTerminal.Key(after: "> $", type: nil)
    key.signal = number
    call.keys = [key]
    let shown = try PseudoTerminal.run(call)
    #expect(shown.status == -number, "\(shown.lines)")
  }
}
