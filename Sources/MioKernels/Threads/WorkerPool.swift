import CMioKernels
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Runs the tasks of one kernel on a fixed set of threads.
///
/// Every thread has a range of neighbouring tasks of its own, so that it walks through memory in one direction and far
/// from the others; a thread that is done takes single tasks from the ends of other ranges. The caller works too and
/// returns as soon as all tasks are done, whether or not every thread has woken up. Idle threads watch for work for a
/// moment, then sleep. A thread that keeps everyone waiting, because something else uses its processor, is left out for some
/// milliseconds.
package final class WorkerPool: Sendable {
  /// Threads that work on a run, the caller included.
  package let threadCount: Int
  private let shared: SharedState
  private let threads: [pthread_t]

  package init(threads: Int) {
    precondition(threads >= 1, "a worker pool needs at least one thread")
    let shared = SharedState(threads: threads)
    var started: [pthread_t] = []
    for slot in 1..<threads {
      var thread = pthread_t()
      let worker = Worker(shared: shared, slot: slot)
      let argument = unsafe Unmanaged.passRetained(worker).toOpaque()
      let status = unsafe pthread_create(
        &thread, nil,
        { argument in
          guard let argument = unsafe argument else { return nil }
          let worker = unsafe Unmanaged<Worker>.fromOpaque(argument).takeRetainedValue()
          worker.shared.work(in: worker.slot)
          return nil
        }, argument)
      // With fewer threads than asked for, the work takes longer; nothing else changes.
      guard status == 0 else {
        unsafe Unmanaged<Worker>.fromOpaque(argument).release()
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
    precondition(tasks >= 0, "a run needs zero or more tasks")
    if tasks <= 1 || threads.isEmpty || !shared.acquire() {
      for task in 0..<tasks { body(task) }
      return
    }
    withoutActuallyEscaping(body) { shared.run(tasks: tasks, threads: threadCount, $0) }
    shared.release()
  }
}

/// What a new thread is told.
private final class Worker: Sendable {
  let shared: SharedState
  let slot: Int

  init(shared: SharedState, slot: Int) {
    self.shared = shared
    self.slot = slot
  }
}

/// One thread of a pool.
private final class Slot: Sendable {
  /// The chunks of its range that nobody has claimed yet.
  let range = Atomic<UInt64>(0)
  /// Whether the thread is in the middle of a chunk.
  let isWorking = Atomic<Bool>(false)
  /// Whether the thread is left out.
  let backsOff = Atomic<Bool>(false)
  // Written by the caller of a run alone: when the thread's rest ends or ended, and how long it was.
  let backOffEnd = Atomic<UInt64>(0)
  let restLength = Atomic<UInt64>(0)
  // Keeps the words of two slots on different cache lines.
  private let padding: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0, 0)
}

/// A range in one word: the number of its run, its first chunk and its end.
///
/// A chunk is claimed by a compare-and-swap on the whole word: it can only succeed while that run is still open, hence its
/// body still alive.
private struct ChunkRange {
  static let maxCount = (1 << 20) - 1
  var word: UInt64

  init(word: UInt64) { self.word = word }
  init(run: UInt64, _ chunks: Range<Int>) {
    word = run << 40 | UInt64(chunks.lowerBound) << 20 | UInt64(chunks.upperBound)
  }

  func belongs(to run: UInt64) -> Bool { word >> 40 == run & 0xFF_FFFF }
  var first: Int { Int(word >> 20 & 0xF_FFFF) }
  var end: Int { Int(word & 0xF_FFFF) }
  var withoutFirst: UInt64 { word &+ (1 << 20) }
  var withoutLast: UInt64 { word &- 1 }
}

/// What the caller and the workers of a pool share.
private final class SharedState: Sendable {
  /// The number of the latest run.
  private let latest = Atomic<UInt64>(0)
  private let body = Atomic<UInt>(0)
  private let taskCount = Atomic<Int>(0)
  /// Tasks of one chunk, 1 unless there are very many.
  private let chunkLength = Atomic<Int>(1)
  private let chunkCount = Atomic<Int>(0)
  private let finished = Atomic<Int>(0)
  private let slots: [Slot]
  private let busy = Atomic<Bool>(false)
  private let stopping = Atomic<Bool>(false)
  /// Workers asleep, or about to be, that a run should wake.
  private let sleeping = Atomic<Int>(0)
  /// Workers that are left out.
  private let resting = Atomic<Int>(0)
  /// Whether the caller sleeps until the last task is done.
  private let callerSleeps = Atomic<Bool>(false)
  private let parking = Parking()
  private let restParking = Parking()
  private let callerParking = Parking()

  /// Pauses before a waiting thread gives its processor to others, about 50 µs.
  private static let spins = 1500
  /// Nanoseconds that the caller waits for others beyond what tasks take before it calls it a delay.
  private static let patience: UInt64 = 200_000
  /// Nanoseconds of the first rest; every further one soon after it doubles.
  private static let firstRest: UInt64 = 4_000_000
  private static let longestRest: UInt64 = 128_000_000

  init(threads: Int) { slots = (0..<threads).map { _ in Slot() } }

  func acquire() -> Bool { busy.compareExchange(expected: false, desired: true, ordering: .acquiring).exchanged }
  func release() { busy.store(false, ordering: .releasing) }

  // MARK: - The caller

  func run(tasks: Int, threads: Int, _ work: @escaping (Int) -> Void) {
    let start = Self.nanoseconds()
    if resting.load(ordering: .relaxed) > 0 {
      recall(at: start)
      if resting.load(ordering: .relaxed) == threads - 1 {
        for task in 0..<tasks { work(task) }
        return
      }
    }
    unsafe withUnsafePointer(to: work) { work in
      let length = (tasks + ChunkRange.maxCount - 1) / ChunkRange.maxCount
      let chunks = (tasks + length - 1) / length
      body.store(UInt(bitPattern: work), ordering: .relaxed)
      taskCount.store(tasks, ordering: .relaxed)
      chunkLength.store(length, ordering: .relaxed)
      chunkCount.store(chunks, ordering: .relaxed)
      finished.store(0, ordering: .relaxed)
      let run = latest.load(ordering: .relaxed) &+ 1
      deal(chunks, of: run, threads: threads)
      latest.store(run, ordering: .sequentiallyConsistent)
      if sleeping.load(ordering: .sequentiallyConsistent) > 0 { parking.wakeAll() }
      let done = takePortions(of: run, from: 0)
      awaitCompletion(of: chunks, done: done, since: start)
    }
  }

  /// Gives every thread that takes part an equal range.
  private func deal(_ chunks: Int, of run: UInt64, threads: Int) {
    let count = threads - resting.load(ordering: .relaxed)
    var index = 0
    for slot in slots {
      let takesPart = index < count && !slot.backsOff.load(ordering: .relaxed)
      let range = takesPart ? chunks * index / count..<chunks * (index + 1) / count : 0..<0
      slot.range.store(ChunkRange(run: run, range).word, ordering: .releasing)
      if takesPart { index += 1 }
    }
  }

  /// - Parameters:
  ///   - done: chunks that the caller did.
  ///   - start: when the run began.
  private func awaitCompletion(of chunks: Int, done: Int, since start: UInt64) {
    func isComplete() -> Bool { finished.load(ordering: .sequentiallyConsistent) == chunks }
    for _ in 0..<64 {
      if isComplete() { return }
      mio_spin_pause()
    }
    // What is left now are chunks in the middle of which others are.
    let idle = Self.nanoseconds()
    let limit = idle + Self.patience + 4 * (idle - start) / UInt64(max(done, 1))
    for _ in 0..<Self.spins {
      if isComplete() { return }
      mio_spin_pause()
    }
    callerSleeps.store(true, ordering: .sequentiallyConsistent)
    if !callerParking.wait(before: limit, until: isComplete) {
      restDelayed(at: limit)
      callerParking.wait(until: isComplete)
    }
    callerSleeps.store(false, ordering: .relaxed)
  }

  /// Leaves out the threads that are in the middle of a chunk for too long.
  private func restDelayed(at now: UInt64) {
    for slot in slots.dropFirst() where slot.isWorking.load(ordering: .relaxed) {
      guard !slot.backsOff.load(ordering: .relaxed) else { continue }
      let last = slot.restLength.load(ordering: .relaxed)
      let isRecent = now < slot.backOffEnd.load(ordering: .relaxed) &+ last
      let length = isRecent ? min(2 * last, Self.longestRest) : Self.firstRest
      slot.restLength.store(length, ordering: .relaxed)
      slot.backOffEnd.store(now + length, ordering: .relaxed)
      slot.backsOff.store(true, ordering: .sequentiallyConsistent)
      resting.add(1, ordering: .relaxed)
    }
  }

  /// Takes threads back whose rest is over.
  private func recall(at now: UInt64) {
    var recalled = false
    for slot in slots where slot.backsOff.load(ordering: .relaxed) && slot.backOffEnd.load(ordering: .relaxed) <= now {
      slot.backsOff.store(false, ordering: .sequentiallyConsistent)
      resting.subtract(1, ordering: .relaxed)
      recalled = true
    }
    if recalled { restParking.wakeAll() }
  }

  private static func nanoseconds() -> UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  // MARK: - Every thread

  /// Does the chunks of one's own range from its front, then those of others from their ends; returns how many.
  private func takePortions(of run: UInt64, from own: Int) -> Int {
    var done = 0
    for offset in slots.indices {
      let slot = slots[(own + offset) % slots.count]
      var range = ChunkRange(word: slot.range.load(ordering: .acquiring))
      while range.belongs(to: run), range.first < range.end {
        let (exchanged, current) = slot.range.weakCompareExchange(
          expected: range.word, desired: offset == 0 ? range.withoutFirst : range.withoutLast,
          ordering: .acquiringAndReleasing)
        if exchanged {
          perform(offset == 0 ? range.first : range.end - 1, in: slots[own])
          done += 1
        }
        range = ChunkRange(word: exchanged ? slot.range.load(ordering: .acquiring) : current)
      }
    }
    return done
  }

  /// Does one claimed chunk. The claim keeps the run open until `finished` is raised, so the pointer is alive.
  private func perform(_ chunk: Int, in slot: Slot) {
    slot.isWorking.store(true, ordering: .relaxed)
    let length = chunkLength.load(ordering: .relaxed)
    let chunks = chunkCount.load(ordering: .relaxed)
    let end = min((chunk + 1) * length, taskCount.load(ordering: .relaxed))
    if let work = unsafe UnsafePointer<(Int) -> Void>(bitPattern: body.load(ordering: .relaxed)) {
      for task in chunk * length..<end { unsafe work.pointee(task) }
    }
    slot.isWorking.store(false, ordering: .relaxed)
    let count = finished.add(1, ordering: .sequentiallyConsistent).newValue
    if count == chunks, callerSleeps.load(ordering: .sequentiallyConsistent) { callerParking.wakeAll() }
  }

  // MARK: - The workers

  /// The life of a worker thread.
  func work(in slot: Int) {
    var run: UInt64 = 0
    while !stopping.load(ordering: .acquiring) {
      if slots[slot].backsOff.load(ordering: .sequentiallyConsistent) {
        restParking.wait {
          !slots[slot].backsOff.load(ordering: .sequentiallyConsistent) || stopping.load(ordering: .sequentiallyConsistent)
        }
      } else {
        _ = takePortions(of: run, from: slot)
      }
      run = awaitRun(after: run, in: slot)
    }
  }

  private func awaitRun(after run: UInt64, in slot: Int) -> UInt64 {
    func current() -> UInt64 { latest.load(ordering: .sequentiallyConsistent) }
    for _ in 0..<Self.spins {
      if current() != run || slots[slot].backsOff.load(ordering: .relaxed) { return current() }
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
    restParking.wakeAll()
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
    var attributes = pthread_condattr_t()
    unsafe pthread_condattr_init(&attributes)
    unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    unsafe pthread_cond_init(condition, &attributes)
    unsafe pthread_condattr_destroy(&attributes)
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

  /// The same, but gives up at a moment of the monotonic clock, in nanoseconds; returns whether the condition holds.
  func wait(before limit: UInt64, until satisfied: () -> Bool) -> Bool {
    var limit = timespec(tv_sec: Int(limit / 1_000_000_000), tv_nsec: Int(limit % 1_000_000_000))
    unsafe pthread_mutex_lock(mutex)
    var holds = satisfied()
    while !holds {
      let status = unsafe pthread_cond_timedwait(condition, mutex, &limit)
      holds = satisfied()
      if status != 0 { break }
    }
    unsafe pthread_mutex_unlock(mutex)
    return holds
  }

  func wakeAll() {
    unsafe pthread_mutex_lock(mutex)
    unsafe pthread_cond_broadcast(condition)
    unsafe pthread_mutex_unlock(mutex)
  }
}
