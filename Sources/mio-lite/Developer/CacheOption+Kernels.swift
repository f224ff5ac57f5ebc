import MioKernels

extension CacheOption {
  /// The same choice in the terms of the kernels.
  var format: KeyValueFormat {
    switch self {
    case .int8: .int8
    case .f16: .f16
    case .f32: .f32
    }
  }
}
