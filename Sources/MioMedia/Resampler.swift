#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Changes the sample rate of a stream: sinc interpolation under a Hann window, six zero crossings wide, cut off at
/// 0.99 of the lower Nyquist frequency.
///
/// The filter is that of `torchaudio.functional.resample` with its defaults, evaluated in double precision. With
/// g = gcd(from, to), a = from / g, b = to / g and c = 0.99 min(a, b), output sample q b + j is
/// `sum_i w_j(i) x[q a + i]` with `t = (i / a - j / b) c`, `w = cos^2(pi t / 12) sinc(t) c / a` for |t| < 6, and
/// x zero outside the clip; n samples become `ceil(n b / a)`. However the input is cut, the bits are the same.
package struct Resampler: Sendable {
  /// Rates that can be converted. The bounds keep the filter table below 40 MB.
  package static let supportedRates = 1_000...768_000

  /// Input samples per period (a) and output samples per period (b).
  private let inputPeriod: Int
  private let outputPeriod: Int
  /// Taps of one phase, padded with zeros to whole vectors.
  private let tapCount: Int
  /// [b][tapCount]; empty when the rates are equal.
  private let taps: [Float]
  /// Per phase, the input sample of its first tap relative to the start of the period.
  private let firstTap: [Int]

  /// Input from sample `historyStart` on, as far as it is still needed; zeros stand for what lies before the clip.
  private var history: [Float] = []
  private var historyStart = 0
  private var inputCount = 0
  private var outputCount = 0

  private typealias Lanes = SIMD8<Float>

  package init(from inputRateHz: Int, to outputRateHz: Int) {
    precondition(
      Self.supportedRates.contains(inputRateHz) && Self.supportedRates.contains(outputRateHz),
      "rates \(inputRateHz) and \(outputRateHz) must lie in \(Self.supportedRates)")
    let divisor = Self.greatestCommonDivisor(inputRateHz, outputRateHz)
    let (a, b) = (inputRateHz / divisor, outputRateHz / divisor)
    (inputPeriod, outputPeriod) = (a, b)
    if a == b {
      (tapCount, taps, firstTap) = (1, [], [])
      return
    }
    let cutoff = 0.99 * Double(min(a, b))
    let reach = 6 * Double(a) / cutoff
    let used = Int(2 * reach) + 1
    tapCount = (used + Lanes.scalarCount - 1) / Lanes.scalarCount * Lanes.scalarCount
    var taps = [Float](repeating: 0, count: b * tapCount)
    var firstTap = [Int](repeating: 0, count: b)
    for phase in 0..<b {
      let center = Double(a) * Double(phase) / Double(b)
      let first = Int((center - reach).rounded(.up))
      firstTap[phase] = first
      for tap in 0..<used {
        let t = (Double(first + tap) / Double(a) - Double(phase) / Double(b)) * cutoff
        taps[phase * tapCount + tap] = Float(Self.weight(t) * cutoff / Double(a))
      }
    }
    (self.taps, self.firstTap) = (taps, firstTap)
    historyStart = firstTap[0]
    history = [Float](repeating: 0, count: -historyStart)
  }

  private static func weight(_ t: Double) -> Double {
    guard abs(t) < 6 else { return 0 }
    let window = cos(Double.pi * t / 12)
    let angle = Double.pi * t
    return window * window * (angle == 0 ? 1 : sin(angle) / angle)
  }

  private static func greatestCommonDivisor(_ a: Int, _ b: Int) -> Int {
    b == 0 ? a : greatestCommonDivisor(b, a % b)
  }

  /// Takes the next samples of the clip and returns the output that no later sample can change.
  package mutating func push(_ samples: [Float]) -> [Float] {
    inputCount += samples.count
    if taps.isEmpty { return samples }
    history += samples
    // Phase j of period q needs input up to q a + firstTap[j] + tapCount - 1.
    var end = outputCount
    while lastInput(ofOutput: end) < inputCount { end += 1 }
    return produce(upTo: end)
  }

  /// Ends the clip: the remaining output. The resampler is then ready for another clip.
  package mutating func finish() -> [Float] {
    defer {
      (inputCount, outputCount) = (0, 0)
      historyStart = firstTap.first ?? 0
      history = [Float](repeating: 0, count: -historyStart)
    }
    if taps.isEmpty { return [] }
    let end = (inputCount * outputPeriod + inputPeriod - 1) / inputPeriod
    if end > outputCount {
      let needed = lastInput(ofOutput: end - 1) + 1 - historyStart
      history += [Float](repeating: 0, count: max(0, needed - history.count))
    }
    return produce(upTo: end)
  }

  /// A whole clip at once.
  package static func resample(_ samples: [Float], from inputRateHz: Int, to outputRateHz: Int) -> [Float] {
    var resampler = Resampler(from: inputRateHz, to: outputRateHz)
    var output = resampler.push(samples)
    output += resampler.finish()
    return output
  }

  private func firstInput(ofOutput index: Int) -> Int {
    index / outputPeriod * inputPeriod + firstTap[index % outputPeriod]
  }

  private func lastInput(ofOutput index: Int) -> Int { firstInput(ofOutput: index) + tapCount - 1 }

  private mutating func produce(upTo end: Int) -> [Float] {
    guard end > outputCount else { return [] }
    let (start, origin) = (outputCount, historyStart)
    let output = unsafe [Float](unsafeUninitializedCapacity: end - start) { output, used in
      unsafe history.withUnsafeBufferPointer { history in
        unsafe taps.withUnsafeBufferPointer { taps in
          for index in start..<end {
            let x = unsafe UnsafeRawPointer(history.baseAddress! + (firstInput(ofOutput: index) - origin))
            let w = unsafe UnsafeRawPointer(taps.baseAddress! + index % outputPeriod * tapCount)
            var sum = Lanes.zero
            for offset in stride(from: 0, to: tapCount * 4, by: MemoryLayout<Lanes>.size) {
              let xs = unsafe x.loadUnaligned(fromByteOffset: offset, as: Lanes.self)
              // Not addProduct: without FMA in the base instruction set that is a library call per lane.
              sum += unsafe xs * w.loadUnaligned(fromByteOffset: offset, as: Lanes.self)
            }
            unsafe output.initializeElement(at: index - start, to: sum.sum())
          }
        }
      }
      used = end - start
    }
    outputCount = end
    dropUsedHistory()
    return output
  }

  /// Forgets input that lies before the next output's first tap.
  private mutating func dropUsedHistory() {
    // Taps of later phases never start earlier, so the next output bounds all that follow.
    let spare = min(firstInput(ofOutput: outputCount) - historyStart, history.count)
    guard spare > 0 else { return }
    history.removeFirst(spare)
    historyStart += spare
  }
}
