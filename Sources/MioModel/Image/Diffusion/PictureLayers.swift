import MioFormat
import MioKernels

/// A linear layer over the last axis: `y = W x + b`. A convolution of one tap is one too.
struct LinearLayer: Sendable {
  let weight: PackedMatrix  // [out, in]
  let bias: WeightVector?  // [out]

  func forward(_ x: borrowing Activations, into y: inout Activations, on context: KernelContext) {
    y.reshape(rows: x.rows, columns: weight.rows)
    weight.apply(x, into: &y, on: context)
    if let bias { y.add(bias: bias, on: context) }
  }

  /// A new buffer with the result.
  func callAsFunction(_ x: borrowing Activations, on context: KernelContext) -> Activations {
    var y = Activations(rows: x.rows, columns: weight.rows)
    forward(x, into: &y, on: context)
    return y
  }
}

/// A layer norm over channels, epsilon 1e-5.
struct ChannelNorm: Sendable {
  let weight: WeightVector  // [C]
  let bias: WeightVector  // [C]

  func forward(_ x: borrowing Activations, into y: inout Activations, on context: KernelContext) {
    y.layerNormalize(x, weight: weight, bias: bias, epsilon: 1e-5, on: context)
  }
}

extension WeightScope {
  /// A linear layer of the given shape [out, in].
  func linear(_ name: String, _ shape: [Int], hasBias: Bool = true) throws(ModelFileError) -> LinearLayer {
    let weight = try matrix(name + ".weight", shape)
    return LinearLayer(weight: weight, bias: hasBias ? try vector(name + ".bias", shape[0]) : nil)
  }

  func channelNorm(_ name: String, _ channels: Int) throws(ModelFileError) -> ChannelNorm {
    ChannelNorm(
      weight: try vector(name + ".weight", channels), bias: try vector(name + ".bias", channels))
  }

  func groupNorm(
    _ name: String, _ channels: Int, groups: Int, epsilon: Float
  ) throws(ModelFileError) -> GroupNormalization {
    GroupNormalization(
      groupCount: groups, epsilon: epsilon, weight: try vector(name + ".weight", channels),
      bias: try vector(name + ".bias", channels))
  }

  /// A 3 × 3 convolution, see ``Convolution2d``.
  func convolution(
    _ name: String, from input: Int, to output: Int, stride: Int = 1, doubles: Bool = false
  ) throws(ModelFileError) -> Convolution2d {
    Convolution2d(
      weight: try matrix(name + ".weight", [output, 9 * input]), bias: try vector(name + ".bias", output),
      stride: stride, doubles: doubles)
  }
}

extension Convolution2d {
  func callAsFunction(_ x: FeatureMap, on context: KernelContext) -> FeatureMap {
    let y = FeatureMap(
      pictures: x.pictures, height: outputLength(x.height), width: outputLength(x.width), channels: outputChannels)
    forward(x.rows, height: x.height, width: x.width, into: &y.rows, on: context)
    return y
  }
}

extension GroupNormalization {
  func callAsFunction(_ x: FeatureMap, activates: Bool, on context: KernelContext) -> FeatureMap {
    let y = x.like(channels: x.channels)
    forward(x.rows, pictures: x.pictures, activates: activates, into: &y.rows, on: context)
    return y
  }
}
