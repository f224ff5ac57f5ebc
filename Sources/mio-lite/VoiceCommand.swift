import ArgumentParser
import Foundation
import MioLite

/// `voice make FILE -o NAME.voice`, `voice list`: voices to speak in.
struct VoiceCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "voice", abstract: "Keep the voice of a recording for 'tts --voice'.",
    discussion: """
      'voice make RECORDING -o NAME.voice' stores the codes of a few seconds of speech with the words that are said in them; in
      $XDG_DATA_HOME/mio-lite/voices (~/.local/share/mio-lite/voices) 'tts --voice NAME' finds them by name alone. A voice
      belongs to the model that made it. 'voice list' names those that are there.
      """)

  enum Action: String, CaseIterable, ExpressibleByArgument {
    case make, list
  }

  @Argument(help: "What to do: make or list.")
  var action: Action

  @Argument(help: "The recording, a few seconds of one speaker; '-' reads standard input.", completion: .file())
  var recording: String?

  @Option(name: .shortAndLong, help: "Where to; a name without a folder and suffix goes among the others.", completion: .file())
  var output: String?

  @Option(help: "What is said in the recording (default: the model writes it down).")
  var text: String?

  @OptionGroup var model: ModelOptions
  @OptionGroup var common: CommonOptions

  func validate() throws {
    if action == .make, recording == nil || output == nil {
      throw ValidationError("say which recording, and where to: voice make RECORDING -o NAME.voice")
    }
    if action == .list, recording != nil || output != nil || text != nil {
      throw ValidationError("'voice list' takes no arguments; 'voice make RECORDING -o NAME.voice' makes one")
    }
  }

  func run() async throws {
    guard action == .make, let recording, let output else { return try list() }
    let path = try VoiceFile.target(output)
    try OutputFile.check(URL(fileURLWithPath: path))
    let opened = try model.open()
    try opened.require(task: .textToSpeech)
    let voice = try await VoiceFile.voice(of: recording, saying: text, opened)
    try VoiceFile.write(voice, to: path)
    if !common.quiet {
      Output.note("\(PathText.shown(path)): \(voice.codes[0].count) frames, \"\(voice.text.onOneLine.cut(toColumns: 60))\"")
    }
  }

  private func list() throws {
    for name in VoiceFile.names { try Output.line(PathText.shown(name)) }
  }
}

/// Voices in files.
enum VoiceFile {
  private static let suffix = ".voice"
  /// Bytes of the largest file that is read; a minute of speech has 60 KB.
  private static let limit = 4 << 20

  /// Where voices lie that are named without a folder.
  private static var folder: String? {
    let environment = ProcessInfo.processInfo.environment
    let data = environment["XDG_DATA_HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil }
    return (data ?? environment["HOME"].flatMap { $0.hasPrefix("/") ? "\($0)/.local/share" : nil }).map {
      "\($0)/mio-lite/voices"
    }
  }

  /// The names of the voices there, sorted.
  static var names: [String] {
    let files = folder.flatMap { try? FileManager.default.contentsOfDirectory(atPath: $0) } ?? []
    return files.filter { $0.hasSuffix(suffix) }.map { String($0.dropLast(suffix.count)) }.sorted()
  }

  private static func isName(_ text: String) -> Bool { !text.contains("/") && !text.contains(".") && text != "-" }

  /// The file that `-o` means.
  static func target(_ output: String) throws -> String {
    if output == "-" { throw Failure(.wrongInput, "a voice is a file; name it with -o NAME.voice") }
    guard isName(output) else { return output }
    guard let folder else {
      throw Failure(.wrongInput, "\(output): no folder for voices; set HOME, or name a file: \(output)\(suffix)")
    }
    try Files.makeFolder(folder)
    return "\(folder)/\(output)\(suffix)"
  }

  static func write(_ voice: Voice, to path: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    try Output.write(Array(encoder.encode(voice)) + [10], to: path)
  }

  /// The voice that `--voice` names: one that was made, by name or as a file, or a recording.
  static func voice(named name: String, saying text: String?, _ model: Model) async throws -> Voice {
    if isName(name), !Files.exists(name) {
      guard let path = folder.map({ "\($0)/\(name)\(suffix)" }), Files.exists(path) else {
        let known = names.isEmpty ? "'mio-lite voice make' makes one" : "there are \(names.joined(separator: ", "))"
        throw Failure(.wrongInput, "no voice '\(PathText.shown(name))'; \(known), or name a recording")
      }
      return try read(path)
    }
    return name.hasSuffix(suffix) ? try read(name) : try await voice(of: name, saying: text, model)
  }

  static func voice(of recording: String, saying text: String?, _ model: Model) async throws -> Voice {
    let audio = try Audio(Input.source(recording))
    return try await Interrupts.during { cancellation in
      try await cancellation.stopping { try await model.voice(of: audio, saying: text) }
    }
  }

  private static func read(_ path: String) throws -> Voice {
    let bytes = try Input.bytes(of: path, limit: limit)
    do { return try JSONDecoder().decode(Voice.self, from: Data(bytes)) } catch {
      throw Failure(.wrongInput, "\(PathText.shown(path)): no voice; 'mio-lite voice make RECORDING -o NAME.voice' makes one")
    }
  }
}
