import NIOHTTP1
import Synchronization

/// Decides which requests are worked on: a bounded number at a time, a bounded number waiting, first come, first served.
///
/// A lock, not an actor: who goes while waiting frees the place at once, however busy the threads of other tasks are.
final class Admission: Sendable {
  private struct Waiting {
    let ticket: Int
    let continuation: CheckedContinuation<Void, any Error>
  }

  private struct State {
    var running = 0
    var waiting: [Waiting] = []
    var nextTicket = 0
  }

  private let parallel: Int
  private let queue: Int
  private let state = Mutex(State())

  init(parallel: Int, queue: Int) {
    self.parallel = parallel
    self.queue = queue
  }

  /// Requests that are worked on, and that wait.
  var counts: (running: Int, waiting: Int) { state.withLock { ($0.running, $0.waiting.count) } }

  /// Waits for its turn and calls `body`.
  ///
  /// - Throws: ``APIError`` with status 503 if too many wait, `CancellationError` if the client is gone meanwhile.
  func run<Result: Sendable>(_ body: @Sendable () async throws -> Result) async throws -> Result {
    try await enter()
    defer { leave() }
    return try await body()
  }

  private func enter() async throws {
    let ticket = state.withLock { state in
      state.nextTicket += 1
      return state.nextTicket
    }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        let outcome: Swift.Result<Void, any Error>? = state.withLock { state in
          // Under the lock: a cancellation either is seen here or finds the ticket among those that wait.
          if Task.isCancelled { return .failure(CancellationError()) }
          if state.running < parallel {
            state.running += 1
            return .success(())
          }
          if state.waiting.count >= queue { return .failure(overloaded(state)) }
          state.waiting.append(Waiting(ticket: ticket, continuation: continuation))
          return nil
        }
        if let outcome { continuation.resume(with: outcome) }
      }
    } onCancel: {
      abandon(ticket)
    }
  }

  private func overloaded(_ state: State) -> APIError {
    APIError(
      .serviceUnavailable, "\(state.running) requests are worked on and \(state.waiting.count) wait; try again later",
      code: "overloaded", retryAfterSeconds: 1 + state.waiting.count / max(parallel, 1))
  }

  /// Hands the place over to who waits longest.
  private func leave() {
    let next: Waiting? = state.withLock { state in
      guard state.waiting.isEmpty else { return state.waiting.removeFirst() }
      state.running -= 1
      return nil
    }
    next?.continuation.resume()
  }

  private func abandon(_ ticket: Int) {
    let gone: Waiting? = state.withLock { state in
      state.waiting.firstIndex { $0.ticket == ticket }.map { state.waiting.remove(at: $0) }
    }
    gone?.continuation.resume(throwing: CancellationError())
  }
}
