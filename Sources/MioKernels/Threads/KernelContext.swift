/// What a running kernel needs besides its operands: the threads, and scratch memory that is reused from call to call.
///
/// One context serves one session at a time; it is not safe to use from two threads at once.
package final class KernelContext {
  package let pool: WorkerPool
  package let choice: KernelChoice
  /// The variant of all kernels but products of few rows.
  package var variant: KernelVariant { choice.manyRows }
  package var streaming: WeightStreaming { choice.streaming }
  private var scratch = Scratch(byteCount: 1 << 16)
  /// Asked between the tiles of long kernels: once it says yes, they leave the rest undone and their results are of no use.
  package var isCancelled: @Sendable () -> Bool = { false }

  /// - Parameter threads: those to use, at most one for each processor that this process may run on: more would only take
  ///   turns, and a thread that has to wait for its turn keeps all others waiting.
  package convenience init(
    threads: Int, variant: KernelVariant = .preferred, streaming: WeightStreaming = .preferred
  ) {
    self.init(
      pool: WorkerPool(threads: min(threads, Processors.usableCount)),
      choice: KernelChoice(fewRows: variant, manyRows: variant, streaming: streaming))
  }

  /// A context that shares its threads with others: of two that run kernels at the same time, one has the threads of the pool
  /// and the other works alone.
  package init(pool: WorkerPool, choice: KernelChoice = .preferred) {
    self.pool = pool
    self.choice = choice
    LargeBlocks.shared.addUser()
  }

  deinit { LargeBlocks.shared.removeUser() }

  /// The variant for a product of so many rows of activations.
  func variant(rows: Int) -> KernelVariant { rows <= KernelChoice.maxFewRows ? choice.fewRows : choice.manyRows }

  /// At least `byteCount` bytes on a 64-byte boundary with unspecified contents, valid until the next call.
  @unsafe
  func scratch(byteCount: Int) -> UnsafeMutableRawPointer {
    if scratch.byteCount < byteCount { scratch = Scratch(byteCount: byteCount + byteCount / 4) }
    return unsafe scratch.base
  }

  @safe
  private final class Scratch {
    let byteCount: Int
    let base: UnsafeMutableRawPointer

    init(byteCount: Int) {
      self.byteCount = byteCount
      unsafe base = LargeBlocks.shared.allocate(byteCount: byteCount)
    }

    deinit { unsafe LargeBlocks.shared.deallocate(base, byteCount: byteCount) }
  }
}
