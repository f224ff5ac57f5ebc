import ArgumentParser
import Foundation
import MioLite

@main
enum Main {
  /// Parses, runs, and turns every error into one line on standard error and the documented exit status.
  static func main() async {
    // A closed pipe and a full quota are errors to report, not reasons to die with files half-written.
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
    LastWords.prepare()
    // Swift reads there what was typed.
    guard CommandLine.argc > 0 else {
      Output.note("mio-lite: /proc is missing, and with it what was asked for; mount it: mount -t proc proc /proc")
      exit(1)
    }
    let typed = TypedArguments(arguments)
    do {
      var command = try MioLiteCommand.parseAsRoot(typed.forParser())
      if var asynchronous = command as? any AsyncParsableCommand {
        try await asynchronous.run()
      } else {
        try command.run()
      }
      try Output.flush()
    } catch {
      exit(report(error, typed))
    }
  }

  /// What was typed, byte by byte: paths need not be UTF-8.
  private static var arguments: [String] {
    unsafe (1..<max(1, Int(CommandLine.argc))).compactMap { index in
      unsafe CommandLine.unsafeArgv[index].map { unsafe PathText.text(String.bytes(of: $0)) }
    }
  }

  /// Prints what a person needs to know about `error` and returns the exit status.
  private static func report(_ error: any Error, _ typed: TypedArguments) -> Int32 {
    if let failure = Failure(error) {
      Terminal.shared.note("mio-lite: \(failure.message)", overKeys: failure.kind == .interrupted)
      return failure.status
    }
    let text = MioLiteCommand.fullMessage(for: error)
    if MioLiteCommand.exitCode(for: error) == .success {
      print(text == Version.name ? Version.text : text)
      return 0
    }
    let message = typed.unknownOption()?.message ?? "\(MioLiteCommand.message(for: error)) (\(typed.hint))"
    Output.note("mio-lite: \(message)")
    return 2
  }
}

extension String {
  /// The bytes of a string of the system.
  static func bytes(of string: UnsafePointer<CChar>) -> [UInt8] {
    unsafe UnsafeBufferPointer(start: string, count: strlen(string)).map { UInt8(bitPattern: $0) }
  }
}
