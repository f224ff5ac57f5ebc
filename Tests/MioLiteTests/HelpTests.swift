import Foundation
import MioTestSupport
import Testing

/// What `--help` says, word for word, as it lies in `Tests/Snapshots/help`.
///
/// A change that is meant is recorded with `MIO_RECORD=1 scripts/test --filter HelpTests`, and read by whoever reviews it.
@Suite struct HelpTests {
  private static let folder = Goldens.root.deletingLastPathComponent().appendingPathComponent("Snapshots/help")
  private static let isRecording = ProcessInfo.processInfo.environment["MIO_RECORD"] == "1"

  static let commands = [
    "mio-lite", "tts", "voice", "asr", "imagine", "describe", "edit", "film", "story", "chat", "serve", "batch", "recipes",
    "convert", "inspect",
    "verify", "set", "bench", "doctor", "tokenize", "detokenize", "encode", "decode", "generate", "trace",
  ]

  private func help(_ command: String) throws -> Program.Result {
    try Program.run(command == "mio-lite" ? ["--help"] : [command, "--help"], environment: ["COLUMNS": "100"])
  }

  @Test(arguments: commands) func `is the committed one`(_ command: String) throws {
    let result = try help(command)
    #expect(result.status == 0 && result.notes.isEmpty)
    let file = Self.folder.appendingPathComponent("\(command).txt")
    if Self.isRecording { try Data(result.output).write(to: file) }
    #expect(try result.text == String(contentsOf: file, encoding: .utf8), "run with MIO_RECORD=1 if the change is meant")
  }

  @Test func `there is one for every command, and none besides`() throws {
    let listed = try help("mio-lite").text.split(separator: "\n").drop { !$0.hasPrefix("SUBCOMMANDS") }.dropFirst()
      .prefix { $0.hasPrefix("  ") && !$0.contains("See ") }
      .filter { !$0.hasPrefix("   ") }.compactMap { $0.split(separator: " ").first.map(String.init) }
    #expect(["mio-lite"] + listed == Self.commands)
    let files = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
    #expect(Set(files) == Set(Self.commands.map { "\($0).txt" }))
  }

  @Test(arguments: commands.dropFirst()) func `is what help shows of a command`(_ command: String) throws {
    let result = try Program.run(["help", command], environment: ["COLUMNS": "100"])
    #expect(try result.output == help(command).output)
  }
}
