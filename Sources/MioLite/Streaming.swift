import Foundation

/// Runs `body` on a thread of its own and hands what it yields to an asynchronous sequence.
///
/// Ending the iteration early, or cancelling its task, makes the `cancellation` that `body` watches.
func stream<Element: Sendable>(
  _ cancellation: Cancellation, _ body: @escaping @Sendable (_ yield: @escaping (Element) -> Void) throws -> Void
) -> AsyncThrowingStream<Element, any Error> {
  AsyncThrowingStream { continuation in
    continuation.onTermination = { _ in cancellation.cancel() }
    let thread = Thread {
      do {
        try body { _ = continuation.yield($0) }
        continuation.finish()
      } catch {
        continuation.finish(throwing: MioError(error))
      }
    }
    thread.stackSize = 8 << 20
    thread.start()
  }
}
