extension TokenClasses {
  /// The classes of a checkpoint's tokens.
  ///
  /// - Parameter vocabularySize: rows of the output head.
  /// - Parameter frameMultiple: what the model file says about the length of speech blocks; 1 if nothing.
  package init(
    _ tokenizer: TextTokenizer, vocabularySize: Int, stopIds: [Int32], frameMultiple: Int = 1
  ) throws(GenerationError) {
    let media = tokenizer.media
    var speech: Speech?
    if let block = media.speech, media.speechLevelCount > 0 {
      let length = MediaTokens.speechCodesPerLevel
      let levels = (0..<media.speechLevelCount).map { Array(block.codes[($0 * length)..<($0 * length + length)]) }
      speech = Speech(open: block.start, close: block.end, levels: levels, frameMultiple: frameMultiple)
    }
    let image = media.image.map {
      Image(open: $0.start, close: $0.end, codes: $0.codes, blockLength: MediaTokens.imageLength)
    }
    try self.init(
      vocabularySize: vocabularySize, text: tokenizer.textRanges, stopIds: stopIds, speech: speech, image: image)
  }
}
