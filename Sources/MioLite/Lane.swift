import Foundation
import MioKernels

/// Turns at a kind of work that takes much memory: one call at a time, first come, first served.
final class Lane: @unchecked Sendable {
  private let pool: WorkerPool
  private let condition = NSCondition()
  // Guarded by the condition.
  private var waiting: [Int] = []
  private var nextTicket = 0

  init(_ pool: WorkerPool) { self.pool = pool }

  /// Waits for its turn and calls `body` with threads and scratch memory.
  ///
  /// - Throws: ``MioError/Code/cancelled`` if the call is cancelled while it waits.
  func run<Result>(_ cancellation: Cancellation, _ body: (KernelContext) throws -> Result) throws -> Result {
    condition.lock()
    let ticket = nextTicket
    nextTicket += 1
    waiting.append(ticket)
    while waiting.first != ticket, !cancellation.isCancelled { _ = condition.wait(until: Date(timeIntervalSinceNow: 0.02)) }
    condition.unlock()
    defer {
      condition.lock()
      waiting.removeAll { $0 == ticket }
      condition.broadcast()
      condition.unlock()
    }
    try cancellation.check()
    return try body(KernelContext(pool: pool))
  }
}

/// The threads of a model, and the kinds of work that take turns at them.
struct Lanes: Sendable {
  let pool: WorkerPool
  let codec: Lane
  let vision: Lane
  let diffusion: Lane

  init(threads: Int) {
    pool = WorkerPool(threads: min(threads, Processors.usableCount))
    (codec, vision, diffusion) = (Lane(pool), Lane(pool), Lane(pool))
  }
}
