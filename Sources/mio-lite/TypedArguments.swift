import ArgumentParser
import Foundation

/// What was typed behind the program's name, read before the parser sees it.
///
/// A text may begin with '-', which the parser takes for an option. What names an option of the command is one, and what looks
/// like an option's name must name one; everything else is text and goes behind '--'.
struct TypedArguments {
  private let arguments: [String]
  /// The command that was asked for; nil if it is none of ours.
  let command: (any ParsableCommand.Type)?

  init(_ arguments: [String]) {
    self.arguments = arguments
    command = arguments.first.flatMap(Self.command)
  }

  /// The arguments as the parser should see them.
  ///
  /// - Throws: ``Failure`` for a command that there is not, and for an option that the command does not have.
  func forParser() throws -> [String] {
    try checkCommand()
    guard let command, arguments.dropFirst().contains(where: Self.mayBeText) else { return arguments }
    return try [arguments[0]] + textApart(OptionTable(of: command))
  }

  /// An option that the command does not have, in better words than the parser's; nil if there is none.
  func unknownOption() -> Failure? {
    guard let command else { return nil }
    do {
      _ = try textApart(OptionTable(of: command))
      return nil
    } catch {
      return error
    }
  }

  /// How to ask for help about what was tried.
  var hint: String { "see 'mio-lite \(command.map { "help \($0.name)" } ?? "help")'" }

  // MARK: - Commands

  private static let commands = MioLiteCommand.configuration.subcommands

  private static func command(_ name: String) -> (any ParsableCommand.Type)? { commands.first { $0.name == name } }

  /// Words that people try, and the commands that do it.
  private static let otherWords: [String: String] = [
    "speak": "tts", "say": "tts", "speech": "tts", "synthesize": "tts", "voices": "voice", "read": "tts",
    "transcribe": "asr", "listen": "asr", "stt": "asr", "whisper": "asr", "recognize": "asr",
    "draw": "imagine", "image": "imagine", "paint": "imagine", "picture": "imagine", "txt2img": "imagine",
    "see": "describe", "caption": "describe", "look": "describe", "vision": "describe", "vqa": "describe",
    "change": "edit", "img2img": "edit", "video": "film", "movie": "film", "animate": "film", "tell": "story",
    "talk": "chat", "ask": "chat", "converse": "chat", "run": "chat", "tasks": "recipes", "prompts": "recipes",
    "pack": "convert", "quantize": "convert", "import": "convert", "info": "inspect", "show": "inspect", "ls": "inspect",
    "check": "verify", "benchmark": "bench", "measure": "bench", "complete": "generate", "completion": "generate",
    "tokens": "tokenize", "untokenize": "detokenize", "codes": "encode", "render": "decode",
  ]

  private func checkCommand() throws(Failure) {
    if let first = arguments.first, first.hasPrefix("-"),
      let command = arguments.dropFirst().first(where: { Self.command($0) != nil }),
      // What the program itself has an option for is no slip.
      !["-h", "--help", "--version"].contains(first), !first.hasPrefix("--generate-"), !first.hasPrefix("--experimental-")
    {
      throw Failure(
        .wrongInput, "options stand behind the command, as in 'mio-lite \(command) \(first) ...' (see 'mio-lite help')")
    }
    // 'help' and its own completions are the parser's.
    let asked = arguments.first == "help" ? arguments.dropFirst().first : arguments.first
    guard let name = asked, !name.hasPrefix("-"), name != "help", Self.command(name) == nil else { return }
    let near = Self.otherWords[name.lowercased()] ?? Spelling.nearest(to: name.lowercased(), of: Self.commands.map { $0.name })
    throw Failure(
      .wrongInput, "no command '\(name)'" + (near.map { "; did you mean '\($0)'?" } ?? "") + " (see 'mio-lite help')")
  }

  // MARK: - Text apart from options

  /// Whether the parser might take a text for options: an argument that begins with '-' and is no name of an option.
  private static func mayBeText(_ argument: String) -> Bool {
    guard argument.hasPrefix("-"), argument != "-", argument != "--" else { return false }
    return !isOptionName(argument) && argument.utf8.count > 2
      || argument.utf8.count == 2 && argument.utf8.last.map { !$0.isLetter } == true
  }

  /// Whether an argument reads `--name` or `--name=value`.
  private static func isOptionName(_ argument: String) -> Bool {
    guard argument.hasPrefix("--"), let first = argument.utf8.dropFirst(2).first, first.isLetter else { return false }
    return argument.utf8.dropFirst(2).prefix { $0 != UInt8(ascii: "=") }.allSatisfy {
      $0.isLetter || $0.isDigit || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_")
    }
  }

  /// Options with their values first, then '--' and the words.
  private func textApart(_ table: OptionTable) throws(Failure) -> [String] {
    var (options, words): ([String], [String]) = ([], [])
    var rest = arguments.dropFirst()
    while let argument = rest.popFirst() {
      if argument == "--" {
        words += rest
        break
      }
      if let attached = valueAttached(to: argument, table) {
        options.append(attached)
        continue
      }
      guard argument.hasPrefix("-"), argument != "-", let option = try option(argument, table) else {
        words.append(argument)
        continue
      }
      guard option.takesValue, !argument.contains("="), let value = rest.first, value != "--" else {
        options.append(argument)
        continue
      }
      if value == "-" || !value.hasPrefix("-") {
        options += [argument, value]
        rest.removeFirst()
      } else if try self.option(value, table) == nil {
        options.append("\(argument)=\(value)")
        rest.removeFirst()
      } else {
        options.append(argument)
      }
    }
    return options + ["--"] + words
  }

  /// `-t4` or `-oout.wav` as the parser takes it; nil for everything else, which may be text.
  private func valueAttached(to argument: String, _ table: OptionTable) -> String? {
    let (name, value) = (String(argument.prefix(2)), argument.dropFirst(2))
    guard let option = table.options[name], option.takesValue, name != "--", !value.isEmpty,
      value.utf8.allSatisfy(\.isDigit) || name != "-t" && Self.isPath(value)
    else { return nil }
    return "\(name)=\(value)"
  }

  /// Whether a word looks like a file: it has a slash or a suffix.
  private static func isPath(_ word: Substring) -> Bool {
    if word.contains(where: \.isWhitespace) || word.contains("=") { return false }
    let suffix = word.split(separator: ".", omittingEmptySubsequences: false).dropFirst().last ?? ""
    return word.contains("/") || (2...5).contains(suffix.count) && suffix.utf8.allSatisfy { $0.isLetter || $0.isDigit }
  }

  /// What an argument with a '-' in front means; nil for text.
  private func option(_ argument: String, _ table: OptionTable) throws(Failure) -> OptionTable.Option? {
    let name = String(argument.prefix { $0 != "=" })
    if let option = table.options[name] { return option }
    if Self.isOptionName(argument) { throw unknown(name, table) }
    let letters = argument.dropFirst()
    guard letters.utf8.first?.isLetter == true else { return nil }
    // -x, or flags together as in -qh.
    if letters.count == 1 { throw unknown(argument, table) }
    let flags = letters.map { table.options["-\($0)"] }
    if flags.dropLast().allSatisfy({ $0.map { !$0.takesValue } ?? false }), let last = flags.last, let last { return last }
    // A long name with one '-' is a slip, not a text.
    if table.options["-" + name] != nil { throw unknown(name, table) }
    return nil
  }

  /// Why options that other programs have are not here.
  private static let reasons = [
    "--language": "the model hears which language is spoken, and its prompt names none",
    "--negative": "the model has no negative prompt; say what there is to be",
    "--negative-prompt": "the model has no negative prompt; say what there is to be",
    "--word-timestamps": "the model tells no times of words; 'asr --format srt' has those of what lies between pauses",
    "--translate": "the model writes down what it hears; ask 'chat --audio FILE' for a translation",
    "--device": "it runs on the processor, and needs no other device",
    "--gpu-layers": "it runs on the processor, and needs no other device",
  ]

  private func unknown(_ name: String, _ table: OptionTable) -> Failure {
    let names = table.options.keys.filter { $0.hasPrefix("--") }
    let near = table.options["-" + name] == nil ? Spelling.nearest(to: name, of: names.sorted()) : "-" + name
    var text = "unknown option '\(name)'"
    if let reason = Self.reasons[name] {
      text += ": \(reason)"
    } else if let near {
      text += "; did you mean '\(near)'?"
    } else if table.takesText {
      text += "; put '--' before an argument that begins so"
    }
    return Failure(.wrongInput, "\(text) (\(hint))")
  }
}

extension ParsableCommand {
  fileprivate static var name: String { configuration.commandName ?? _commandName }
}

extension UInt8 {
  fileprivate var isLetter: Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self | 0x20) }
  fileprivate var isDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }
}

/// The options of a command, as the parser knows them.
private struct OptionTable {
  struct Option {
    let takesValue: Bool
  }

  /// By their names, with '-' or '--'.
  private(set) var options: [String: Option] = [:]
  private(set) var takesText = false

  /// What the parser tells tools about a command.
  private struct Description: Decodable {
    struct Command: Decodable {
      let arguments: [Argument]?
    }

    struct Argument: Decodable {
      let kind: String
      let names: [Name]?
    }

    struct Name: Decodable {
      let kind: String
      let name: String
    }

    let command: Command
  }

  init(of command: any ParsableCommand.Type) {
    let description = try? JSONDecoder().decode(Description.self, from: Data(command._dumpHelp().utf8))
    for argument in description?.command.arguments ?? [] {
      if argument.kind == "positional" { takesText = true }
      for name in argument.names ?? [] {
        options[(name.kind == "long" ? "--" : "-") + name.name] = Option(takesValue: argument.kind == "option")
      }
    }
  }
}

/// Finds what a person may have meant.
enum Spelling {
  /// The name that is like what was typed; nil if none is.
  static func nearest(to typed: String, of names: [String]) -> String? {
    let bare = typed.drop { $0 == "-" }
    guard bare.count >= 2 else { return nil }
    func distance(_ name: String) -> Int { Self.distance(Array(bare), Array(name.drop { $0 == "-" })) }
    // A slip in three letters, or in four of a long name.
    if let near = names.min(by: { distance($0) < distance($1) }), distance(near) <= max(1, (bare.count + 1) / 4) { return near }
    let words = Set(bare.split(separator: "-"))
    return names.first { bare.count >= 3 && $0.drop { $0 == "-" }.hasPrefix(bare) }
      ?? names.first { name in
        let others = Set(name.split(separator: "-"))
        return name.count >= 6 && (others.isSubset(of: words) || words.isSubset(of: others))
      }
  }

  /// Letters added, left out, exchanged, or swapped with their neighbors.
  private static func distance(_ a: [Character], _ b: [Character]) -> Int {
    var rows = [Array(0...b.count)]
    for i in 1...max(a.count, 1) where !a.isEmpty {
      var row = [i]
      for j in 0..<b.count {
        var least = min(rows[i - 1][j] + (a[i - 1] == b[j] ? 0 : 1), rows[i - 1][j + 1] + 1, row[j] + 1)
        if i > 1, j > 0, a[i - 1] == b[j - 1], a[i - 2] == b[j] { least = min(least, rows[i - 2][j - 1] + 1) }
        row.append(least)
      }
      rows.append(row)
    }
    return rows[a.count][b.count]
  }
}
