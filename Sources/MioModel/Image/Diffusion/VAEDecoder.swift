import MioFormat
import MioKernels

/// The decoder half of the autoencoder: latents to an image of 2^(blocks - 1) times the size.
///
/// Rombach et al. 2022, arXiv:2112.10752; `AutoencoderKL.decode` of huggingface/diffusers. All norms have an epsilon of
/// 1e-6. Doubling the size is part of the convolution behind it, so that the doubled map never exists.
struct VAEDecoder: Sendable {
  let config: DiffusionConfig
  let unpack: LinearLayer  // [C, C], a convolution of one tap
  let input: Convolution2d
  let first: ResnetBlock
  let attention: VAEAttention
  let second: ResnetBlock
  let blocks: [Block]
  let norm: GroupNormalization
  let output: Convolution2d

  /// Whether the widest part runs in little memory, which takes matrices of 16-bit floats throughout.
  let isCompact: Bool

  struct Block: Sendable {
    let layers: [ResnetBlock]
    let double: Convolution2d?

    var isFixedPoint: Bool {
      layers.allSatisfy {
        $0.conv1.weight.isFixedPoint && $0.conv2.weight.isFixedPoint && $0.shortcut?.weight.isFixedPoint ?? true
      } && double?.weight.isFixedPoint ?? true
    }
  }

  static let epsilon: Float = 1e-6

  init(_ config: DiffusionConfig, from weights: WeightScope) throws(ModelFileError) {
    func residual(from input: Int, to output: Int) -> ResnetBlock.Config {
      ResnetBlock.Config(
        inputChannels: input, outputChannels: output, groupCount: config.decoderGroupCount, epsilon: Self.epsilon,
        conditionWidth: nil)
    }
    self.config = config
    unpack = try weights.linear("post_quant_conv", [config.latentChannels, config.latentChannels])
    let decoder = weights["decoder"]
    var width = config.decoderChannels[config.decoderChannels.count - 1]
    input = try decoder.convolution("conv_in", from: config.latentChannels, to: width)
    let middle = decoder["mid_block"]
    first = try ResnetBlock(residual(from: width, to: width), from: middle["resnets"][0])
    attention = try VAEAttention(config, width, from: middle["attentions"][0])
    second = try ResnetBlock(residual(from: width, to: width), from: middle["resnets"][1])
    var blocks: [Block] = []
    for (index, channels) in config.decoderChannels.reversed().enumerated() {
      let block = decoder["up_blocks"][index]
      var layers: [ResnetBlock] = []
      for layer in 0..<config.decoderLayerCount {
        layers.append(try ResnetBlock(residual(from: width, to: channels), from: block["resnets"][layer]))
        width = channels
      }
      let isLast = index == config.decoderChannels.count - 1
      blocks.append(
        Block(
          layers: layers,
          double: isLast ? nil : try block.convolution("upsamplers.0.conv", from: width, to: width, doubles: true)))
    }
    self.blocks = blocks
    norm = try decoder.groupNorm("conv_norm_out", width, groups: config.decoderGroupCount, epsilon: Self.epsilon)
    output = try decoder.convolution("conv_out", from: width, to: 3)
    isCompact = output.weight.isFixedPoint && blocks.allSatisfy(\.isFixedPoint)
  }

  /// - Parameter latents: one image, as the sampler leaves it.
  /// - Returns: one image of three channels, nominally in -1...1.
  func forward(_ latents: FeatureMap, on context: KernelContext) throws(DiffusionError) -> FeatureMap {
    let none = Activations(rows: 0, columns: 0)
    latents.rows.scale(by: 1 / config.latentScale)
    let z = latents.like(channels: latents.channels)
    unpack.forward(latents.rows, into: &z.rows, on: context)
    var h = input(z, on: context)
    h = first.forward(h, condition: none, on: context)
    h = attention.forward(h, on: context)
    h = second.forward(h, condition: none, on: context)
    if isCompact { return try forwardCompact(h, on: context) }
    for block in blocks {
      for layer in block.layers {
        h = layer.forward(h, condition: none, on: context)
        try Self.check(context)
      }
      if let double = block.double { h = double(h, on: context) }
    }
    let result = output(h, scaling: norm.activation(of: h, on: context), on: context)
    try Self.check(context)
    return result
  }

  /// Throws if the layer before was left undone.
  static func check(_ context: KernelContext) throws(DiffusionError) {
    if context.isCancelled() { throw DiffusionError(.cancelled, "stopped while the image was decoded") }
  }
}

/// Attention over all pixels with a single head: `y = x + out(attention(norm x))`.
struct VAEAttention: Sendable {
  let norm: GroupNormalization
  let queries: LinearLayer  // [C, C]
  let keys: LinearLayer  // [C, C]
  let values: LinearLayer  // [C, C]
  let output: LinearLayer  // [C, C]

  init(_ config: DiffusionConfig, _ channels: Int, from weights: WeightScope) throws(ModelFileError) {
    norm = try weights.groupNorm(
      "group_norm", channels, groups: config.decoderGroupCount, epsilon: VAEDecoder.epsilon)
    queries = try weights.linear("to_q", [channels, channels])
    keys = try weights.linear("to_k", [channels, channels])
    values = try weights.linear("to_v", [channels, channels])
    output = try weights.linear("to_out.0", [channels, channels])
  }

  func forward(_ x: FeatureMap, on context: KernelContext) -> FeatureMap {
    let h = norm(x, activates: false, on: context)
    var q = queries(h.rows, on: context)
    let k = keys(h.rows, on: context)
    let v = values(h.rows, on: context)
    DenseAttention(headCount: 1, headWidth: x.channels, isFixedPoint: queries.weight.isFixedPoint)
      .forward(queries: q, keys: k, values: v, batch: x.images, into: &h.rows, on: context)
    output.forward(h.rows, into: &q, on: context)
    h.rows.copyRows(from: q)
    h.rows.add(x.rows, on: context)
    return h
  }
}
