import Foundation
import MioLite
import Synchronization

/// Turns Ctrl-C, and what a system sends to end a program, into a request to stop, so that nothing is left half-written.
enum Interrupts {
  /// A key of the person at the terminal; the others end the program, also within a conversation.
  private static let key = SIGINT
  private static let requests = [key, SIGTERM, SIGHUP]
  private static let received = Atomic<Int32>(key)

  /// The exit status of what was stopped, as shells have it: 128 and the number of the signal.
  static var status: Int32 { 128 + received.load(ordering: .relaxed) }

  /// Whether the program was asked to end, not only to stop what it was doing.
  static var areFinal: Bool { received.load(ordering: .relaxed) != key }

  /// What a request cancels.
  private static let current = Mutex<Cancellation?>(nil)
  /// Whether a request came that nothing has followed yet.
  private static let isRequested = Atomic(false)

  /// Runs `body`; the first request meanwhile cancels what `body` was given, the second ends the program at once.
  static func during<Result>(_ body: (Cancellation) async throws -> Result) async rethrows -> Result {
    let cancellation = Cancellation()
    received.store(key, ordering: .relaxed)
    isRequested.store(false, ordering: .sequentiallyConsistent)
    current.withLock { $0 = cancellation }
    watcher.start()
    // What is ignored from the start stays ignored: a background job without Ctrl-C, a program that outlives its terminal.
    let heeded = requests.filter(isHeeded)
    for request in heeded { signal(request, handle) }
    defer {
      for request in heeded { signal(request, SIG_DFL) }
      current.withLock { $0 = nil }
    }
    return try await body(cancellation)
  }

  /// Runs within the signal, so that none is lost however busy the machine is: atomic values and system calls only.
  private static let handle: @convention(c) (Int32) -> Void = { request in
    if isRequested.exchange(true, ordering: .sequentiallyConsistent) {
      signal(request, SIG_DFL)
      raise(request)
    }
    received.store(request, ordering: .relaxed)
    watcher.wake()
  }

  /// Follows requests on a thread of its own: cancelling takes locks, which a signal must not.
  private static let watcher = Watcher {
    guard isRequested.load(ordering: .sequentiallyConsistent) else { return }
    current.withLock { $0 }?.cancel()
  }

  private static func isHeeded(_ request: Int32) -> Bool {
    var action = sigaction()
    return unsafe sigaction(request, nil, &action) == 0
      && unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) != unsafeBitCast(SIG_IGN, to: Int.self)
  }
}

/// A thread that waits to be woken, also out of a signal.
@safe
private final class Watcher: @unchecked Sendable {
  private let semaphore: UnsafeMutablePointer<sem_t>
  private let isStarted = Atomic(false)
  private let action: @Sendable () -> Void

  init(_ action: @escaping @Sendable () -> Void) {
    self.action = action
    unsafe semaphore = .allocate(capacity: 1)
    unsafe sem_init(semaphore, 0, 0)
  }

  func start() {
    if isStarted.exchange(true, ordering: .sequentiallyConsistent) { return }
    Thread.detachNewThread { [self] in
      while true {
        if unsafe sem_wait(semaphore) == 0 { action() }
      }
    }
  }

  /// Safe within a signal.
  func wake() { unsafe _ = sem_post(semaphore) }
}

/// What a request to stop cancels.
final class Cancellation: Sendable {
  private let requested = Atomic(false)
  private let handlers = Mutex<[@Sendable () -> Void]>([])

  var isCancelled: Bool { requested.load(ordering: .sequentiallyConsistent) }

  func cancel() {
    requested.store(true, ordering: .sequentiallyConsistent)
    for handler in takeHandlers() { handler() }
  }

  func check() throws { if isCancelled { throw CancellationError() } }

  /// The stream, which the request stops.
  func stopping<Element>(_ stream: ModelStream<Element>) -> ModelStream<Element> {
    whenCancelled { stream.cancel() }
    return stream
  }

  /// Runs `work` in a task, which the request cancels.
  func stopping<Value: Sendable>(_ work: @escaping @Sendable () async throws -> Value) async throws -> Value {
    let task = Task(operation: work)
    whenCancelled { task.cancel() }
    return try await task.value
  }

  /// Runs `handler` when the request comes, or at once if it has come.
  func whenCancelled(_ handler: @escaping @Sendable () -> Void) {
    handlers.withLock { $0.append(handler) }
    if isCancelled { for handler in takeHandlers() { handler() } }
  }

  private func takeHandlers() -> [@Sendable () -> Void] {
    handlers.withLock { handlers in
      defer { handlers = [] }
      return handlers
    }
  }
}
