import Synchronization

/// A request to stop a call, seen by its thread at the next step.
final class Cancellation: Sendable {
  private let requested = Atomic(false)
  private let handlers = Mutex<[@Sendable () -> Void]>([])

  /// Whether someone asked to stop.
  var isCancelled: Bool { requested.load(ordering: .relaxed) }

  /// Asks to stop.
  func cancel() {
    requested.store(true, ordering: .sequentiallyConsistent)
    for handler in takeHandlers() { handler() }
  }

  /// Calls `handler` once, as soon as someone asks to stop.
  func whenCancelled(_ handler: @escaping @Sendable () -> Void) {
    handlers.withLock { $0.append(handler) }
    if requested.load(ordering: .sequentiallyConsistent) {
      for handler in takeHandlers() { handler() }
    }
  }

  private func takeHandlers() -> [@Sendable () -> Void] {
    handlers.withLock { handlers in
      defer { handlers = [] }
      return handlers
    }
  }

  /// - Throws: ``MioError/Code/cancelled`` if someone asked to stop.
  func check() throws(MioError) {
    if isCancelled { throw .cancelled }
  }
}
