extension TokenClasses {
  /// The classes of a checkpoint's tokens: text is what spells text, media tokens are those of the tokenizer's tables.
  ///
  /// - Parameters:
  ///   - vocabularySize: Rows of the output head; ids of tokens beyond them cannot be generated.
  ///   - stopIds: Ids that end a reply.
  package init(_ tokenizer: TextTokenizer, vocabularySize: Int, stopIds: [Int32]) throws(GenerationError) {
    let text = (0..<Int32(min(tokenizer.pieceCount, vocabularySize))).filter { tokenizer.kind(of: $0) == .text }
    try self.init(
      vocabularySize: vocabularySize, text: .covering(text), stopIds: stopIds,
      speech: tokenizer.media.speech.map {
        Speech(open: $0.start, close: $0.end, codebooks: tokenizer.media.speechCodebooks)
      },
      image: tokenizer.media.image.map {
        Image(open: $0.start, close: $0.end, codes: $0.codes, blockLength: MediaTokens.imageLength)
      })
  }
}
