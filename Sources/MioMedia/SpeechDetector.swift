/// Whether a stretch of sound that comes and goes is speech, and not music, a knock, a bird or the wind in a microphone.
///
/// Two things must be so. Noise has no pitch, and tones and hums no syllables (in noisy speech, either is weaker): a rule that
/// knows nothing of what noises there are. And a small network over measures of the whole stretch, which has seen many,
/// must not be sure that it is one of them; it was trained as `bench/speech_detector.py` does, which says what it is worth.
package struct SpeechDetector {
  /// Frames that speech has at least.
  private static let shortest = 8
  /// Log-odds below which the network is sure that a stretch is none: words that are lost are worse than noise that is not.
  private static let least: Float = -3

  /// - Parameter frames: of the stretch, pauses within it included.
  package static func isSpeech(_ frames: [VoiceActivity.Verdict]) -> Bool {
    guard let last = frames.lastIndex(where: \.isSpeech), let measures = Measures(frames[...last]) else { return false }
    let hasPitchAndSyllables =
      measures.pitch > 0.3 && measures.syllables > 5 || measures.pitch > 0.6 && measures.syllables > 4.5
    return hasPitchAndSyllables && logOdds(measures.list) > least
  }

  private static func logOdds(_ measures: [Float]) -> Float {
    units.reduce(bias) { sum, unit in
      let input = zip(unit.weights, measures).reduce(unit.bias) { $0 + $1.0 * $1.1 }
      return sum + max(0, input) * unit.output
    }
  }

  /// What a stretch is like.
  private struct Measures {
    /// Periodicity of the fifth of frames that has most of it.
    let pitch: Float
    /// dB between the loud and the quiet fifth.
    let syllables: Float
    let list: [Float]

    /// Nil if there is too little of it.
    init?(_ frames: ArraySlice<VoiceActivity.Verdict>) {
      let all = Array(frames)
      let heard = all.filter(\.isSpeech)
      let count = heard.count
      guard count >= shortest else { return nil }
      pitch = heard.map(\.periodicity).sorted(by: >).prefix(max(3, count / 5)).mean
      let levels = heard.map(\.level).sorted()
      syllables = levels[count * 4 / 5] - levels[count / 5]
      let tilts = heard.map { $0.bands.low - $0.bands.high }
      let voiced = all.filter { $0.periodicity > 0.5 }
      let (same, jumps) = Self.lags(all)
      let (turns, rise) = (Self.turns(all), Self.rise(all))
      let (change, skew) = Self.changes(all)
      list = [
        pitch, syllables, tilts.mean, heard.map { $0.bands.middle - $0.bands.low }.mean, rise, same, jumps,
        Float(voiced.count) / Float(count), turns, change, skew,
        voiced.isEmpty ? 0 : voiced.map(\.level).mean - heard.map(\.level).mean, Float(min(count, 300)) / 100,
        tilts.sorted()[count * 9 / 10],
      ]
    }

    /// How many of the steps between voiced frames keep the pitch exactly, as notes do, and how many jump, as noise does.
    private static func lags(_ frames: [VoiceActivity.Verdict]) -> (same: Float, jumps: Float) {
      var (count, same, jumps): (Float, Float, Float) = (0, 0, 0)
      for (before, after) in zip(frames, frames.dropFirst()) where before.periodicity > 0.5 && after.periodicity > 0.5 {
        let step = abs(before.lag - after.lag)
        count += 1
        if step == 0 { same += 1 }
        if Float(step) > 0.2 * Float(max(after.lag, 1)) { jumps += 1 }
      }
      return count > 2 ? (same / count, jumps / count) : (0.5, 0.5)
    }

    /// How often the level, in steps of 50 ms, turns from rising to falling or back.
    private static func turns(_ frames: [VoiceActivity.Verdict]) -> Float {
      let levels = (0..<frames.count / 5).map { frames[(5 * $0)..<(5 * $0 + 5)].map(\.level).mean }
      let steps = zip(levels, levels.dropFirst()).map { $1 - $0 }
      guard steps.count > 2 else { return 0.5 }
      let turns = zip(steps, steps.dropFirst()).filter { $0 * $1 < 0 }
      return Float(turns.count) / Float(steps.count - 1)
    }

    /// dB of the steepest rise from one frame to the next: a knock begins at once.
    private static func rise(_ frames: [VoiceActivity.Verdict]) -> Float {
      zip(frames, frames.dropFirst()).map { $1.level - $0.level }.max().map { max(0, $0) } ?? 0
    }

    /// How much the level changes from frame to frame, and how lopsided the changes are: what is struck rises faster than it
    /// falls.
    private static func changes(_ frames: [VoiceActivity.Verdict]) -> (mean: Float, skew: Float) {
      let changes = zip(frames, frames.dropFirst()).filter { $0.isSpeech && $1.isSpeech }.map { $1.level - $0.level }
      guard !changes.isEmpty else { return (0, 0) }
      let mean = changes.mean
      let cubes = changes.map { ($0 - mean) * ($0 - mean) * ($0 - mean) }.mean
      let spread = changes.spread
      return (changes.map { abs($0) }.mean, cubes / (spread * spread * spread + 1e-6))
    }
  }

  // MARK: - The network

  private typealias Unit = (weights: [Float], bias: Float, output: Float)

  private static let bias: Float = 0.536
  /// Weights in the order of the measures.
  private static let units: [Unit] = [
    (
      [1.3741, 0.0244, -0.0082, -0.0279, -0.006, 0.0056, -1.9305, 0.2609, 0.0439, -0.061, 0.1172, 0.1785, 0.1118, -0.0021],
      0.207, 1.065
    ),
    (
      [0.0002, 0.0081, -0.0101, 0.0027, -0.0054, -0.3552, 1.0025, -0.2853, 0.4926, -0.0223, -0.0045, -0.1003, 0.029, 0.0083],
      -0.317, 0.596
    ),
    (
      [0.0474, 0.0236, 0.0193, 0.0231, 0.0298, 3.6846, 1.4875, 0.6916, 1.9995, 0.1586, 0.0175, -0.034, -0.7187, 0.001], -4.229,
      -1.455
    ),
    (
      [
        -0.8711, -0.0323, 0.0126, -0.0113, 0.0123, 1.1697, -0.2929, -0.3089, -2.0522, -0.0281, -0.0758, -0.0082, 0.1668, 0.0127,
      ], 0.796, -0.733
    ),
    (
      [-1.871, -0.0837, 0.0524, 0.0131, -0.0269, -0.0447, 0.6975, 0.0068, -1.8049, -0.0729, 0.2259, 0.0306, 0.2406, 0.0102],
      2.701, -1.471
    ),
    (
      [-0.5129, 0.0031, 0.0009, 0.0306, 0.002, -1.2433, 0.9714, 0.5987, 0.0932, 0.0652, -0.0055, 0.0333, -0.1431, -0.0441],
      1.519, -0.951
    ),
    (
      [-0.3067, -0.0635, 0.0164, 0.0484, -0.0074, 0.8617, 1.7183, 1.2661, -0.5817, -0.0159, 0.0604, 0.0154, 0.1085, -0.0344],
      0.655, -1.238
    ),
    (
      [0.8026, 0.0446, -0.0218, -0.02, -0.0101, -0.8781, -0.4247, -0.3977, 0.7663, -0.0737, 0.0637, 0.0187, 0.1875, 0.0109],
      0.828, 0.914
    ),
  ]
}

extension [Float] {
  fileprivate var mean: Float { isEmpty ? 0 : reduce(0, +) / Float(count) }
}

extension ArraySlice<Float> {
  fileprivate var mean: Float { Array(self).mean }
}
