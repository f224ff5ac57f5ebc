/// What was found in a checkpoint's tokenizer: the numbers that differ between checkpoints, for configuration and for
/// people.
package struct TokenizerSummary: Hashable, Sendable {
  package let pieceCount: Int
  package let addedTokenCount: Int
  /// One more than the highest id that has a token.
  package let idCount: Int
  package let beginningID: Int?
  package let endID: Int?
  package let unknownID: Int?
  package let paddingID: Int?
  package let turnStartID: Int?
  package let turnEndID: Int?
  package let imageCodeCount: Int
  package let speechCodeCount: Int
  package let addsBeginning: Bool
  package let addsEnd: Bool
  package let addsDummyPrefix: Bool
  package let isLegacy: Bool
  /// Things worth telling that stop nothing.
  package let notes: [String]

  init(
    _ model: SentencePieceModel, _ configuration: TokenizerConfiguration, _ added: AddedTokenTable, _ media: MediaTokens
  ) {
    pieceCount = model.pieces.count
    addedTokenCount = added.tokens.count
    idCount = max(model.pieces.count, (added.tokens.keys.max() ?? -1) + 1)
    beginningID = added.roles[.beginning]
    endID = added.roles[.end]
    unknownID = added.roles[.unknown]
    paddingID = added.roles[.padding]
    turnStartID = media.turnStart
    turnEndID = media.turnEnd
    imageCodeCount = media.image?.codes.count ?? 0
    speechCodeCount = media.speech?.codes.count ?? 0
    addsBeginning = configuration.addsBeginning
    addsEnd = configuration.addsEnd
    addsDummyPrefix = model.addsDummyPrefix && configuration.isLegacy
    isLegacy = configuration.isLegacy
    notes = Self.notes(configuration, media)
  }

  private static func notes(_ configuration: TokenizerConfiguration, _ media: MediaTokens) -> [String] {
    var notes: [String] = []
    if let name = configuration.tokenizerClass, !["LlamaTokenizer", "LlamaTokenizerFast"].contains(name) {
      notes.append("tokenizer_class \(name) is treated as LlamaTokenizer")
    }
    if media.image == nil { notes.append("there are no image tokens: images cannot be read or drawn") }
    if media.speech == nil { notes.append("there are no speech tokens: speech cannot be heard or spoken") }
    if media.turnStart == nil || media.turnEnd == nil {
      notes.append("<|im_start|> or <|im_end|> is not a token: this is not an instruction-tuned checkpoint")
    }
    return notes
  }
}
