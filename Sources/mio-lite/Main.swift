import ArgumentParser
import Foundation

@main
enum Main {
  /// Parses, runs, and turns every error into one line on standard error and the documented exit status.
  static func main() async {
    // A closed pipe and a full quota are errors to report, not reasons to die with files half-written.
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
    do {
      var command = try MioLiteCommand.parseAsRoot()
      if var asynchronous = command as? any AsyncParsableCommand {
        try await asynchronous.run()
      } else {
        try command.run()
      }
      try Output.flush()
    } catch {
      exit(report(error))
    }
  }

  /// Prints what a person needs to know about `error` and returns the exit status.
  private static func report(_ error: any Error) -> Int32 {
    if let failure = Failure(error) {
      Terminal.shared.note("mio-lite: \(failure.message)", overKeys: failure.kind == .interrupted)
      return failure.status
    }
    let text = MioLiteCommand.fullMessage(for: error)
    if MioLiteCommand.exitCode(for: error) == .success {
      print(text)
      return 0
    }
    Output.note("mio-lite: " + MioLiteCommand.message(for: error) + " (see 'mio-lite --help')")
    return 2
  }
}
