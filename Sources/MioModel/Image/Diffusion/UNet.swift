import MioFormat
import MioKernels

/// The network that predicts how to clean a noisy image: `v(x, t, image)` for latents x at step t.
///
/// Rombach et al. 2022, arXiv:2112.10752; Ronneberger et al. 2015, arXiv:1505.04597. `UNet2DConditionModel` of
/// huggingface/diffusers, see MODEL.md. Blocks on the way down leave their results for those on the way up.
struct UNet: Sendable {
  let config: DiffusionConfig
  let conditions: UNetConditions
  let input: Convolution2d
  let down: [UNetDownBlock]
  let middle: UNetMiddle
  let up: [UNetUpBlock]
  let norm: GroupNormalization
  let output: Convolution2d

  init(_ config: DiffusionConfig, from weights: WeightScope) throws(ModelFileError) {
    self.config = config
    conditions = try UNetConditions(config, from: weights)
    input = try weights.convolution("conv_in", from: config.latentChannels, to: config.channels[0])
    var skips = [config.channels[0]]
    var width = config.channels[0]
    var (down, up): ([UNetDownBlock], [UNetUpBlock]) = ([], [])
    for block in config.channels.indices {
      down.append(try UNetDownBlock(config, block, inputChannels: width, from: weights["down_blocks"][block]))
      width = config.channels[block]
      let isLast = block == config.channels.count - 1
      skips += Array(repeating: width, count: config.layerCount + (isLast ? 0 : 1))
    }
    middle = try UNetMiddle(config, from: weights["mid_block"])
    for block in config.channels.indices {
      // The blocks on the way up have one layer more, which reads what the halving left.
      let own = Array(skips.suffix(config.layerCount + 1).reversed())
      skips.removeLast(own.count)
      up.append(try UNetUpBlock(config, block, inputChannels: width, skips: own, from: weights["up_blocks"][block]))
      width = config.channels[config.channels.count - 1 - block]
    }
    (self.down, self.up) = (down, up)
    norm = try weights.groupNorm("conv_norm_out", width, groups: config.groupCount, epsilon: config.normEpsilon)
    output = try weights.convolution("conv_out", from: width, to: config.latentChannels)
  }

  /// - Parameters:
  ///   - latents: [N, C, h, w], the same image for every n where guidance is used.
  ///   - timestep: 0..<training steps.
  ///   - classes: [N, E] from ``UNetConditions/classes(_:on:)``.
  /// - Returns: the prediction, a map like the latents.
  func forward(
    _ latents: FeatureMap, timestep: Int, classes: borrowing Activations, trace: DiffusionTrace? = nil,
    on context: KernelContext
  ) -> FeatureMap {
    var inner = Inner.evaluated
    return forward(latents, timestep: timestep, classes: classes, inner: &inner, trace: trace, on: context)
  }

  /// What comes of all blocks but the first and the last, which look at the image at full size.
  enum Inner {
    /// Evaluate it, and forget it.
    case evaluated
    /// Evaluate it if there is none, and keep it.
    case kept(FeatureMap?)
  }

  /// The same, with the inner blocks' result of an earlier step where there is one: it changes little from step to step
  /// (Ma et al. 2023, arXiv:2312.00858).
  func forward(
    _ latents: FeatureMap, timestep: Int, classes: borrowing Activations, inner: inout Inner,
    trace: DiffusionTrace? = nil, on context: KernelContext
  ) -> FeatureMap {
    var condition = conditions.time(timestep, images: latents.images, trace: trace, on: context)
    condition.add(classes)
    condition.silu()
    var h = input(latents, on: context)
    trace?.record("conv_in", h)
    var skips = [h]
    h = down[0].forward(h, condition: condition, skips: &skips, trace: trace?.scope("down_blocks.0"), on: context)
    if case .kept(let kept?) = inner, down.count > 1 {
      h = kept
      skips.removeLast()  // what halving left, which the inner blocks would have read
    } else {
      h = innerBlocks(h, condition: condition, skips: &skips, trace: trace, on: context)
      if case .kept = inner { inner = .kept(h) }
    }
    h = up[up.count - 1].forward(h, condition: condition, skips: &skips, on: context)
    trace?.record("up_blocks.\(up.count - 1)", h)
    trace?.record("conv_norm_out", norm, h, on: context)
    return output(h, scaling: norm.activation(of: h, on: context), on: context)
  }
}

extension UNet {
  private func innerBlocks(
    _ x: FeatureMap, condition: borrowing Activations, skips: inout [FeatureMap], trace: DiffusionTrace?,
    on context: KernelContext
  ) -> FeatureMap {
    var h = x
    for index in down.indices.dropFirst() {
      let scope = trace?.scope("down_blocks.\(index)")
      h = down[index].forward(h, condition: condition, skips: &skips, trace: scope, on: context)
    }
    h = middle.forward(h, condition: condition, on: context)
    trace?.record("mid_block", h)
    for index in up.indices.dropLast() {
      h = up[index].forward(h, condition: condition, skips: &skips, on: context)
      trace?.record("up_blocks.\(index)", h)
    }
    return h
  }
}

/// What the network is told beside the image: the step, and the embedding of the image to draw.
struct UNetConditions: Sendable {
  let config: DiffusionConfig
  let time1: LinearLayer  // [E, C0]
  let time2: LinearLayer  // [E, E]
  let class1: LinearLayer  // [E, D], the constant half of the label folded into its bias
  let class2: LinearLayer  // [E, E]
  /// What both class layers make of a label of zeros.
  let unconditional: WeightVector  // [E]

  init(_ config: DiffusionConfig, from weights: WeightScope) throws(ModelFileError) {
    let e = config.conditionWidth
    self.config = config
    time1 = try weights.linear("time_embedding.linear_1", [e, config.channels[0]])
    time2 = try weights.linear("time_embedding.linear_2", [e, e])
    class1 = try weights.linear("class_embedding.linear_1", [e, config.embeddingWidth])
    class2 = try weights.linear("class_embedding.linear_2", [e, e])
    unconditional = try weights.vector("class_embedding.unconditional", e)
  }

  /// The embedding of a step, for each image of the batch: [N, E].
  func time(
    _ timestep: Int, images: Int, trace: DiffusionTrace?, on context: KernelContext
  ) -> Activations {
    let waves = Activations(
      rows: 1, columns: config.channels[0], values: DiffusionSchedule.waves(timestep, count: config.channels[0]))
    var hidden = time1(waves, on: context)
    hidden.silu()
    let embedding = time2(hidden, on: context)
    trace?.record("time_embedding", embedding)
    var result = Activations(rows: images, columns: config.conditionWidth)
    for image in 0..<images { result.copyRows(0..<1, from: embedding, to: image) }
    return result
  }

  /// The class embeddings [N, E] of N images; nil stands for none, the unconditional row.
  func classes(_ embeddings: [[Float]?], trace: DiffusionTrace? = nil, on context: KernelContext) -> Activations {
    var result = Activations(rows: embeddings.count, columns: config.conditionWidth)
    for (index, embedding) in embeddings.enumerated() {
      if let embedding {
        var hidden = class1(Activations(rows: 1, columns: config.embeddingWidth, values: embedding), on: context)
        hidden.silu()
        let row = class2(hidden, on: context)
        result.copyRows(0..<1, from: row, to: index)
        trace?.record("class_embedding", row)
      } else {
        let row = Activations(rows: 1, copying: unconditional)
        result.copyRows(0..<1, from: row, to: index)
      }
    }
    return result
  }
}
