import MioFormat
import MioKernels

/// Transposed convolution with a kernel of twice its stride: `y[t s + j] += W_j x[t]`, trimmed to s rows per input row.
///
/// `SConvTranspose1d` of the reference cuts s - s / 2 rows off the front and s / 2 off the end.
struct ConvTranspose1d: Sendable {
  struct Config: Hashable, Sendable {
    let inputChannels: Int
    let outputChannels: Int
    let stride: Int

    /// Rows cut off in front of the clip.
    var left: Int { stride - right }
    /// Rows cut off behind it.
    var right: Int { stride / 2 }
    func outputRows(inputRows: Int) -> Int { (inputRows + 1) * stride }
  }

  final class State {
    /// What the last frame adds to the rows of the next one: [1, s C_out].
    var carry: Activations
    var isTrimmed = false

    init(_ config: Config) {
      carry = Activations(rows: 1, columns: config.stride * config.outputChannels)
    }
  }

  let config: Config
  let weight: PackedMatrix  // [2 s C_out, C_in]
  let bias: WeightVector  // [C_out]

  init(_ config: Config, from weights: WeightScope) throws(ModelFileError) {
    self.config = config
    weight = try weights.matrix("weight", [2 * config.stride * config.outputChannels, config.inputChannels])
    bias = try weights.vector("bias", config.outputChannels)
  }

  /// Takes the next rows [n, C_in]; `y` becomes the output rows that are complete.
  ///
  /// - Parameter products: scratch for [n + 1, 2 s C_out].
  func forward(
    _ x: borrowing Activations, isLast: Bool, state: State, products: inout Activations, into y: inout Activations,
    on context: KernelContext
  ) {
    products.reshape(rows: x.rows, columns: weight.rows)
    if weight.isFixedPoint {
      weight.applyFixed(x, into: &products, on: context)
    } else {
      weight.apply(x, into: &products, on: context)
    }
    if isLast {
      // A frame of zeros behind the clip lets the second half of the last frame out.
      products.reshape(rows: x.rows + 1)
      products.clearRow(x.rows)
    }
    y.overlapAdd(products, carry: &state.carry, bias: bias)
    if isLast { y.reshape(rows: y.rows - config.right) }
    if !state.isTrimmed, y.rows > 0 {
      y.dropFirstRows(config.left)
      state.isTrimmed = true
    }
  }
}
