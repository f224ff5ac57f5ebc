import MioFormat
import MioKernels

/// A linear layer over the last axis: `y = W x + b`. A convolution of one tap is one too.
struct LinearLayer: Sendable {
  let weight: PackedMatrix  // [out, in]
  let bias: WeightVector?  // [out]

  func forward(_ x: borrowing Activations, into y: inout Activations, on context: KernelContext) {
    y.reshape(rows: x.rows, columns: weight.rows)
    if weight.isFixedPoint { return weight.applyFixed(x, bias: bias, into: &y, on: context) }
    weight.apply(x, into: &y, on: context)
    if let bias { y.add(bias: bias, on: context) }
  }

  /// y += W x + b.
  func add(_ x: borrowing Activations, to y: inout Activations, on context: KernelContext) {
    if weight.isFixedPoint { return weight.applyFixed(x, bias: bias, adds: true, into: &y, on: context) }
    let product = self(x, on: context)
    y.add(product, on: context)
  }

  /// A new buffer with the result.
  func callAsFunction(_ x: borrowing Activations, on context: KernelContext) -> Activations {
    var y = Activations(unspecified: x.rows, columns: weight.rows)
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
  func callAsFunction(_ x: FeatureMap, scaling: ChannelScaling? = nil, on context: KernelContext) -> FeatureMap {
    let y = FeatureMap(
      images: x.images, height: outputLength(x.height), width: outputLength(x.width), channels: outputChannels)
    forward(x.rows, height: x.height, width: x.width, scaling: scaling, into: &y.rows, on: context)
    return y
  }

  /// y += conv(x), x scaled first.
  func add(_ x: FeatureMap, scaling: ChannelScaling, to y: FeatureMap, on context: KernelContext) {
    forward(x.rows, height: x.height, width: x.width, scaling: scaling, adds: true, into: &y.rows, on: context)
  }
}

extension GroupNormalization {
  /// The norm of a map, and SiLU behind it, for the convolution that reads the map next.
  func activation(of x: FeatureMap, on context: KernelContext) -> ChannelScaling {
    scaling(of: x.rows, images: x.images, activates: true, on: context)
  }

  func callAsFunction(_ x: FeatureMap, activates: Bool, on context: KernelContext) -> FeatureMap {
    let y = x.like(channels: x.channels)
    forward(x.rows, images: x.images, activates: activates, into: &y.rows, on: context)
    return y
  }
}
