import CMioLite
import Foundation
import MioLite
import Synchronization

/// What a `mio_call` points to: options in, the words about an error out, and the way to stop.
final class Call: Handle, Sendable {
  private struct State {
    var options = Options()
    var error: CText?
    var isBusy = false
    var isCancelled = false
    /// Stops what the call waits for.
    var stop: (@Sendable () -> Void)?
  }

  private let state = Mutex(State())

  // MARK: - Options

  var options: Options { state.withLock { $0.options } }

  func set(_ change: (inout Options) -> Bool) -> mio_status {
    status(of: state.withLock { state in !state.isBusy && change(&state.options) })
  }

  private func status(of isDone: Bool) -> mio_status { mio_status(isDone ? MIO_OK : MIO_INVALID_INPUT) }

  // MARK: - Errors

  /// What went wrong last.
  var errorText: UnsafePointer<CChar> {
    let text = state.withLock { $0.error }
    return unsafe text?.pointer ?? constant("")
  }

  private func fail(_ status: Int, _ words: String) -> mio_status {
    let text = CText(words)
    state.withLock { $0.error = text }
    return mio_status(status)
  }

  /// Does some work on the thread of the caller, and keeps what is to be said about its failure.
  func run(_ work: () throws -> Void) -> mio_status {
    let isFree = state.withLock { state in
      if state.isBusy { return false }
      (state.isBusy, state.error) = (true, nil)
      return true
    }
    // The words about an error belong to whoever uses the call.
    guard isFree else { return mio_status(MIO_BUSY) }
    defer { state.withLock { $0.isBusy = false } }
    do {
      try checkCancellation()
      try work()
      return mio_status(MIO_OK)
    } catch is CancellationError {
      return fail(MIO_CANCELLED, "cancelled")
    } catch let error as MioError {
      return fail(Self.status(error.code), error.message)
    } catch {
      return fail(MIO_FAILED, "\(error)")
    }
  }

  private static func status(_ code: MioError.Code) -> Int {
    switch code {
    case .invalidInput: MIO_INVALID_INPUT
    case .invalidModel: MIO_INVALID_MODEL
    case .unsupported: MIO_UNSUPPORTED
    case .contextFull: MIO_CONTEXT_FULL
    case .cacheFull: MIO_CACHE_FULL
    default: MIO_FAILED
    }
  }

  // MARK: - Cancellation

  func cancel() {
    let stop = state.withLock { state in
      state.isCancelled = true
      return state.stop
    }
    stop?()
  }

  private func checkCancellation() throws {
    if state.withLock({ $0.isCancelled }) { throw CancellationError() }
  }

  // MARK: - Waiting

  /// Waits for asynchronous work on the thread of the caller, which is none of Swift's own.
  ///
  /// - Throws: `CancellationError` if the call is cancelled, else what the work throws.
  func wait<Value: Sendable>(_ work: @escaping @Sendable () async throws -> Value) throws -> Value {
    let result = Slot<Value>()
    let task = Task.detached {
      let value: Result<Value, any Error>
      do { value = .success(try await work()) } catch { value = .failure(error) }
      result.fill(value)
    }
    let isCancelled = state.withLock { state in
      state.stop = { task.cancel() }
      return state.isCancelled
    }
    if isCancelled { task.cancel() }
    defer { state.withLock { $0.stop = nil } }
    return try result.value().get()
  }

  /// Reads a stream on the thread of the caller.
  ///
  /// - Throws: `CancellationError` if the call is cancelled, else what the stream or `body` throws.
  func read<Stream: AsyncSequence>(_ stream: Stream, _ body: (Stream.Element) throws -> Void) throws
  where Stream.Element: Sendable, Stream.AsyncIterator: SendableMetatype {
    let reading = Reading(stream.makeAsyncIterator())
    while let element = try wait({ try await reading.next() }) {
      try body(element)
      try checkCancellation()
    }
  }

  /// The result of a task, for the thread that waits for it.
  private final class Slot<Value: Sendable>: @unchecked Sendable {
    private let condition = NSCondition()
    // Guarded by the condition.
    private var result: Result<Value, any Error>?

    func fill(_ value: Result<Value, any Error>) {
      condition.lock()
      result = value
      condition.signal()
      condition.unlock()
    }

    func value() -> Result<Value, any Error> {
      condition.lock()
      defer { condition.unlock() }
      while true {
        if let result { return result }
        condition.wait()
      }
    }
  }

  /// An iteration, which one task after the other goes on with.
  private final class Reading<Iterator: AsyncIteratorProtocol>: @unchecked Sendable
  where Iterator.Element: Sendable {
    private var iterator: Iterator

    init(_ iterator: Iterator) { self.iterator = iterator }

    func next() async throws -> Iterator.Element? { try await iterator.next() }
  }
}
