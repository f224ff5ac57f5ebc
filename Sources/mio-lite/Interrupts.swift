import Dispatch
import Foundation
import MioLite

/// Turns Ctrl-C into a request to stop, so that nothing is left half-written.
final class Interrupts {
  private let source: any DispatchSourceSignal

  /// Calls `stop` at the first Ctrl-C; the second one ends the program at once.
  init(_ stop: @escaping @Sendable () -> Void) {
    signal(SIGINT, SIG_IGN)
    let source = DispatchSource.makeSignalSource(signal: SIGINT, queue: .global())
    source.setEventHandler {
      stop()
      signal(SIGINT, SIG_DFL)
    }
    source.activate()
    self.source = source
  }

  /// Gives Ctrl-C its ordinary meaning back.
  func end() {
    source.cancel()
    signal(SIGINT, SIG_DFL)
  }
}
