import Foundation
import MioKernels

/// Turns at something: one call at a time, first come, first served.
final class Turn: @unchecked Sendable {
  private let condition = NSCondition()
  // Guarded by the condition.
  private var waiting: [Int] = []
  private var nextTicket = 0

  /// Waits for its turn and calls `body`.
  ///
  /// - Throws: ``MioError/Code/cancelled`` if the call is cancelled while it waits.
  func take<Result>(_ cancellation: Cancellation, _ body: () throws -> Result) throws -> Result {
    cancellation.whenCancelled { [weak self] in self?.wakeAll() }
    condition.lock()
    let ticket = nextTicket
    nextTicket += 1
    waiting.append(ticket)
    while waiting.first != ticket, !cancellation.isCancelled { condition.wait() }
    condition.unlock()
    defer {
      condition.lock()
      waiting.removeAll { $0 == ticket }
      condition.broadcast()
      condition.unlock()
    }
    try cancellation.check()
    return try body()
  }

  private func wakeAll() {
    condition.lock()
    condition.broadcast()
    condition.unlock()
  }
}

/// Turns at a kind of work that takes much memory.
final class Lane: Sendable {
  private let pool: WorkerPool
  private let choice: KernelChoice
  private let turn = Turn()

  init(_ pool: WorkerPool, _ choice: KernelChoice) {
    self.pool = pool
    self.choice = choice
  }

  /// Waits for its turn and calls `body` with threads and scratch memory.
  ///
  /// - Throws: ``MioError/Code/cancelled`` if the call is cancelled while it waits.
  func run<Result>(_ cancellation: Cancellation, _ body: (KernelContext) throws -> Result) throws -> Result {
    try turn.take(cancellation) {
      let context = KernelContext(pool: pool, choice: choice)
      context.isCancelled = { cancellation.isCancelled }
      return try body(context)
    }
  }
}

/// The threads of a model, and the kinds of work that take turns at them.
struct Lanes: Sendable {
  let pool: WorkerPool
  let choice: KernelChoice
  let codec: Lane
  let vision: Lane
  let diffusion: Lane

  init(threads: Int, choice: KernelChoice) {
    pool = WorkerPool(threads: min(threads, Processors.usableCount))
    self.choice = choice
    (codec, vision, diffusion) = (Lane(pool, choice), Lane(pool, choice), Lane(pool, choice))
  }
}
