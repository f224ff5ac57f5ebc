/// What a running kernel needs besides its operands: the threads, and scratch memory that is reused from call to call.
///
/// One context serves one session at a time; it is not safe to use from two threads at once.
package final class KernelContext {
  package let pool: WorkerPool

  package init(threads: Int) {
    pool = WorkerPool(threads: threads)
  }
}
