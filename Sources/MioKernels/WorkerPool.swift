import CMioKernels
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Runs the tasks of one kernel on a fixed set of threads.
///
/// Tasks are handed out one by one from a counter, so a thread that is held up by another process delays one task at
/// most. The caller works too and returns as soon as all tasks are done, whether or not every thread has woken up.
/// Idle threads watch the counter for a moment, then sleep.
package final class WorkerPool: Sendable {
  /// Threads that work on a run, the caller included.
  package let threadCount: Int
  private let shared: SharedState
  private let threads: [pthread_t]

  package init(threads: Int) {
    precondition(threads >= 1, "a worker pool needs at least one thread")
    let shared = SharedState()
    var started: [pthread_t] = []
    for _ in 1..<threads {
      var thread = pthread_t()
      let argument = unsafe Unmanaged.passRetained(shared).toOpaque()
      let status = unsafe pthread_create(
        &thread, nil,
        { argument in
          guard let argument = unsafe argument else { return nil }
          unsafe Unmanaged<SharedState>.fromOpaque(argument).takeRetainedValue().work()
          return nil
        }, argument)
      // With fewer threads than asked for, the work takes longer; nothing else changes.
      guard status == 0 else {
        unsafe Unmanaged<SharedState>.fromOpaque(argument).release()
        break
      }
      started.append(thread)
    }
    self.shared = shared
    self.threads = started
    threadCount = started.count + 1
  }

  deinit {
    shared.stop()
    for thread in threads { pthread_join(thread, nil) }
  }

  /// Calls `body` once for every task index in `0..<tasks`, in any order and on any thread, and returns when all calls
  /// have returned. A run from inside a task, or from a second thread at the same time, is done by its caller alone.
  package func run(tasks: Int, _ body: (Int) -> Void) {
    precondition(tasks >= 0 && tasks < 1 << 32, "a run needs between 0 and 2^32 - 1 tasks")
    if tasks <= 1 || threads.isEmpty || !shared.acquire() {
      for task in 0..<tasks { body(task) }
      return
    }
    withoutActuallyEscaping(body) { shared.run(tasks: tasks, $0) }
    shared.release()
  }
}

/// What the caller and the workers of a pool share.
///
/// `ticket` holds the number of the run in its upper half and the next task in its lower half. A task is claimed by a
/// compare-and-swap on the whole word: it can only succeed while that run is still open, hence its body still alive.
private final class SharedState: Sendable {
  private let ticket = Atomic<UInt64>(0)
  private let taskCount = Atomic<UInt64>(0)
  private let body = Atomic<UInt>(0)
  private let finished = Atomic<UInt64>(0)
  private let busy = Atomic<Bool>(false)
  private let stopping = Atomic<Bool>(false)
  /// Workers asleep, or about to be.
  private let sleeping = Atomic<Int>(0)
  /// Whether the caller sleeps until the last task is done.
  private let callerSleeps = Atomic<Bool>(false)
  private let parking = Parking()
  private let callerParking = Parking()

  /// Pauses before a waiting thread gives its processor to others, about 50 µs.
  private static let spins = 1500

  func acquire() -> Bool { busy.compareExchange(expected: false, desired: true, ordering: .acquiring).exchanged }
  func release() { busy.store(false, ordering: .releasing) }

  func run(tasks: Int, _ work: @escaping (Int) -> Void) {
    unsafe withUnsafePointer(to: work) { work in
      body.store(UInt(bitPattern: work), ordering: .relaxed)
      taskCount.store(UInt64(tasks), ordering: .relaxed)
      finished.store(0, ordering: .relaxed)
      let run = (ticket.load(ordering: .relaxed) >> 32 &+ 1) << 32
      ticket.store(run, ordering: .sequentiallyConsistent)
      if sleeping.load(ordering: .sequentiallyConsistent) > 0 { parking.wakeAll() }
      takeTasks(of: run)
      awaitCompletion(UInt64(tasks))
    }
  }

  /// Claims and does tasks until the run has none left.
  private func takeTasks(of run: UInt64) {
    var claim = ticket.load(ordering: .acquiring)
    while claim & ~0xFFFF_FFFF == run, claim & 0xFFFF_FFFF < taskCount.load(ordering: .relaxed) {
      let (exchanged, current) = ticket.weakCompareExchange(
        expected: claim, desired: claim &+ 1, ordering: .acquiringAndReleasing)
      guard exchanged else {
        claim = current
        continue
      }
      // The claim keeps the run open until `finished` is raised, so the pointer is alive.
      if let work = unsafe UnsafePointer<(Int) -> Void>(bitPattern: body.load(ordering: .relaxed)) {
        unsafe work.pointee(Int(claim & 0xFFFF_FFFF))
      }
      let done = finished.add(1, ordering: .sequentiallyConsistent).newValue
      if done == taskCount.load(ordering: .relaxed), callerSleeps.load(ordering: .sequentiallyConsistent) {
        callerParking.wakeAll()
      }
      claim = ticket.load(ordering: .acquiring)
    }
  }

  private func awaitCompletion(_ tasks: UInt64) {
    for _ in 0..<Self.spins {
      if finished.load(ordering: .acquiring) == tasks { return }
      mio_spin_pause()
    }
    callerSleeps.store(true, ordering: .sequentiallyConsistent)
    callerParking.wait { finished.load(ordering: .sequentiallyConsistent) == tasks }
    callerSleeps.store(false, ordering: .relaxed)
  }

  /// The life of a worker thread.
  func work() {
    var run: UInt64 = 0
    while !stopping.load(ordering: .acquiring) {
      takeTasks(of: run)
      run = awaitRun(after: run)
    }
  }

  private func awaitRun(after run: UInt64) -> UInt64 {
    func current() -> UInt64 { ticket.load(ordering: .sequentiallyConsistent) & ~0xFFFF_FFFF }
    for _ in 0..<Self.spins {
      if current() != run { return current() }
      mio_spin_pause()
    }
    sleeping.add(1, ordering: .sequentiallyConsistent)
    parking.wait { current() != run || stopping.load(ordering: .sequentiallyConsistent) }
    sleeping.subtract(1, ordering: .sequentiallyConsistent)
    return current()
  }

  func stop() {
    stopping.store(true, ordering: .sequentiallyConsistent)
    parking.wakeAll()
  }
}

/// A place to sleep until a condition holds.
@safe
private final class Parking: @unchecked Sendable {
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let condition: UnsafeMutablePointer<pthread_cond_t>

  init() {
    unsafe mutex = .allocate(capacity: 1)
    unsafe condition = .allocate(capacity: 1)
    unsafe pthread_mutex_init(mutex, nil)
    unsafe pthread_cond_init(condition, nil)
  }

  deinit {
    unsafe pthread_cond_destroy(condition)
    unsafe pthread_mutex_destroy(mutex)
    unsafe condition.deallocate()
    unsafe mutex.deallocate()
  }

  /// Sleeps until `satisfied` is true; it is checked under the lock.
  func wait(until satisfied: () -> Bool) {
    unsafe pthread_mutex_lock(mutex)
    while !satisfied() { unsafe pthread_cond_wait(condition, mutex) }
    unsafe pthread_mutex_unlock(mutex)
  }

  func wakeAll() {
    unsafe pthread_mutex_lock(mutex)
    unsafe pthread_cond_broadcast(condition)
    unsafe pthread_mutex_unlock(mutex)
  }
}
