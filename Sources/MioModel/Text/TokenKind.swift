/// What a token is, to the text as to the grammar.
package enum TokenKind: Hashable, Sendable {
  /// An id without a token, as rows that pad the embedding. To the grammar also whatever it never allows.
  case none
  /// Spells text.
  case text
  /// Steers the model: bos, eos, `<|im_end|>` and the like.
  case control
  /// Ends a reply; to the grammar only, as it depends on the request.
  case stop
  case openSpeech
  case closeSpeech
  /// `<spchN>`, N = codebook × codes per codebook + code.
  case speech(codebook: Int, code: Int)
  case openImage
  case closeImage
  /// `<imgN>`.
  case image(code: Int)
}
