import Foundation
import Testing

/// Runs tests that wait for sockets on threads of their own: they would take those of Swift's tasks, which the server needs, too.
struct OwnThreads: SuiteTrait, TestTrait, TestScoping {
  var isRecursive: Bool { true }

  func provideScope(
    for test: Test, testCase: Test.Case?, performing body: @Sendable () async throws -> Void
  ) async throws {
    try await withTaskExecutorPreference(ThreadExecutor.shared) { try await body() }
  }
}

extension Trait where Self == OwnThreads {
  static var onOwnThreads: Self { Self() }
}

/// A thread for every piece of work.
final class ThreadExecutor: TaskExecutor {
  static let shared = ThreadExecutor()

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    Thread.detachNewThread { unsafe job.runSynchronously(on: self.asUnownedTaskExecutor()) }
  }
}
