import Foundation
import MioKernels
import MioModel

/// The thread that evaluates the requests of all calls of a model, and their way there.
///
/// It takes orders between steps: a request joins the batch with the next step, whoever runs.
final class GenerationLoop: @unchecked Sendable {
  private enum Order {
    case submit(GenerationRequest, Mailbox, index: Int)
    /// Nobody waits for the requests of this mailbox any more.
    case close(Mailbox)
    /// The mailbox has room again.
    case resume(Mailbox)
  }

  private let condition = NSCondition()
  // Guarded by the condition.
  private var orders: [Order] = []
  private var isStopped = false

  /// - Parameter byteLimit: most bytes of keys and values.
  init(
    _ language: LanguageModel, contextLength: Int, cache: KeyValueFormat, byteLimit: Int, lanes: Lanes
  ) throws(MioError) {
    let tokens = max(byteLimit / language.cacheShape(cache).bytesPerToken, KeyValueFormat.pageLength)
    try WorkThread.start { [self] in
      let session = LanguageSession(
        language, contextLength: contextLength, cache: cache,
        capacity: tokens / KeyValueFormat.pageLength * KeyValueFormat.pageLength,
        context: KernelContext(pool: lanes.pool, choice: lanes.choice))
      work(Generator(session, batchLimit: Engine.maxSequences))
    }
  }

  /// Ends the thread after its step.
  func stop() {
    condition.lock()
    isStopped = true
    condition.signal()
    condition.unlock()
  }

  func submit(_ request: GenerationRequest, _ mailbox: Mailbox, index: Int) { send(.submit(request, mailbox, index: index)) }
  func close(_ mailbox: Mailbox) { send(.close(mailbox)) }
  func resume(_ mailbox: Mailbox) { send(.resume(mailbox)) }

  private func send(_ order: Order) {
    condition.lock()
    orders.append(order)
    condition.signal()
    condition.unlock()
  }

  // MARK: - The thread

  private func work(_ generator: Generator) {
    var addresses = Addresses()
    while let orders = nextOrders(canAdvance: generator.canAdvance) {
      for order in orders { obey(order, generator, &addresses) }
      guard generator.canAdvance else { continue }
      do {
        addresses.deliver(try generator.step(), pausing: generator)
      } catch {
        addresses.failAll(error)
      }
    }
  }

  /// What has been ordered, at once if there is work to do; nil at the end.
  private func nextOrders(canAdvance: Bool) -> [Order]? {
    condition.lock()
    defer { condition.unlock() }
    while orders.isEmpty && !canAdvance && !isStopped { condition.wait() }
    if isStopped { return nil }
    defer { orders.removeAll(keepingCapacity: true) }
    return orders
  }

  private func obey(_ order: Order, _ generator: Generator, _ addresses: inout Addresses) {
    switch order {
    case .submit(let request, let mailbox, let index):
      do {
        addresses.add(try generator.submit(request), Address(mailbox: mailbox, index: index))
      } catch {
        mailbox.put([(index, .failed(request: 0, error))])
      }
    case .close(let mailbox):
      for request in addresses.requests(of: mailbox) {
        generator.cancel(request)
        addresses.remove(request)
      }
    case .resume(let mailbox):
      for request in addresses.requests(of: mailbox) { generator.pause(request, false) }
    }
  }

  private struct Address {
    let mailbox: Mailbox
    let index: Int
  }

  /// To whom the events of which request go.
  private struct Addresses {
    private var addresses: [Int: Address] = [:]

    mutating func add(_ request: Int, _ address: Address) { addresses[request] = address }
    mutating func remove(_ request: Int) { addresses[request] = nil }

    func requests(of mailbox: Mailbox) -> [Int] {
      addresses.compactMap { $0.value.mailbox === mailbox ? $0.key : nil }
    }

    /// Hands events over, those of a step to each mailbox at once; requests whose mailbox is full are paused.
    mutating func deliver(_ events: [GenerationEvent], pausing generator: Generator) {
      var start = 0
      while start < events.count {
        guard let mailbox = addresses[events[start].request]?.mailbox else {
          start += 1
          continue
        }
        var letters: [Mailbox.Letter] = []
        while start < events.count, let address = addresses[events[start].request], address.mailbox === mailbox {
          if mailbox.wants(events[start]) { letters.append((address.index, events[start])) }
          if events[start].isLast { remove(events[start].request) }
          start += 1
        }
        if !letters.isEmpty, mailbox.put(letters) {
          for request in requests(of: mailbox) { generator.pause(request, true) }
        }
      }
    }

    mutating func failAll(_ error: GenerationError) {
      for address in addresses.values { address.mailbox.put([(address.index, .failed(request: 0, error))]) }
      addresses = [:]
    }
  }
}

/// Where the events of one call's requests arrive. It holds a bounded number; when it is full, the call's requests pause.
final class Mailbox: @unchecked Sendable {
  typealias Letter = (index: Int, event: GenerationEvent)

  private let loop: GenerationLoop
  private let wantsTokens: Bool
  private let condition = NSCondition()
  // Guarded by the condition.
  private var letters: [Letter] = []
  private var isFull = false

  /// Letters at which the requests pause.
  static let limit = 256

  init(_ loop: GenerationLoop, wantsTokens: Bool) {
    self.loop = loop
    self.wantsTokens = wantsTokens
  }

  func submit(_ request: GenerationRequest, index: Int) { loop.submit(request, self, index: index) }

  /// Ends all requests that are not finished.
  func close() { loop.close(self) }

  func wants(_ event: GenerationEvent) -> Bool {
    if case .token = event { wantsTokens } else { true }
  }

  /// Called by the loop.
  ///
  /// - Returns: whether the mailbox is full now.
  @discardableResult
  func put(_ new: [Letter]) -> Bool {
    condition.lock()
    defer { condition.unlock() }
    letters += new
    isFull = letters.count >= Self.limit
    condition.signal()
    return isFull
  }

  /// Everything that has arrived, at least one letter.
  ///
  /// - Throws: ``MioError/Code/cancelled``.
  func next(_ cancellation: Cancellation) throws(MioError) -> [Letter] {
    condition.lock()
    // A request to stop may come out of a signal, which cannot wake anybody.
    while letters.isEmpty, !cancellation.isCancelled { _ = condition.wait(until: Date(timeIntervalSinceNow: 0.02)) }
    let (arrived, wasFull) = (letters, isFull)
    letters = []
    isFull = false
    condition.unlock()
    try cancellation.check()
    if wasFull { loop.resume(self) }
    return arrived
  }
}
