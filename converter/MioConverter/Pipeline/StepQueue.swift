import Foundation

/// Hands out steps to the threads of a conversion and takes back their results in order.
///
/// The first thread to bring the result that is due delivers it and all that wait behind it, while the others go on
/// working; so no thread is set aside for writing.
final class StepQueue: @unchecked Sendable {
  /// Steps may run ahead of the one that is due by this much memory.
  static let memoryLimit = 192 << 20

  private let steps: [ConversionStep]
  private let isCancelled: @Sendable () -> Bool
  /// Guards everything below.
  private let condition = NSCondition()
  private var nextStep = 0
  private var dueStep = 0
  private var memoryInUse = 0
  private var isDelivering = false
  private var results: [Int: [UInt8]] = [:]
  private var spareBuffers: [[UInt8]] = []
  private var failure: ConversionError?

  init(_ steps: [ConversionStep], isCancelled: @escaping @Sendable () -> Bool) {
    self.steps = steps
    self.isCancelled = isCancelled
  }

  /// The next step to do; waits while too much is under way. Nil when nothing is left or the conversion has failed.
  func take() -> (index: Int, step: ConversionStep)? {
    if isCancelled() {
      fail(ConversionError(.cancelled, file: "conversion", "cancelled; nothing was written"))
    }
    return condition.withLock {
      while failure == nil, nextStep < steps.count, nextStep > dueStep,
        memoryInUse + steps[nextStep].memoryByteCount > Self.memoryLimit
      { condition.wait() }
      guard failure == nil, nextStep < steps.count else { return nil }
      defer { nextStep += 1 }
      memoryInUse += steps[nextStep].memoryByteCount
      return (nextStep, steps[nextStep])
    }
  }

  /// A buffer of at least `byteCount` bytes with any contents.
  func buffer(_ byteCount: Int) -> [UInt8] {
    let spare = condition.withLock { spareBuffers.popLast() }
    if let spare, spare.count >= byteCount { return spare }
    return [UInt8](repeating: 0, count: byteCount)
  }

  /// Takes the result of a step and delivers whatever is due, in order.
  ///
  /// - Parameter deliver: is never called by two threads at once.
  func finish(
    _ index: Int, _ result: [UInt8], deliver: (ConversionStep, [UInt8]) throws(ConversionError) -> Void
  ) throws(ConversionError) {
    condition.lock()
    defer { condition.unlock() }
    results[index] = result
    guard !isDelivering else { return }
    isDelivering = true
    defer { isDelivering = false }
    while failure == nil, let due = results.removeValue(forKey: dueStep) {
      let step = steps[dueStep]
      condition.unlock()
      defer { condition.lock() }
      try deliver(step, due)
      release(due, of: step)
    }
  }

  private func release(_ buffer: [UInt8], of step: ConversionStep) {
    condition.withLock {
      dueStep += 1
      memoryInUse -= step.memoryByteCount
      // Large buffers come from the few computed tensors; keeping them would keep their memory.
      if buffer.count <= ConversionSchedule.stepElementCount * 4 { spareBuffers.append(buffer) }
      condition.broadcast()
    }
  }

  /// Makes every thread stop; the first failure is the one that counts.
  func fail(_ error: ConversionError) {
    condition.withLock {
      if failure == nil { failure = error }
      condition.broadcast()
    }
  }

  /// Why the conversion stopped early, if it did.
  var error: ConversionError? { condition.withLock { failure } }
}
