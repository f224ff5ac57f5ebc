import MioFormat
import MioKernels

/// The nonlinearity in front of a convolution: ELU, or Snake with one slope per channel.
enum SpeechActivation: Sendable {
  case elu
  case snake(WeightVector)

  /// - Parameter weights: the scope of the activation's module, which has a tensor `alpha` [C] if it is a Snake.
  init(_ config: SpeechConfig, channels: Int, from weights: WeightScope) throws(ModelFileError) {
    self = config.usesSnake ? .snake(try weights.vector("alpha", channels)) : .elu
  }

  func apply(to x: inout Activations, on context: KernelContext) {
    switch self {
    case .elu: x.elu(on: context)
    case .snake(let alpha): x.snake(alpha: alpha, on: context)
    }
  }
}
