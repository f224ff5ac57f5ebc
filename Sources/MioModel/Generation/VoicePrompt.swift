/// A stretch of speech in a known voice that a speech block continues: how pieces of a long text keep one voice.
///
/// The model reads the text of the prompt followed by the text to speak, and its speech block must begin with these
/// frames: content first, then, level by level, the same frames of timbre. What follows is the model's continuation
/// of its own (or a recorded) voice. The forced tokens are evaluated as part of the prompt where possible, and the
/// finished block says how many of its frames belong to the prompt.
package struct VoicePrompt: Hashable, Sendable {
  /// `levels[q][t]`: code of frame t on level q; every level has the same number of frames.
  package let levels: [[Int]]

  /// - Parameter levels: `[Q, T]`, at least one frame.
  package init(levels: [[Int]]) {
    precondition(
      !levels.isEmpty && !levels[0].isEmpty && levels.allSatisfy { $0.count == levels[0].count },
      "a voice prompt needs the same number of frames, at least one, on every level")
    self.levels = levels
  }

  package var frameCount: Int { levels[0].count }

  /// The voice of a generated block: its own frames, without those of the voice prompt that it continued.
  package init?(_ block: SpeechBlock) {
    let own = block.ownLevels
    guard let first = own.first, !first.isEmpty else { return nil }
    self.init(levels: own)
  }
}
