import MioFormat

/// Sizes of a diffusion model, from the configuration of the component `diffusion`.
package struct DiffusionConfig: Hashable, Sendable {
  // MARK: - U-Net

  /// C of every block on the way down.
  package let channels: [Int]
  /// Attention heads of the same blocks.
  package let headCounts: [Int]
  /// Whether the blocks on the way down, and those on the way up, attend.
  let downAttention: [Bool]
  let upAttention: [Bool]
  /// Residual blocks of a block on the way down; one more on the way up.
  package let layerCount: Int
  let groupCount: Int
  let normEpsilon: Float
  package let latentChannels: Int
  /// Rows and columns of the latents that the model was trained with.
  package let latentSize: Int
  /// D: width of the embedding of an image.
  package let embeddingWidth: Int
  /// Rows of the text's keys and values.
  package let textLength: Int

  // MARK: - Image decoder

  /// C of every block, the last one first: the decoder runs through them backwards.
  let decoderChannels: [Int]
  let decoderLayerCount: Int
  let decoderGroupCount: Int
  /// Latents are divided by this in front of the decoder.
  let latentScale: Float

  // MARK: - Schedule

  package let trainingStepCount: Int
  let betaStart: Double
  let betaEnd: Double
  let stepOffset: Int

  /// Width of the time and class embeddings.
  var conditionWidth: Int { 4 * channels[0] }
  /// The sides of latents are multiples of this: they are halved between blocks.
  package var sideFactor: Int { 1 << (channels.count - 1) }
  /// Pixels of the image for each row or column of the latents.
  package var pixelFactor: Int { 1 << (decoderChannels.count - 1) }

  package init(_ table: ConfigTable) throws(ModelFileError) {
    func size(_ key: String, _ range: ClosedRange<Int>) throws(ModelFileError) -> Int {
      let value = try table.int(key)
      if range.contains(value) { return value }
      throw Self.invalid(key, expected: "\(range.lowerBound) to \(range.upperBound)", found: "\(value)")
    }
    func sizes(_ key: String, count: Int? = nil, _ range: ClosedRange<Int>) throws(ModelFileError) -> [Int] {
      let values = try table.ints(key)
      let counts = count.map { $0...$0 } ?? 1...8
      if counts.contains(values.count), values.allSatisfy(range.contains) { return values }
      throw Self.invalid(
        key,
        expected: "\(counts.lowerBound) to \(counts.upperBound) numbers of \(range.lowerBound) to \(range.upperBound)",
        found: "\(values)")
    }
    channels = try sizes("channels", 1...1 << 16)
    let blocks = channels.count
    headCounts = try sizes("head_counts", count: blocks, 1...1 << 12)
    downAttention = try sizes("down_attention", count: blocks, 0...1).map { $0 == 1 }
    upAttention = try sizes("up_attention", count: blocks, 0...1).map { $0 == 1 }
    layerCount = try size("layer_count", 1...16)
    groupCount = try size("group_count", 1...1 << 12)
    normEpsilon = Float(try table.float("norm_epsilon"))
    latentChannels = try size("latent_channels", 1...256)
    latentSize = try size("latent_size", 1...4096)
    embeddingWidth = try size("embedding_width", 2...1 << 16)
    textLength = try size("text_length", 1...1 << 12)
    decoderChannels = try sizes("decoder_channels", 1...1 << 16)
    decoderLayerCount = try size("decoder_layer_count", 1...17)
    decoderGroupCount = try size("decoder_group_count", 1...1 << 12)
    latentScale = Float(try table.float("latent_scale"))
    trainingStepCount = try size("training_step_count", 1...1 << 16)
    betaStart = try table.float("beta_start")
    betaEnd = try table.float("beta_end")
    stepOffset = try size("step_offset", 0...trainingStepCount - 1)
    try check()
  }

  private func check() throws(ModelFileError) {
    for (width, heads) in zip(channels, headCounts)
    where width % heads != 0 || width % groupCount != 0 || width % 2 != 0 {
      throw Self.invalid(
        "channels", expected: "even multiples of \(heads) heads and \(groupCount) groups", found: "\(width)")
    }
    for width in decoderChannels where width % decoderGroupCount != 0 {
      throw Self.invalid("decoder_channels", expected: "multiples of \(decoderGroupCount) groups", found: "\(width)")
    }
    if latentSize % sideFactor != 0 {
      throw Self.invalid("latent_size", expected: "a multiple of \(sideFactor)", found: "\(latentSize)")
    }
    for (key, value) in [("norm_epsilon", normEpsilon), ("latent_scale", latentScale)]
    where !(value > 0 && value.isFinite) {
      throw Self.invalid(key, expected: "a positive number", found: "\(value)")
    }
    if !(betaStart > 0 && betaStart <= betaEnd && betaEnd < 1) {
      throw Self.invalid("beta_end", expected: "0 < beta_start <= beta_end < 1", found: "\(betaStart), \(betaEnd)")
    }
  }

  private static func invalid(_ key: String, expected: String, found: String) -> ModelFileError {
    ModelFileError(
      .invalidConfig, "a diffusion model of this size is not supported; convert the checkpoint again",
      component: DiffusionModel.component, item: key, expected: expected, found: found)
  }
}
