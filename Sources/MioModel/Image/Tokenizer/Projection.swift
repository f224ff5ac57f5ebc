import MioFormat
import MioKernels

/// A matrix with a bias: `y = W x + b`.
struct Projection: Sendable {
  let weight: PackedMatrix  // [outputs, inputs]
  let bias: WeightVector  // [outputs]

  init(_ name: String, inputs: Int, outputs: Int, from weights: WeightScope) throws(ModelFileError) {
    weight = try weights.matrix(name + ".weight", [outputs, inputs])
    bias = try weights.vector(name + ".bias", outputs)
  }

  /// Overwrites `y`, which becomes [x.rows, outputs].
  func forward(_ x: borrowing Activations, into y: inout Activations, on context: KernelContext) {
    forwardWithoutBias(x, into: &y, on: context)
    y.add(bias: bias, on: context)
  }

  /// The product alone, for callers that add the bias in a sweep of their own.
  func forwardWithoutBias(_ x: borrowing Activations, into y: inout Activations, on context: KernelContext) {
    y.reshape(rows: x.rows, columns: weight.rows)
    if weight.isFixedPoint {
      weight.applyFixed(x, into: &y, on: context)
    } else {
      weight.apply(x, into: &y, on: context)
    }
  }
}

/// Layer norm with weight and bias, `(x - mean) / √(variance + ε) · w + b`.
struct LayerNorm: Sendable {
  let weight: WeightVector  // [width]
  let bias: WeightVector  // [width]
  let epsilon: Float

  init(_ name: String, width: Int, epsilon: Float, from weights: WeightScope) throws(ModelFileError) {
    weight = try weights.vector(name + ".weight", width)
    bias = try weights.vector(name + ".bias", width)
    self.epsilon = epsilon
  }

  /// Overwrites `y` with the norm of `x`.
  func forward(_ x: borrowing Activations, into y: inout Activations, on context: KernelContext) {
    y.layerNormalize(x, weight: weight, bias: bias, epsilon: epsilon, on: context)
  }
}
