import Synchronization

/// A request to stop that can be made from any thread.
public final class Cancellation: Sendable {
  private let requested = Atomic(false)

  public init() {}

  /// Whether someone asked to stop.
  public var isCancelled: Bool { requested.load(ordering: .relaxed) }

  /// Asks to stop; work ends with ``MioError/Code/cancelled`` at its next step.
  public func cancel() { requested.store(true, ordering: .relaxed) }
}

extension Cancellation {
  /// - Throws: ``MioError/Code/cancelled`` if someone asked to stop.
  func check() throws(MioError) {
    if isCancelled { throw MioError(.cancelled, "cancelled") }
  }
}
