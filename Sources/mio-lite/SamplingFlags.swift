import ArgumentParser
import MioLite

/// The sampling options, wherever tokens are generated.
struct SamplingFlags: ParsableArguments {
  @Option(
    name: [.customLong("temperature"), .customLong("temp")], parsing: .unconditional,
    help: "Divides the scores before drawing; 0 is greedy.")
  var temperature: Double?

  @Option(parsing: .unconditional, help: "Draw from the smallest set of tokens that reaches this probability.")
  var topP: Double?

  @Option(parsing: .unconditional, help: "Draw from the K most probable tokens; 0 is off.")
  var topK: Int?

  @Option(
    name: [.customLong("repetition-penalty"), .customLong("repeat-penalty")], parsing: .unconditional,
    help: "Weakens tokens that occurred before; 1 is off.")
  var repetitionPenalty: Double?

  @Option(parsing: .unconditional, help: "Beam search with this many beams.")
  var beams: Int?

  @Option(parsing: .unconditional, help: "Exponent of the length that divides a beam's score.")
  var lengthPenalty: Double?

  @Option(parsing: .unconditional, help: "Most tokens to generate.")
  var maxTokens: Int?

  @Flag(help: "Take the most probable token at every step.")
  var greedy = false

  @Option(parsing: .unconditional, help: "Seed of the random draws (default: random, printed).")
  var seed: UInt64?

  /// The wishes, with a seed where none was given; it is printed if anything will be drawn.
  ///
  /// - Parameter draws: whether the task draws tokens unless told otherwise.
  func sampling(draws: Bool, quiet: Bool) -> Sampling {
    let chosen = seed ?? .random(in: 0...0xFFFF_FFFF)
    let willDraw = !greedy && (draws && (beams ?? 1) == 1 || temperature != nil || topP != nil || topK != nil)
    if seed == nil && willDraw && !quiet { Output.note("seed \(chosen)") }
    return Sampling(
      temperature: temperature, topK: topK, topP: topP, repetitionPenalty: repetitionPenalty, beams: beams,
      lengthPenalty: lengthPenalty, maxTokens: maxTokens, greedy: greedy, seed: chosen)
  }
}
