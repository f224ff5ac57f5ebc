/// A stretch of speech in a known voice that a speech block continues: how segments of a long text keep one voice.
///
/// The model reads the text of the prompt followed by the text to speak, and its speech block must begin with these
/// frames: content first, then, codebook by codebook, the same frames of timbre. What follows is the model's continuation
/// of its own (or a recorded) voice. The forced tokens are evaluated as part of the prompt where possible, and the
/// finished block says how many of its frames belong to the prompt.
package struct VoicePrompt: Hashable, Sendable {
  /// `codebooks[q][t]`: code of frame t on codebook q; every codebook has the same number of frames.
  package let codebooks: [[Int]]

  /// - Parameter codebooks: `[Q, T]`, at least one frame.
  package init(codebooks: [[Int]]) {
    precondition(
      !codebooks.isEmpty && !codebooks[0].isEmpty && codebooks.allSatisfy { $0.count == codebooks[0].count },
      "a voice prompt needs the same number of frames, at least one, on every codebook")
    self.codebooks = codebooks
  }

  package var frameCount: Int { codebooks[0].count }

  /// The voice of a generated block: its own frames, without those of the voice prompt that it continued.
  package init?(_ block: SpeechBlock) {
    let own = block.ownCodebooks
    guard let first = own.first, !first.isEmpty else { return nil }
    self.init(codebooks: own)
  }
}
