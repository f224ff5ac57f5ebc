import MioKernels
import Synchronization
import Testing

@Suite struct WorkerPoolTests {
  @Test(arguments: [1, 2, 3, 8, 17])
  func `does every task once`(threads: Int) {
    let pool = WorkerPool(threads: threads)
    for tasks in [0, 1, 2, 3, 16, 1000] {
      var counts = [Int](repeating: 0, count: tasks)
      unsafe counts.withUnsafeMutableBufferPointer { counts in
        nonisolated(unsafe) let counts = unsafe counts
        pool.run(tasks: tasks) { unsafe counts[$0] += 1 }
      }
      #expect(counts.allSatisfy { $0 == 1 })
    }
  }

  @Test func `survives many short runs in a row`() {
    let pool = WorkerPool(threads: 4)
    let sum = Atomic<Int>(0)
    for _ in 0..<20_000 { pool.run(tasks: 3) { sum.add($0 + 1, ordering: .relaxed) } }
    #expect(sum.load(ordering: .relaxed) == 120_000)
  }

  @Test func `runs inside a task are done by that task's thread`() {
    let pool = WorkerPool(threads: 3)
    let sum = Atomic<Int>(0)
    pool.run(tasks: 10) { _ in
      pool.run(tasks: 10) { sum.add($0, ordering: .relaxed) }
    }
    #expect(sum.load(ordering: .relaxed) == 450)
  }

  @Test func `stops its threads when it goes away, asleep or awake`() {
    for round in 0..<50 {
      let pool = WorkerPool(threads: 6)
      if round % 2 == 0 { pool.run(tasks: 12) { _ in } }
    }
  }

  @Test func `finds at least one core`() {
    #expect(Processors.usableCoreCount >= 1)
  }
}
