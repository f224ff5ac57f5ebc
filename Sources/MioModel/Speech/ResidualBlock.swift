import MioFormat
import MioKernels

/// `y = shortcut(x) + conv1(act(conv3(act(x))))`, with half as many channels inside and a convolution as shortcut.
///
/// `SEANetResnetBlock` of the reference with `true_skip` off.
struct ResidualBlock: Sendable {
  final class State {
    let inner: Conv1d.State
    let shortcut: Conv1d.State

    init(_ block: ResidualBlock, maximumRows: Int) {
      inner = block.inner.makeState(maximumRows: maximumRows)
      // Its rows wait until the inner convolution has seen all taps of its window.
      shortcut = block.shortcut.makeState(maximumRows: block.inner.config.windowRows(inputRows: maximumRows))
    }
  }

  let firstActivation: SpeechActivation
  let inner: Conv1d  // C -> C/2
  let secondActivation: SpeechActivation
  let outer: Conv1d  // C/2 -> C, one tap
  let shortcut: Conv1d  // C -> C, one tap

  init(
    _ config: SpeechConfig, channels: Int, dilation: Int, from weights: WeightScope
  ) throws(ModelFileError) {
    let hidden = channels / 2
    let block = weights["block"]
    firstActivation = try SpeechActivation(config, channels: channels, from: block[0])
    inner = try Conv1d(
      .init(
        inputChannels: channels, outputChannels: hidden, kernelLength: config.residualKernelLength, dilation: dilation),
      from: block[1]["conv"]["conv"])
    secondActivation = try SpeechActivation(config, channels: hidden, from: block[2])
    outer = try Conv1d(
      .init(inputChannels: hidden, outputChannels: channels, kernelLength: 1), from: block[3]["conv"]["conv"])
    shortcut = try Conv1d(
      .init(inputChannels: channels, outputChannels: channels, kernelLength: 1),
      from: weights["shortcut"]["conv"]["conv"])
  }

  func makeState(maximumRows: Int) -> State { State(self, maximumRows: maximumRows) }

  func outputRows(inputRows: Int) -> Int { inner.config.outputRows(inputRows: inputRows) }

  /// Takes the next rows of `x` [n, C], which are overwritten; `y` becomes the rows that are complete.
  func forward(
    _ x: inout Activations, isLast: Bool, state: State, scratch: inout SpeechScratch, into y: inout Activations,
    on context: KernelContext
  ) {
    shortcut.append(x, isLast: isLast, to: state.shortcut)
    firstActivation.apply(to: &x, on: context)
    inner.append(x, isLast: isLast, to: state.inner)
    let count = inner.availableRows(state.inner)
    inner.produce(count, from: state.inner, into: &scratch.hidden, on: context)
    secondActivation.apply(to: &scratch.hidden, on: context)
    shortcut.produce(count, from: state.shortcut, into: &y, on: context)
    if outer.weight.isFixedPoint {
      outer.weight.applyFixed(scratch.hidden, bias: outer.bias, adds: true, into: &y, on: context)
    } else {
      scratch.product.reshape(rows: count, columns: outer.config.outputChannels)
      outer.weight.apply(scratch.hidden, into: &scratch.product, on: context)
      y.add(scratch.product, bias: outer.bias, on: context)
    }
  }
}

/// Memory that the layers of one stream use in turn inside a call.
struct SpeechScratch: ~Copyable {
  /// Inner channels of a residual block.
  var hidden: Activations
  /// Shortcut of a residual block, or products of a transposed convolution.
  var product: Activations

  init(hiddenCount: Int, productCount: Int) {
    hidden = Activations(unspecified: 1, columns: hiddenCount)
    product = Activations(unspecified: 1, columns: productCount)
  }
}
