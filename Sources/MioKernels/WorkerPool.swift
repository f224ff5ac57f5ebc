/// Runs the tasks of one kernel on a fixed set of threads.
///
/// The split into tasks never depends on the number of threads, so results are the same for any number.
package final class WorkerPool {
  package let threadCount: Int

  package init(threads: Int) {
    precondition(threads >= 1, "a worker pool needs at least one thread")
    threadCount = threads
  }

  /// Calls `body` once for every task index in `0..<tasks`, in any order, and returns when all are done.
  package func run(tasks: Int, _ body: (Int) -> Void) {
    for task in 0..<tasks { body(task) }
  }
}
