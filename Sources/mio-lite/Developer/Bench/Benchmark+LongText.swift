import MioKernels
import MioModel

// A long text, spoken.
extension Benchmark {
  private static let promptTokens = 96
  private static let spokenTokens = 64
  /// As many segments as `tts` speaks at once.
  private static let segmentsAtOnce = 8

  /// Seconds of sound per second of a text of so many sentences: the first alone, the others together, as `tts` does it.
  ///
  /// Only the language model runs, and every piece has the same length, so that random weights will do. There is no warm-up.
  func speak(_ segments: Int, _ context: KernelContext, _ limits: MachineLimits) throws -> BenchReport.Result {
    let model = try requiredLanguage()
    let allowed = try speechIds()
    let length = min(Self.promptTokens + Self.spokenTokens, model.config.contextLength)
    let session = LanguageSession(
      model, cache: command.cache.format, capacity: Self.segmentsAtOnce * (length + KeyValueFormat.pageLength),
      context: context)
    let start = ContinuousClock.now
    try speak(1, on: session, allowed)
    var left = segments - 1
    while left > 0 {
      try speak(min(left, Self.segmentsAtOnce), on: session, allowed)
      left -= Self.segmentsAtOnce
    }
    let seconds = (ContinuousClock.now - start).seconds
    let spoken = Double(segments * Self.spokenTokens)
    // MIO's speech has 50 frames a second with a token of each of four codebooks.
    let bytes = Double(weightBytesPerToken(headShare: headShare(of: allowed)))
    return result(
      "long-text", context, batch: segments, depth: 0, [spoken / 200 / seconds],
      limit: limits.readGigabytesPerSecond * 1e9 / bytes / 200, named: "reading for one at a time")
  }

  /// Reads prompts and speaks after them, all at the same time.
  private func speak(_ count: Int, on session: LanguageSession, _ allowed: [Range<Int>]) throws {
    let sequences = (0..<count).map { _ in session.makeSequence() }
    defer { sequences.forEach(session.release) }
    var logits = Activations(rows: count, columns: session.vocabularySize)
    let prompts = sequences.map { DecoderInput(sequence: $0, tokens: tokens(Self.promptTokens), allowed: allowed) }
    try session.evaluate(prompts, into: &logits)
    for step in 1..<Self.spokenTokens {
      try checkCancellation()
      let inputs = sequences.map { DecoderInput(sequence: $0, tokens: [Int32(5 + step)], allowed: allowed) }
      try session.evaluate(inputs, into: &logits)
    }
  }
}
