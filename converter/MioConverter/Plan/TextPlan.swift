import MioFormat

/// The text component: the checkpoint's tokenizer as one blob.
enum TextPlan {
  static let component = "text"
  private static let model = "tokenizer.model"

  /// One more than the highest token id, so that the language model can be checked against it.
  struct Result {
    let plan: ComponentPlan
    let idCount: Int
  }

  /// Reads the tokenizer; nil if the checkpoint has none.
  static func plan(for checkpoint: CheckpointDirectory) throws(ConversionError) -> Result? {
    guard checkpoint.has(model) else { return nil }
    let tokenizer = try TokenizerImport(checkpoint)
    let summary = tokenizer.summary
    let config = ConfigTable([
      ("piece_count", .int(summary.pieceCount)), ("added_token_count", .int(summary.addedTokenCount)),
      ("id_count", .int(summary.idCount)), ("image_code_count", .int(summary.imageCodeCount)),
      ("speech_code_count", .int(summary.speechCodeCount)), ("adds_bos", .bool(summary.addsBeginning)),
      ("adds_eos", .bool(summary.addsEnd)), ("legacy", .bool(summary.isLegacy)),
      ("dummy_prefix", .bool(summary.addsDummyPrefix)),
    ])
    let plan = ComponentPlan(
      component, config: config, blobs: [PlannedBlob("tokenizer", tokenizer.blob)],
      files: tokenizer.files, notes: summary.notes)
    return Result(plan: plan, idCount: summary.idCount)
  }
}
