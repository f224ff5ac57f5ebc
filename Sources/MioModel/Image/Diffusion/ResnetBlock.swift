import MioFormat
import MioKernels

/// Two convolutions around which the input is added:
/// `h = conv1(silu(norm1 x)) + time(silu(condition))`, `y = conv2(silu(norm2 h)) + shortcut(x)`.
///
/// `ResnetBlock2D` of huggingface/diffusers. The image decoder's blocks have no condition.
struct ResnetBlock: Sendable {
  struct Config: Hashable, Sendable {
    let inputChannels: Int
    let outputChannels: Int
    let groupCount: Int
    let epsilon: Float
    /// Width of the time and class embedding; nil if the block does not see it.
    let conditionWidth: Int?
  }

  let norm1: GroupNormalization
  let conv1: Convolution2d
  let condition: LinearLayer?
  let norm2: GroupNormalization
  let conv2: Convolution2d
  /// A convolution of one tap, where the number of channels changes.
  let shortcut: LinearLayer?

  init(_ config: Config, from weights: WeightScope) throws(ModelFileError) {
    let (input, output) = (config.inputChannels, config.outputChannels)
    norm1 = try weights.groupNorm("norm1", input, groups: config.groupCount, epsilon: config.epsilon)
    conv1 = try weights.convolution("conv1", from: input, to: output)
    if let width = config.conditionWidth {
      condition = try weights.linear("time_emb_proj", [output, width])
    } else {
      condition = nil
    }
    norm2 = try weights.groupNorm("norm2", output, groups: config.groupCount, epsilon: config.epsilon)
    conv2 = try weights.convolution("conv2", from: output, to: output)
    shortcut = input == output ? nil : try weights.linear("conv_shortcut", [output, input])
  }

  /// - Parameter condition: silu of the embedding of time and class, [N, E], if the block sees it.
  func forward(_ x: FeatureMap, condition silu: borrowing Activations, on context: KernelContext) -> FeatureMap {
    let h = conv1(x, scaling: norm1.activation(of: x, on: context), on: context)
    if let condition {
      let vectors = condition(silu, on: context)
      h.rows.add(toParts: vectors, on: context)
    }
    let y = x.like(channels: h.channels)
    if let shortcut {
      shortcut.forward(x.rows, into: &y.rows, on: context)
    } else {
      y.rows.copyRows(from: x.rows)
    }
    conv2.add(h, scaling: norm2.activation(of: h, on: context), to: y, on: context)
    return y
  }
}
