import MioFormat

/// The sizes and settings of a language model, as its component's configuration gives them.
package struct LanguageConfig: Hashable, Sendable {
  package let width: Int  // E
  package let innerWidth: Int  // F
  package let layerCount: Int
  package let headCount: Int  // H
  package let kvHeadCount: Int  // K
  package let headWidth: Int  // D
  package let normEpsilon: Float
  package let ropeTheta: Double
  /// V, the rows of the embedding; it may be larger than the number of tokens.
  package let vocabularySize: Int
  /// Positions that the model was trained for.
  package let contextLength: Int
  /// Whether the output head is the embedding.
  package let tiedEmbeddings: Bool

  /// Reads the configuration of the `language` component and refuses what no such network can have.
  package init(_ table: ConfigTable) throws(ModelFileError) {
    width = try table.positive("width")
    innerWidth = try table.positive("inner_width")
    layerCount = try table.positive("layer_count")
    headCount = try table.positive("head_count")
    kvHeadCount = try table.positive("kv_head_count")
    normEpsilon = Float(try table.float("norm_epsilon"))
    ropeTheta = try table.float("rope_theta")
    vocabularySize = try table.positive("vocabulary_size")
    contextLength = try table.positive("context_length")
    tiedEmbeddings = try table.bool("tied_embeddings")
    let isStored = try table.intIfPresent("head_width") != nil
    headWidth = isStored ? try table.positive("head_width") : width / headCount
    guard isStored ? headWidth % 2 == 0 : width % (2 * headCount) == 0 else {
      throw ModelFileError(
        .invalidConfig, "heads need an even width; convert the checkpoint again", component: LanguageModel.componentName,
        item: isStored ? "head_width" : "head_count", expected: isStored ? "an even number" : "a divisor of \(width / 2)",
        found: "\(isStored ? headWidth : headCount)")
    }
    guard headCount % kvHeadCount == 0 else {
      throw ModelFileError(
        .invalidConfig, "query heads must share key/value heads evenly; convert the checkpoint again",
        component: LanguageModel.componentName, item: "kv_head_count", expected: "a divisor of \(headCount)",
        found: "\(kvHeadCount)")
    }
    guard ropeTheta > 0, normEpsilon >= 0 else {
      throw ModelFileError(
        .invalidConfig, "rope_theta must be positive and norm_epsilon not negative; convert the checkpoint again",
        component: LanguageModel.componentName, item: "rope_theta")
    }
  }
}

extension ConfigTable {
  fileprivate func positive(_ key: String) throws(ModelFileError) -> Int {
    let value = try int(key)
    guard value > 0, value <= 1 << 31 else {
      throw ModelFileError(
        .invalidConfig, "the value is out of range; convert the checkpoint again",
        component: LanguageModel.componentName, item: key, expected: "1 to 2147483648", found: "\(value)")
    }
    return value
  }
}
