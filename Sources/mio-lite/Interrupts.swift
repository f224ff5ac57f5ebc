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

  /// Address of what a request cancels, 0 for nothing; `during` keeps it alive.
  private static let current = Atomic<UInt>(0)

  /// Runs `body`; the first request meanwhile cancels what `body` was given, the second ends the program at once.
  static func during<Result>(_ body: (Cancellation) async throws -> Result) async rethrows -> Result {
    let cancellation = Cancellation()
    received.store(key, ordering: .relaxed)
    unsafe current.store(UInt(bitPattern: Unmanaged.passUnretained(cancellation).toOpaque()), ordering: .sequentiallyConsistent)
    // What is ignored from the start stays ignored: a background job without Ctrl-C, a program that outlives its terminal.
    let heeded = requests.filter(isHeeded)
    for request in heeded { signal(request, handle) }
    defer {
      for request in heeded { signal(request, SIG_DFL) }
      current.store(0, ordering: .sequentiallyConsistent)
      withExtendedLifetime(cancellation) {}
    }
    return try await body(cancellation)
  }

  /// Runs within the signal, so that none is lost however busy the machine is: atomic values and system calls only.
  private static let handle: @convention(c) (Int32) -> Void = { request in
    let address = current.load(ordering: .sequentiallyConsistent)
    guard let pointer = unsafe UnsafeRawPointer(bitPattern: address) else { return }
    let cancellation = unsafe Unmanaged<Cancellation>.fromOpaque(pointer).takeUnretainedValue()
    if cancellation.isCancelled {
      signal(request, SIG_DFL)
      raise(request)
    }
    received.store(request, ordering: .relaxed)
    cancellation.cancel()
  }

  private static func isHeeded(_ request: Int32) -> Bool {
    var action = sigaction()
    return unsafe sigaction(request, nil, &action) == 0
      && unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) != unsafeBitCast(SIG_IGN, to: Int.self)
  }
}
