import Dispatch
import Foundation
import MioLite

/// Turns Ctrl-C into a request to stop, so that nothing is left half-written.
enum Interrupts {
  /// Runs `body`; the first Ctrl-C meanwhile cancels what `body` was given, the second ends the program at once.
  static func during<Result>(_ body: (Cancellation) async throws -> Result) async rethrows -> Result {
    let cancellation = Cancellation()
    signal(SIGINT, SIG_IGN)
    let source = DispatchSource.makeSignalSource(signal: SIGINT, queue: .global())
    source.setEventHandler {
      if cancellation.isCancelled { signal(SIGINT, SIG_DFL); raise(SIGINT) }
      cancellation.cancel()
    }
    source.activate()
    defer {
      source.cancel()
      signal(SIGINT, SIG_DFL)
    }
    return try await body(cancellation)
  }
}
