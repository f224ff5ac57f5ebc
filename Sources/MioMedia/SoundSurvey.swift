#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What is looked at before sound is listened to: the offset of every channel, how loud the channels are, whether their mean
/// keeps what they hold, and whether it hums.
package struct SoundSurvey {
  private struct Channel {
    /// By level in dB above ``lowest``: frames, and the sum of their means.
    var quietness = [(count: Int, sum: Double, squares: Double)](repeating: (0, 0, 0), count: SoundSurvey.levels)
    var energy = 0.0
  }

  private static let (lowest, levels) = (-200, 420)
  /// Frames that count as quiet: one of so many, and at least so many.
  private static let (quietShare, leastQuiet) = (32, 3)

  /// Of the energy, what lies below voices, from which on it is taken out. Of voices, it is less.
  private static let humShare = 0.005
  /// Frames in which its filter swings in.
  private static let swing = 10

  private let frameLength: Int
  private let sampleRateHz: Int
  private var hum: HumFilter
  /// Below voices, and of all that sounded meanwhile.
  private var (humEnergy, humRange) = (0.0, 0.0)
  private var channels: [Channel]
  private var mixEnergy = 0.0
  private var peak: Float = 0
  private var frameCount = 0
  /// Interleaved samples of the frame that is not full.
  private var pending: [Float] = []

  package init(channelCount: Int, sampleRateHz: Int) {
    frameLength = max(1, sampleRateHz / 50)
    self.sampleRateHz = sampleRateHz
    hum = HumFilter(.below, sampleRateHz: sampleRateHz)
    channels = Array(repeating: Channel(), count: channelCount)
  }

  package mutating func push(_ interleaved: ArraySlice<Float>) {
    pending += interleaved
    let length = frameLength * channels.count
    let whole = pending.count / length
    for frame in 0..<whole { measure(pending[(frame * length)..<((frame + 1) * length)]) }
    pending.removeFirst(whole * length)
  }

  private mutating func measure(_ frame: ArraySlice<Float>) {
    let (width, count) = (channels.count, Double(frameLength))
    var sums = [Double](repeating: 0, count: width)
    var squares = sums
    var (mixSum, mixSquares, humSum, humSquares) = (0.0, 0.0, 0.0, 0.0)
    for start in stride(from: frame.startIndex, to: frame.endIndex, by: width) {
      var mix = 0.0
      for channel in 0..<width {
        let sample = frame[start + channel]
        peak = max(peak, sample.magnitude)
        let value = Double(sample)
        sums[channel] += value
        squares[channel] += value * value
        mix += value
      }
      mix /= Double(width)
      mixSum += mix
      mixSquares += mix * mix
      let low = hum.filter(mix)
      humSum += low
      humSquares += low * low
    }
    for channel in 0..<width {
      let mean = sums[channel] / count
      let power = max(0, squares[channel] / count - mean * mean)
      channels[channel].energy += power
      // Padding with zeros says nothing about the offset of the rest.
      if power == 0 && mean == 0 { continue }
      let level = max(0, min(Self.levels - 1, Int(10 * log10(power + 1e-20)) - Self.lowest))
      channels[channel].quietness[level].count += 1
      channels[channel].quietness[level].sum += mean
      channels[channel].quietness[level].squares += mean * mean
    }
    let power = max(0, mixSquares / count - (mixSum / count) * (mixSum / count))
    mixEnergy += power
    // The filter swings in first.
    if frameCount >= Self.swing {
      humEnergy += max(0, humSquares / count - (humSum / count) * (humSum / count))
      humRange += power
    }
    frameCount += 1
  }

  /// How the channels are heard.
  package var mix: ListeningMix {
    let scale = Self.scale(ofPeak: peak)
    let gains = mixGains
    let offsets = channels.indices.map { gains[$0] == 0 ? 0 : offset(of: channels[$0]) }
    let hums = humEnergy > Self.humShare * humRange
    return ListeningMix(
      offsets: offsets, gains: gains.map { $0 * scale }, hum: hums ? HumFilter(.above, sampleRateHz: sampleRateHz) : nil,
      remarks: remarks(offsets, gains, scale) + (hums ? ["hum or rumble below voices is removed"] : []))
  }

  /// The mean of the quietest frames, if it is more than a hundredth of what sounds and about the same in all of them: the
  /// waveform of a voice is not symmetric, so its own mean must not count.
  private func offset(of channel: Channel) -> Float {
    let known = channel.quietness.reduce(0) { $0 + $1.count }
    guard known >= Self.leastQuiet else { return 0 }
    let wanted = max(Self.leastQuiet, known / Self.quietShare)
    var (count, sum, squares) = (0, 0.0, 0.0)
    for level in channel.quietness where count < wanted {
      count += level.count
      sum += level.sum
      squares += level.squares
    }
    let mean = sum / Double(count)
    guard squares / Double(count) - mean * mean < 0.15 * mean * mean else { return 0 }
    let sounding = (channel.energy / Double(max(1, known))).squareRoot()
    return abs(mean) > 0.01 * sounding && abs(mean) > 1e-6 * Double(max(peak, 1)) ? Float(mean) : 0
  }

  /// The mean of all, unless some are much weaker than the loudest or they cancel each other.
  private var mixGains: [Float] {
    let energies = channels.map(\.energy)
    let loudest = energies.max() ?? 0
    let all = [Float](repeating: 1 / Float(channels.count), count: channels.count)
    guard channels.count > 1, loudest > 0 else { return all }
    let live = energies.map { $0 > loudest / 30 }
    let isKept = mixEnergy > loudest / 10
    if isKept && live.allSatisfy({ $0 }) { return all }
    let count = live.count { $0 }
    // With the silent ones left out, the mean has so many times the power; what cancels in one mean cancels in the other.
    let power = mixEnergy * pow(Double(channels.count) / Double(count), 2)
    if power > loudest / 10 { return live.map { $0 ? 1 / Float(count) : 0 } }
    let best = energies.firstIndex(of: loudest) ?? 0
    return channels.indices.map { $0 == best ? 1 : 0 }
  }

  /// Floats that hold integers are divided by their range.
  private static func scale(ofPeak peak: Float) -> Float {
    guard peak > 8 else { return 1 }
    for bits in [15, 23, 31] where peak <= Float(1 << bits) * 1.01 { return 1 / Float(1 << bits) }
    return 1
  }

  private func remarks(_ offsets: [Float], _ gains: [Float], _ scale: Float) -> [String] {
    var remarks: [String] = []
    if scale != 1 { remarks.append("samples up to \(peak) are taken for integers and divided by \(Int(1 / scale))") }
    let used = gains.indices.filter { gains[$0] != 0 }
    if used.count < gains.count {
      remarks.append(
        "of \(gains.count) channels, \(used.count == 1 ? "channel" : "channels") "
          + used.map { "\($0 + 1)" }.joined(separator: ", ") + " \(used.count == 1 ? "is" : "are") listened to")
    }
    if let largest = offsets.max(by: { abs($0) < abs($1) }), largest != 0 {
      remarks.append("an offset of \(largest * scale) of full scale is removed")
    }
    return remarks
  }
}

/// How channels become the one that is listened to.
package struct ListeningMix {
  package let offsets: [Float]
  package let gains: [Float]
  /// Removes hum; a stream's samples go through it in order.
  private var hum: HumFilter?
  /// What differs from the plain mean, in words.
  package let remarks: [String]

  /// What is done to the mean alone.
  package var isPlain: Bool { remarks.isEmpty }

  init(offsets: [Float], gains: [Float], hum: HumFilter?, remarks: [String]) {
    (self.offsets, self.gains, self.hum, self.remarks) = (offsets, gains, hum, remarks)
  }

  /// The next samples of a stream.
  package mutating func mixedDown(_ interleaved: ArraySlice<Float>) -> [Float] {
    let width = gains.count
    let mixed = stride(from: interleaved.startIndex, to: interleaved.endIndex, by: width).map { start in
      var sum: Float = 0
      for channel in 0..<width where gains[channel] != 0 {
        sum += (interleaved[start + channel] - offsets[channel]) * gains[channel]
      }
      return sum
    }
    return hum?.filter(mixed) ?? mixed
  }
}

/// Brings speech to the level at which a model knows it.
package struct SpeechLevel: Sendable {
  /// dB of full scale of the speech in a recording, pauses left out.
  package let wanted: Float
  /// dB beyond which the level is changed.
  package let tolerance: Float

  /// dB below the loudest frame that still are speech.
  private static let range: Float = 30

  package init(wanted: Float, tolerance: Float) {
    (self.wanted, self.tolerance) = (wanted, tolerance)
  }

  /// The factor for samples, and dB; 1 where the level is right, or there is nothing but silence.
  package func gain(for samples: [Float], sampleRateHz: Int) -> (factor: Float, decibels: Float) {
    let length = max(1, sampleRateHz / 50)
    let powers = stride(from: 0, to: samples.count, by: length).map { start in
      let frame = samples[start..<min(start + length, samples.count)]
      return frame.reduce(Float(0)) { $0 + $1 * $1 } / Float(frame.count)
    }
    guard let loudest = powers.max(), loudest > 1e-12 else { return (1, 0) }
    let least = loudest * pow(10, -Self.range / 10)
    let speech = powers.filter { $0 >= least }
    let level = 10 * log10(speech.reduce(0, +) / Float(speech.count))
    let change = wanted - level
    return abs(change) <= tolerance ? (1, 0) : (pow(10, change / 20), change)
  }

  package func applied(to samples: [Float], sampleRateHz: Int) -> [Float] {
    let factor = gain(for: samples, sampleRateHz: sampleRateHz).factor
    return factor == 1 ? samples : samples.map { $0 * factor }
  }
}

extension AudioFile {
  /// The same for one channel in memory: what it becomes, and what was done.
  package static func preparedForListening(_ samples: [Float], sampleRateHz: Int) -> ([Float], [String]) {
    var survey = SoundSurvey(channelCount: 1, sampleRateHz: sampleRateHz)
    survey.push(samples[...])
    var mix = survey.mix
    return mix.isPlain ? (samples, []) : (mix.mixedDown(samples[...]), mix.remarks)
  }
}
