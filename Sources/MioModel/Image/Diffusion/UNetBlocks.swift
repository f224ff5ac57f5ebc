import MioFormat
import MioKernels

/// A residual block and, where the block attends, a transformer behind it.
struct UNetLayer: Sendable {
  let residual: ResnetBlock
  let transformer: Transformer2D?

  func forward(
    _ x: FeatureMap, condition: borrowing Activations, trace: DiffusionTrace.Scope? = nil, _ index: Int = 0,
    on context: KernelContext
  ) -> FeatureMap {
    let h = residual.forward(x, condition: condition, on: context)
    trace?.record("resnets.\(index)", h)
    guard let transformer else { return h }
    let y = transformer.forward(h, on: context)
    trace?.record("attentions.\(index)", y)
    return y
  }
}

/// A block on the way down: layers, then half the size except in the last block.
struct UNetDownBlock: Sendable {
  let layers: [UNetLayer]
  let halve: Convolution2d?

  init(
    _ config: DiffusionConfig, _ block: Int, inputChannels: Int, from weights: WeightScope
  ) throws(ModelFileError) {
    let output = config.channels[block]
    var layers: [UNetLayer] = []
    for index in 0..<config.layerCount {
      let residual = try ResnetBlock(
        config.residual(from: index == 0 ? inputChannels : output, to: output), from: weights["resnets"][index])
      layers.append(
        UNetLayer(
          residual: residual,
          transformer: config.downAttention[block]
            ? try Transformer2D(config.transformer(block), from: weights["attentions"][index]) : nil))
    }
    self.layers = layers
    halve =
      block + 1 < config.channels.count
      ? try weights.convolution("downsamplers.0.conv", from: output, to: output, stride: 2) : nil
  }

  /// Appends every result to `skips`.
  func forward(
    _ x: FeatureMap, condition: borrowing Activations, skips: inout [FeatureMap], trace: DiffusionTrace.Scope?,
    on context: KernelContext
  ) -> FeatureMap {
    var h = x
    for (index, layer) in layers.enumerated() {
      h = layer.forward(h, condition: condition, trace: trace, index, on: context)
      skips.append(h)
    }
    if let halve {
      h = halve(h, on: context)
      skips.append(h)
      trace?.record("downsamplers.0", h)
    }
    trace?.record(h)
    return h
  }
}

/// The lowest block: residual, transformer, residual.
struct UNetMiddle: Sendable {
  let first: UNetLayer
  let second: UNetLayer

  init(_ config: DiffusionConfig, from weights: WeightScope) throws(ModelFileError) {
    let last = config.channels.count - 1
    let residual = config.residual(from: config.channels[last], to: config.channels[last])
    first = UNetLayer(
      residual: try ResnetBlock(residual, from: weights["resnets"][0]),
      transformer: try Transformer2D(config.transformer(last), from: weights["attentions"][0]))
    second = UNetLayer(residual: try ResnetBlock(residual, from: weights["resnets"][1]), transformer: nil)
  }

  func forward(_ x: FeatureMap, condition: borrowing Activations, on context: KernelContext) -> FeatureMap {
    second.forward(first.forward(x, condition: condition, on: context), condition: condition, on: context)
  }
}

/// A block on the way up: layers that each take one result of the way down, then twice the size except in the last block.
struct UNetUpBlock: Sendable {
  let layers: [UNetLayer]
  let double: Convolution2d?

  /// - Parameter skips: channels of the results that the layers take, in their order.
  init(
    _ config: DiffusionConfig, _ block: Int, inputChannels: Int, skips: [Int], from weights: WeightScope
  ) throws(ModelFileError) {
    let mirrored = config.channels.count - 1 - block
    let output = config.channels[mirrored]
    var layers: [UNetLayer] = []
    for (index, skip) in skips.enumerated() {
      let input = (index == 0 ? inputChannels : output) + skip
      let residual = try ResnetBlock(
        config.residual(from: input, to: output), from: weights["resnets"][index])
      layers.append(
        UNetLayer(
          residual: residual,
          transformer: config.upAttention[block]
            ? try Transformer2D(config.transformer(mirrored), from: weights["attentions"][index]) : nil))
    }
    self.layers = layers
    double =
      block + 1 < config.channels.count
      ? try weights.convolution("upsamplers.0.conv", from: output, to: output, doubles: true) : nil
  }

  /// Takes as many maps from the end of `skips` as the block has layers.
  func forward(
    _ x: FeatureMap, condition: borrowing Activations, skips: inout [FeatureMap], on context: KernelContext
  ) -> FeatureMap {
    var h = x
    for layer in layers {
      let skip = skips.removeLast()
      let both = h.like(channels: h.channels + skip.channels)
      both.rows.copyColumns(of: h.rows, to: 0, on: context)
      both.rows.copyColumns(of: skip.rows, to: h.channels, on: context)
      h = layer.forward(both, condition: condition, on: context)
    }
    return double?(h, on: context) ?? h
  }
}

extension DiffusionConfig {
  fileprivate func residual(from input: Int, to output: Int) -> ResnetBlock.Config {
    ResnetBlock.Config(
      inputChannels: input, outputChannels: output, groupCount: groupCount, epsilon: normEpsilon,
      conditionWidth: conditionWidth)
  }

  fileprivate func transformer(_ block: Int) -> Transformer2D.Config {
    Transformer2D.Config(
      channels: channels[block], headCount: headCounts[block], groupCount: groupCount, textLength: textLength)
  }
}
