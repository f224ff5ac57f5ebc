import MioKernels

/// Scores the next token of many sequences at once: what ``Generator`` needs from a language model.
///
/// A sequence is a row of tokens that the decoder keeps in its cache. The logits of a sequence depend on that sequence
/// alone, never on what else is in the batch or on the number of threads; generated text inherits that promise.
package protocol SequenceDecoder: AnyObject {
  /// V, the rows of the output head.
  var vocabularySize: Int { get }
  /// Most tokens that one sequence can hold.
  var contextLength: Int { get }

  /// Starts an empty sequence and returns its handle.
  func makeSequence() throws -> Int

  /// Starts a sequence with the tokens of `sequence`, whose cache it shares (pages are copied when one of them writes).
  func fork(_ sequence: Int) throws -> Int

  /// Forgets the tokens of `sequence` from `length` on.
  func truncate(_ sequence: Int, to length: Int)

  /// Gives a sequence's cache back. The handle may be reused by a later sequence.
  func release(_ sequence: Int)

  /// Tokens evaluated so far.
  func length(of sequence: Int) -> Int

  /// Tokens of a page, in which the cache gives memory out.
  var pageLength: Int { get }

  /// Pages that all sequences together may hold, shared ones counted once.
  var pageLimit: Int { get }

  /// Pages that must be given back before ``evaluate(_:into:)`` can take the inputs.
  func missingPages(for inputs: [DecoderInput]) -> Int

  /// Appends every input's tokens to its sequence in one pass and writes the logits of each input's last token.
  ///
  /// - Parameter inputs: at most one input per sequence, each with at least one token.
  /// - Parameter logits: `[inputs.count, V]`; row i belongs to input i. Rows of inputs without `wantsLogits` are left
  ///   alone; ids outside `allowed` become -infinity.
  func evaluate(_ inputs: [DecoderInput], into logits: inout Activations) throws
}

/// Tokens to append to one sequence, and which of the next token's scores are wanted.
package struct DecoderInput: Sendable {
  package var sequence: Int
  package var tokens: [Int32]
  /// Ascending, disjoint ranges of ids to score; `nil` scores all.
  package var allowed: [Range<Int>]?
  package var wantsLogits: Bool

  package init(sequence: Int, tokens: [Int32], allowed: [Range<Int>]? = nil, wantsLogits: Bool = true) {
    self.sequence = sequence
    self.tokens = tokens
    self.allowed = allowed
    self.wantsLogits = wantsLogits
  }
}
