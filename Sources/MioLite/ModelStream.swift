import Foundation

/// What a model makes, in the order in which it is made, computed ahead of the reader by a bounded number of elements.
///
/// ```swift
/// for try await chunk in model.speech(for: "Good morning.") { player.play(chunk.audio) }
/// ```
///
/// Work starts when an iteration asks for its first element, and every iteration does it anew. A reader that is slower than the
/// model makes the model wait for it; other calls go on. Leaving the loop, cancelling its task, or ``cancel()`` stops the work
/// at its next step: the next token, or part of a network.
///
/// A cancelled iteration throws `CancellationError`, like everything in Swift that a task can wait for, so that task groups and
/// views know it for what it is; it never ends as if it were complete. All other errors are ``MioError``s.
public struct ModelStream<Element: Sendable>: AsyncSequence, Sendable {
  package typealias Body = @Sendable (Outlet<Element>) throws -> Void

  private let limit: Int
  private let body: Body
  private let stop = Cancellation()

  /// - Parameters:
  ///   - limit: elements that are made before the first one is read.
  ///   - body: does the work on a thread of its own.
  package init(limit: Int = 64, _ body: @escaping Body) {
    self.limit = limit
    self.body = body
  }

  /// Stops all iterations, from any task; they throw `CancellationError`.
  public func cancel() { stop.cancel() }

  public func makeAsyncIterator() -> Iterator {
    let production = Production(limit: limit, body)
    stop.whenCancelled { [weak production] in production?.cancel() }
    return Iterator(reader: Reader(production))
  }

  /// Reads the elements.
  public struct Iterator: AsyncIteratorProtocol {
    fileprivate let reader: Reader<Element>

    /// - Throws: `CancellationError` if the work was stopped, ``MioError`` if it failed.
    public mutating func next() async throws -> Element? { try await reader.production.next() }
  }
}

@available(*, unavailable)
extension ModelStream.Iterator: Sendable {}

/// Stops the work when the iteration is left.
private final class Reader<Element: Sendable> {
  let production: Production<Element>

  init(_ production: Production<Element>) { self.production = production }
  deinit { production.cancel() }
}

/// Where the thread of a call puts what it makes.
package struct Outlet<Element: Sendable>: Sendable {
  fileprivate let production: Production<Element>

  var cancellation: Cancellation { production.cancellation }

  /// Hands an element over; waits while the reader has enough to read.
  ///
  /// - Throws: ``MioError/Code/cancelled`` if nobody reads any more.
  package func yield(_ element: Element) throws(MioError) { try production.put(element, waits: true) }

  /// Hands over what may be left out if the reader is slow.
  package func offer(_ element: Element) { try? production.put(element, waits: false) }
}

/// One iteration: a thread that makes elements, and the buffer between it and the reader.
private final class Production<Element: Sendable>: @unchecked Sendable {
  let cancellation = Cancellation()
  private let limit: Int
  private let body: ModelStream<Element>.Body
  private let condition = NSCondition()
  // Guarded by the condition.
  private var buffer: [Element] = []
  private var reader: CheckedContinuation<Element?, any Error>?
  private var hasStarted = false
  /// How the work ended; nil while it goes on. An error is thrown once.
  private var end: Result<Void, any Error>?

  init(limit: Int, _ body: @escaping ModelStream<Element>.Body) {
    self.limit = limit
    self.body = body
  }

  func next() async throws -> Element? {
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation(read)
    } onCancel: {
      cancel()
    }
  }

  private func read(_ continuation: CheckedContinuation<Element?, any Error>) {
    condition.lock()
    defer { condition.unlock() }
    precondition(reader == nil, "an iteration is read by one task at a time")
    start()
    if !buffer.isEmpty {
      continuation.resume(returning: buffer.removeFirst())
      condition.signal()
    } else if let end {
      self.end = .success(())
      continuation.resume(with: end.map { nil })
    } else {
      reader = continuation
    }
  }

  private func start() {
    if hasStarted || end != nil { return }
    hasStarted = true
    do {
      try WorkThread.start { [self] in
        do {
          try body(Outlet(production: self))
          finish(.success(()))
        } catch {
          finish(.failure(MioError.publicError(error)))
        }
      }
    } catch {
      end = .failure(error)
    }
  }

  func put(_ element: Element, waits: Bool) throws(MioError) {
    condition.lock()
    defer { condition.unlock() }
    while waits, buffer.count >= limit, end == nil { condition.wait() }
    if end != nil { throw .cancelled }
    if let reader {
      self.reader = nil
      reader.resume(returning: element)
    } else if buffer.count < limit {
      buffer.append(element)
    }
  }

  private func finish(_ result: Result<Void, any Error>) {
    condition.lock()
    defer { condition.unlock() }
    if end != nil { return }
    end = result
    guard let reader else { return }
    self.reader = nil
    end = .success(())
    reader.resume(with: result.map { nil })
  }

  func cancel() {
    cancellation.cancel()
    condition.lock()
    defer { condition.unlock() }
    buffer = []
    if end == nil || hasStarted == false { end = .failure(CancellationError()) }
    if let reader {
      self.reader = nil
      end = .success(())
      reader.resume(throwing: CancellationError())
    }
    condition.broadcast()
  }
}

/// Does work on a thread of its own.
///
/// - Throws: `CancellationError` if the task is cancelled, ``MioError`` if the work fails.
func compute<Value: Sendable>(_ body: @escaping @Sendable (Cancellation) throws -> Value) async throws -> Value {
  for try await value in ModelStream<Value>(limit: 1, { try $0.yield(body($0.cancellation)) }) { return value }
  throw CancellationError()
}
