import MioFormat

/// Sizes of the SEED-2 image tokenizer, from the configuration of the component `image-tokenizer`.
package struct ImageTokenizerConfig: Hashable, Sendable {
  /// S: pixels of a side of the image as the network sees it.
  package let imageSize: Int
  /// Pixels of a side of a patch.
  package let patchSize: Int
  /// Ev: width of the vision transformer.
  package let visionWidth: Int
  let visionInnerWidth: Int
  let visionHeadCount: Int
  package let visionLayerCount: Int
  /// Eq: width of the Q-Former.
  package let queryWidth: Int
  let queryInnerWidth: Int
  let queryHeadCount: Int
  let queryLayerCount: Int
  /// Codes of an image.
  package let queryCount: Int
  /// Whether query i sees queries 0...i only.
  let isCausal: Bool
  /// Codewords, and numbers of each.
  package let codebookSize: Int
  package let codeWidth: Int
  let embedderLayerCount: Int
  let embedderInnerWidth: Int
  /// Widths behind the three products that narrow a query.
  let embedderWidths: [Int]
  /// Numbers of the image's embedding.
  package let embeddingWidth: Int

  /// Patches and the class token.
  package var tokenCount: Int { (imageSize / patchSize) * (imageSize / patchSize) + 1 }
  /// Numbers of a patch: channels, rows, columns.
  var patchLength: Int { 3 * patchSize * patchSize }

  package init(_ table: ConfigTable) throws(ModelFileError) {
    func size(_ key: String, _ range: ClosedRange<Int> = 1...1 << 16) throws(ModelFileError) -> Int {
      let value = try table.int(key)
      if range.contains(value) { return value }
      throw Self.invalid(key, expected: "\(range.lowerBound) to \(range.upperBound)", found: "\(value)")
    }
    imageSize = try size("image_size", 1...4096)
    patchSize = try size("patch_size", 1...256)
    visionWidth = try size("vision_width")
    visionInnerWidth = try size("vision_inner_width", 1...1 << 18)
    visionHeadCount = try size("vision_head_count", 1...1024)
    visionLayerCount = try size("vision_layer_count", 1...1024)
    queryWidth = try size("query_width")
    queryInnerWidth = try size("query_inner_width", 1...1 << 18)
    queryHeadCount = try size("query_head_count", 1...1024)
    queryLayerCount = try size("query_layer_count", 1...1024)
    queryCount = try size("query_count", 1...4096)
    isCausal = try table.bool("causal")
    codebookSize = try size("codebook_size", 1...1 << 20)
    codeWidth = try size("code_width", 1...4096)
    embedderLayerCount = try size("embedder_layer_count", 1...1024)
    embedderInnerWidth = try size("embedder_inner_width", 1...1 << 18)
    embedderWidths = try table.ints("embedder_widths")
    embeddingWidth = try size("embedding_width")
    guard embedderWidths.count == 3, embedderWidths.allSatisfy((1...1 << 16).contains) else {
      throw Self.invalid("embedder_widths", expected: "three widths of 1 to 65536", found: "\(embedderWidths)")
    }
    try Self.check("vision_head_count", visionHeadCount, divides: visionWidth)
    try Self.check("query_head_count", queryHeadCount, divides: queryWidth)
    try Self.check("patch_size", patchSize, divides: imageSize)
    // Bounds what one image needs: scores are never kept, so memory grows with the tokens alone.
    guard tokenCount <= 1 << 14 else {
      throw Self.invalid("image_size", expected: "at most 16383 patches", found: "\(tokenCount - 1)")
    }
  }

  private static func check(_ key: String, _ part: Int, divides whole: Int) throws(ModelFileError) {
    if whole % part == 0 { return }
    throw invalid(key, expected: "a divisor of \(whole)", found: "\(part)")
  }

  private static func invalid(_ key: String, expected: String, found: String) -> ModelFileError {
    ModelFileError(
      .invalidConfig, "the configuration of the image tokenizer cannot be used; convert the checkpoint again",
      component: ImageTokenizer.component, item: key, expected: expected, found: found)
  }
}
