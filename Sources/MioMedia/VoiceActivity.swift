#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Where in a stream of mono samples there may be speech, frame by frame of 10 ms.
///
/// Speech stands out of the background of its neighborhood, and its level never rests for long: syllables come and go. Noise,
/// hums and tones are steady. Levels are compared within the recording alone, so that its own level does not matter. However
/// the stream is cut, the verdicts are the same.
package struct VoiceActivity {
  package struct Verdict: Hashable, Sendable {
    /// Whether the frame stands out and is not steady.
    package let isSpeech: Bool
    /// How exactly the waveform repeats itself at the pitch of a voice, 0...1.
    package let periodicity: Float
    /// The lag at which it does, in samples at about 4 kHz; 0 for none.
    package let lag: Int
    /// Power in dB of full scale, without rumble.
    package let level: Float
    /// The same below 700 Hz, from there to 2,500 Hz, and above.
    package let bands: Bands
  }

  /// dB of full scale.
  package struct Bands: Hashable, Sendable {
    package let low, middle, high: Float
  }

  package static let framesPerSecond = 100
  package let samplesPerFrame: Int

  /// Frames on each side that make the neighborhood, and those in which levels are compared.
  private static let (neighborhood, syllables) = (150, 35)
  /// dB above the quietest and below the loudest moment of the neighborhood that stand out, and the least in any case.
  private static let (aboveBackground, belowVoice, least): (Float, Float, Float) = (8, 42, -95)
  /// dB by which the levels of syllables differ (standard deviation): 3.6 in the steadiest hundredth of speech, 3 at most in
  /// noise of any color.
  private static let steadySpread: Float = 3

  private var analysis: PitchAnalysis
  /// Of the frames from `first` on.
  private var levels: [Float] = []
  private var smooth: [Float] = []
  private var frames: [PitchAnalysis.Frame] = []
  private var (first, decided) = (0, 0)

  package init(sampleRateHz: Int) {
    samplesPerFrame = max(1, sampleRateHz / Self.framesPerSecond)
    analysis = PitchAnalysis(sampleRateHz: sampleRateHz, hop: samplesPerFrame)
  }

  /// Verdicts that no later sample can change.
  package mutating func push(_ samples: [Float]) -> [Verdict] {
    append(analysis.push(samples))
    return decide(upTo: first + levels.count - Self.neighborhood)
  }

  /// The verdicts of the rest; the last frame may be filled with silence.
  package mutating func finish() -> [Verdict] {
    append(analysis.finish())
    return decide(upTo: first + levels.count)
  }

  private mutating func append(_ frames: [PitchAnalysis.Frame]) {
    for frame in frames {
      levels.append(max(frame.level, Self.silence))
      self.frames.append(frame)
      let recent = levels.suffix(3)
      smooth.append(recent.reduce(0, +) / Float(recent.count))
    }
  }

  /// dB below which there is nothing.
  private static let silence: Float = -100

  private mutating func decide(upTo end: Int) -> [Verdict] {
    guard end > decided else { return [] }
    let verdicts = (decided..<end).map { frame in
      let (level, heard) = (levels[frame - first], frames[frame - first])
      return Verdict(
        isSpeech: standsOut(frame) && !isSteady(frame), periodicity: heard.periodicity, lag: heard.lag, level: level,
        bands: heard.bands)
    }
    decided = end
    forget(before: end - Self.neighborhood)
    return verdicts
  }

  private func standsOut(_ frame: Int) -> Bool {
    let index = frame - first
    let near = smooth[max(0, index - Self.neighborhood)...min(smooth.count - 1, index + Self.neighborhood)]
    let (quietest, loudest) = (near.min() ?? 0, near.max() ?? 0)
    return levels[index] > max(quietest + Self.aboveBackground, loudest - Self.belowVoice, Self.least)
  }

  private func isSteady(_ frame: Int) -> Bool {
    let index = frame - first
    guard index >= Self.syllables, index + Self.syllables < levels.count else { return false }
    return levels[(index - Self.syllables)..<(index + Self.syllables)].spread < Self.steadySpread
  }

  private mutating func forget(before frame: Int) {
    let count = frame - first
    guard count > 0 else { return }
    levels.removeFirst(count)
    smooth.removeFirst(count)
    frames.removeFirst(count)
    first = frame
  }
}

extension Collection<Float> {
  /// Standard deviation.
  package var spread: Float {
    let mean = reduce(0, +) / Float(Swift.max(1, count))
    return (reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Float(Swift.max(1, count))).squareRoot()
  }
}

/// The power of frames, and how exactly their waveform repeats itself at the pitch of a voice.
private struct PitchAnalysis {
  struct Frame {
    /// dB.
    let level: Float
    /// Highest normalized correlation with itself at lags of 2.5 to 16 ms, and the lag in samples at about 4 kHz.
    let periodicity: Float
    let lag: Int
    /// dB below 700 Hz, from there to 2,500 Hz, and above.
    let bands: VoiceActivity.Bands
  }

  /// The power of a frame: of all of it, above 700 Hz, and above 2,500 Hz.
  private struct Power {
    var (all, upper, high): (Float, Float, Float) = (0, 0, 0)

    func decibels(_ hop: Int) -> (level: Float, bands: VoiceActivity.Bands) {
      func decibels(_ power: Float) -> Float { 10 * log10(power / Float(hop) + 1e-14) }
      let (low, middle) = (max(all - upper, 1e-10 * all), max(upper - high, 1e-10 * upper))
      return (
        decibels(all), VoiceActivity.Bands(low: decibels(low), middle: decibels(middle), high: decibels(high))
      )
    }
  }

  private let hop: Int
  private var highPass: HighPass
  private var (above700, above2500): (HighPass, HighPass)
  /// Filtered samples from the next frame on.
  private var pending: [Float] = []
  /// The same at about 4 kHz, with some of the past.
  private let decimation: Int
  private var low: [Float] = []
  private var lastLow: Float = 0
  private var (frameCount, lowStart) = (0, 0)
  private let (window, shortestLag, longestLag): (Int, Int, Int)

  init(sampleRateHz: Int, hop: Int) {
    self.hop = hop
    highPass = HighPass(cornerHz: 90, sampleRateHz: sampleRateHz)
    above700 = HighPass(cornerHz: 700, sampleRateHz: sampleRateHz)
    above2500 = HighPass(cornerHz: min(2500, 0.4 * Double(sampleRateHz)), sampleRateHz: sampleRateHz)
    decimation = max(1, sampleRateHz / 4000)
    let rate = sampleRateHz / decimation
    (window, shortestLag, longestLag) = (rate / 25, max(1, rate / 400), max(2, rate * 16 / 1000))
  }

  mutating func push(_ samples: [Float]) -> [Frame] {
    pending += samples.map { highPass.next($0) }
    return frames(isEnd: false)
  }

  mutating func finish() -> [Frame] {
    let rest = (decimatedCount + pending.count) % hop
    if rest > 0 { pending += Array(repeating: 0, count: hop - rest) }
    let total = (decimatedCount + pending.count) / hop
    pending += Array(repeating: 0, count: (window + longestLag + 1) * decimation)
    let before = frameCount
    return Array(frames(isEnd: true).prefix(max(0, total - before)))
  }

  /// Filtered samples before `pending`.
  private var decimatedCount = 0
  private var powers: [Power] = []
  private var (power, inFrame) = (Power(), 0)

  private mutating func frames(isEnd: Bool) -> [Frame] {
    decimate()
    var frames: [Frame] = []
    while true {
      let start = frameCount * hop / decimation - window / 2 + hop / decimation / 2
      guard start + window + longestLag <= lowStart + low.count, !powers.isEmpty else { break }
      let (level, bands) = powers.removeFirst().decibels(hop)
      let (periodicity, lag) = periodicity(at: start)
      frames.append(Frame(level: level, periodicity: periodicity, lag: lag, bands: bands))
      frameCount += 1
    }
    let spare = frameCount * hop / decimation - window - lowStart
    if spare > 0, !isEnd {
      low.removeFirst(min(spare, low.count))
      lowStart += spare
    }
    return frames
  }

  private mutating func decimate() {
    let count = pending.count / decimation
    for group in 0..<count {
      var sum: Float = 0
      for sample in pending[(group * decimation)..<((group + 1) * decimation)] {
        sum += sample
        let (upper, high) = (above700.next(sample), above2500.next(sample))
        power.all += sample * sample
        power.upper += upper * upper
        power.high += high * high
        inFrame += 1
        if inFrame == hop {
          powers.append(power)
          (power, inFrame) = (Power(), 0)
        }
      }
      let mean = sum / Float(decimation)
      // Some emphasis, so that rumble does not look like a pitch.
      low.append(mean - 0.5 * lastLow)
      lastLow = mean
    }
    pending.removeFirst(count * decimation)
    decimatedCount += count * decimation
  }

  private func periodicity(at start: Int) -> (value: Float, lag: Int) {
    func at(_ index: Int) -> Float { index < lowStart ? 0 : low[index - lowStart] }
    let samples = (start..<start + window + longestLag).map(at)
    let power = samples[..<window].reduce(Float(0)) { $0 + $1 * $1 }
    guard power > 1e-14 * Float(window) else { return (0, 0) }
    var shifted = samples[shortestLag..<shortestLag + window].reduce(Float(0)) { $0 + $1 * $1 }
    var best: (value: Float, lag: Int) = (0, 0)
    for lag in shortestLag..<longestLag {
      var product: Float = 0
      for index in 0..<window { product += samples[index] * samples[index + lag] }
      let value = product / (power * max(shifted, 0) + 1e-30).squareRoot()
      if value > best.value { best = (value, lag) }
      shifted += samples[lag + window] * samples[lag + window] - samples[lag] * samples[lag]
    }
    return (min(best.value, 1), best.lag)
  }
}

/// A Butterworth filter of second order that removes what lies below its corner.
struct HighPass {
  private let (b, a1, a2): (Float, Float, Float)
  private var (x1, x2, y1, y2): (Float, Float, Float, Float) = (0, 0, 0, 0)

  init(cornerHz: Double, sampleRateHz: Int) {
    let k = tan(Double.pi * cornerHz / Double(sampleRateHz))
    let norm = 1 / (1 + k * 2.0.squareRoot() + k * k)
    (b, a1, a2) = (Float(norm), Float(2 * (k * k - 1) * norm), Float((1 - k * 2.0.squareRoot() + k * k) * norm))
  }

  mutating func next(_ x: Float) -> Float {
    let y = b * (x - 2 * x1 + x2) - a1 * y1 - a2 * y2
    (x2, x1, y2, y1) = (x1, x, y1, y)
    return y
  }
}
