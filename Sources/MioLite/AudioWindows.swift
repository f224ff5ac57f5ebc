import MioMedia

/// Cuts a stream of sound into windows of speech: pauses, silence and noise are left out, and what is longer than the model
/// hears at once is cut at its quietest moment.
struct AudioWindows {
  struct Window {
    let index: Int
    /// Position of the first sample.
    let start: Int
    let samples: [Float]
  }

  /// Seconds of the longest window, unless the file says otherwise: what MIO was trained on.
  static let longest = 15.0

  /// Frames without speech that end a window; frames kept before and after speech; silence at an end of the recording that
  /// is kept as it is.
  private static let (pause, before, after, edge) = (30, 5, 10, 15)
  private let rate: Int
  private let hop: Int
  /// Samples of the longest window, and those at its end in which the cut is looked for: at most 5 seconds, and all but the
  /// first, so that a short window, too, has a pause between words.
  private let (limit, searched): (Int, Int)
  private var activity: VoiceActivity
  /// Samples from `origin` on.
  private var pending: [Float] = []
  private var origin = 0
  private var frame = 0
  private var index = 0
  private var speech: Speech?
  /// Where the last window ended.
  private var lastEnd = 0

  /// Speech that has not ended yet.
  private struct Speech {
    /// First sample of its window.
    var start: Int
    /// The frame after its last one so far.
    var end: Int
    var frames: [VoiceActivity.Verdict] = []

    var isSpeech: Bool { SpeechDetector.isSpeech(frames) }
  }

  init(sampleRateHz: Int, longest: Double) {
    rate = sampleRateHz
    limit = Int(longest * Double(sampleRateHz))
    searched = Int(min(5, longest - 1) * Double(sampleRateHz))
    activity = VoiceActivity(sampleRateHz: sampleRateHz)
    hop = activity.samplesPerFrame
  }

  /// Seconds of what came so far.
  var seconds: Double { Double(origin + pending.count) / Double(rate) }

  mutating func push(_ samples: [Float]) -> [Window] {
    pending += samples
    return advance(activity.push(samples))
  }

  mutating func finish() -> [Window] {
    var windows = advance(activity.finish())
    if let window = close(atEnd: true) { windows.append(window) }
    return windows
  }

  private mutating func advance(_ verdicts: [VoiceActivity.Verdict]) -> [Window] {
    var windows: [Window] = []
    for verdict in verdicts {
      if verdict.isSpeech {
        if speech == nil { speech = Speech(start: beginning(ofSpeechAt: frame), end: frame) }
        speech?.end = frame + 1
      } else if let speech, frame - speech.end >= Self.pause, let window = close(atEnd: false) {
        windows.append(window)
      }
      speech?.frames.append(verdict)
      frame += 1
      if let speech, speech.end * hop - speech.start > limit, let window = cut() { windows.append(window) }
    }
    forget()
    return windows
  }

  private func beginning(ofSpeechAt frame: Int) -> Int {
    frame <= Self.edge ? 0 : max(lastEnd, (frame - Self.before) * hop)
  }

  /// Ends the window in a pause, or with the recording.
  private mutating func close(atEnd: Bool) -> Window? {
    guard let speech else { return nil }
    self.speech = nil
    let total = origin + pending.count
    var end = min((speech.end + Self.after) * hop, speech.start + limit, total)
    if atEnd, total - speech.end * hop <= Self.edge * hop { end = min(total, speech.start + limit) }
    lastEnd = end
    return speech.isSpeech ? window(from: speech.start, to: end) : nil
  }

  /// Ends the window within speech, at the quietest moment.
  private mutating func cut() -> Window? {
    guard let speech else { return nil }
    let cut = speech.start + quietestCut(from: speech.start - origin)
    let used = max(0, min(speech.frames.count, cut / hop - (frame - speech.frames.count)))
    self.speech = Speech(start: cut, end: speech.end, frames: Array(speech.frames[used...]))
    lastEnd = cut
    let part = Speech(start: speech.start, end: cut / hop, frames: Array(speech.frames[..<used]))
    return part.isSpeech ? window(from: speech.start, to: cut) : nil
  }

  private mutating func window(from start: Int, to end: Int) -> Window {
    defer { index += 1 }
    return Window(index: index, start: start, samples: Array(pending[(start - origin)..<(end - origin)]))
  }

  /// Forgets what no window can begin with.
  private mutating func forget() {
    let needed = speech?.start ?? max(lastEnd, frame <= Self.edge ? 0 : (frame - Self.before) * hop)
    let count = min(needed - origin, pending.count)
    guard count > 0 else { return }
    pending.removeFirst(count)
    origin += count
  }

  /// The middle of the quietest 50 ms, in steps of 10 ms; the latest among equals.
  private func quietestCut(from start: Int) -> Int {
    let step = max(1, rate / 100)
    let (first, last) = (limit - searched, limit)
    let energies = stride(from: first, to: last, by: step).map { position in
      pending[(start + position)..<(start + min(position + step, last))].reduce(Float(0)) { $0 + $1 * $1 }
    }
    guard energies.count > 5 else { return last }
    var best = (energy: Float.infinity, cut: last)
    for index in 2..<(energies.count - 2) {
      let energy = energies[(index - 2)...(index + 2)].reduce(0, +)
      if energy <= best.energy { best = (energy, first + index * step + step / 2) }
    }
    return best.cut
  }
}
