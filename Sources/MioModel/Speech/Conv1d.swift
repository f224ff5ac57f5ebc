import MioFormat
import MioKernels

/// Convolution over time with reflected edges: `y[t] = b + sum_j W_j x[t s + j d - left]`, x and y as rows [T, C].
///
/// It works as a stream: rows go in, and every output whose window is complete comes out, so that a clip gives the same
/// bits whole or in pieces. Padding follows `SConv1d` (non-causal, reflect) of the reference, see MODEL.md.
struct Conv1d: Sendable {
  struct Config: Hashable, Sendable {
    let inputChannels: Int
    let outputChannels: Int
    let kernelLength: Int
    var stride = 1
    var dilation = 1

    /// Rows from the first to the last tap of a window.
    var span: Int { (kernelLength - 1) * dilation + 1 }
    private var padding: Int { (kernelLength - 1) * dilation - (stride - 1) }
    /// Reflected rows in front of the clip.
    var left: Int { padding - right }
    /// Reflected rows behind the clip, before those that fill the last window.
    var right: Int { padding / 2 }

    /// Reflected rows behind a clip of `count` rows. The formula is the reference's: k, not the dilated span.
    func rightTotal(count: Int) -> Int {
      let strides = max(0, (count - kernelLength + padding + stride - 1) / stride)
      return right + max(0, strides * stride + kernelLength - padding - count)
    }

    /// Rows before the end of a clip that its reflection can need.
    var reach: Int { right + stride }
    /// Rows a window buffer must hold when `inputRows` arrive at once.
    func windowRows(inputRows: Int) -> Int { 2 * span + stride + inputRows + reach }
    /// Bound on the output of one step.
    func outputRows(inputRows: Int) -> Int { windowRows(inputRows: inputRows) / stride + 1 }
  }

  /// The rows that later windows still need.
  final class State {
    /// Rows from the start of the next window on; at first `left` rows that wait for their reflection.
    var window: Activations
    /// The last rows of the clip so far, at most `reach`.
    var tail: Activations
    /// Operand of a dilated convolution.
    var gathered: Activations
    var inputCount = 0
    var isReflected = false

    init(_ convolution: Conv1d, maximumRows: Int) {
      let config = convolution.config
      let capacity = config.windowRows(inputRows: maximumRows)
      window = Activations(unspecified: capacity, columns: config.inputChannels)
      tail = Activations(unspecified: config.reach, columns: config.inputChannels)
      gathered = Activations(
        unspecified: config.dilation > 1 && !convolution.isFixedPoint ? capacity : 0,
        columns: config.kernelLength * config.inputChannels)
      reset(config)
    }

    func reset(_ config: Config) {
      window.reshape(rows: config.left)
      tail.reshape(rows: 0)
      inputCount = 0
      isReflected = false
    }
  }

  let config: Config
  let weight: PackedMatrix  // [C_out, k C_in], tap-major
  let bias: WeightVector  // [C_out]

  /// Fewer channels would leave most of a group of fixed-point numbers empty.
  private static let minFixedChannels = 32
  fileprivate var isFixedPoint: Bool { weight.isFixedPoint && config.inputChannels >= Self.minFixedChannels }

  init(_ config: Config, from weights: WeightScope) throws(ModelFileError) {
    let (columns, rows) = (config.kernelLength * config.inputChannels, config.outputChannels)
    self.config = config
    weight = try weights.matrix("weight", [rows, columns])
    bias = try weights.vector("bias", rows)
  }

  func makeState(maximumRows: Int) -> State { State(self, maximumRows: maximumRows) }

  /// Takes the next rows [n, C_in] of the clip; with `isLast`, also its end.
  func append(_ x: borrowing Activations, isLast: Bool, to state: State) {
    state.window.appendRows(of: x)
    state.inputCount += x.rows
    keepTail(x, state)
    let count = state.inputCount
    guard count > 0 else { return }
    let rightTotal = config.rightTotal(count: count)
    // A clip too short to be reflected is first lengthened with zeros, see MODEL.md.
    let reflectedCount = isLast ? max(count, max(config.left, rightTotal) + 1) : count
    if !state.isReflected, isLast || count > config.left {
      for row in 0..<config.left { fill(row, fromClipRow: config.left - row, state) }
      state.isReflected = true
    }
    guard isLast else { return }
    for row in count..<(count + rightTotal) {
      let source = row < reflectedCount ? row : 2 * (reflectedCount - 1) - row
      state.window.reshape(rows: state.window.rows + 1)
      if source < count {
        state.window.copyRows(tailRange(source, state), from: state.tail, to: state.window.rows - 1)
      } else {
        state.window.clearRow(state.window.rows - 1)
      }
    }
  }

  /// Outputs whose windows are complete.
  func availableRows(_ state: State) -> Int {
    guard state.isReflected, state.window.rows >= config.span else { return 0 }
    return (state.window.rows - config.span) / config.stride + 1
  }

  /// The next `count` outputs: `y` becomes [count, C_out].
  func produce(_ count: Int, from state: State, into y: inout Activations, on context: KernelContext) {
    y.reshape(rows: count, columns: config.outputChannels)
    guard count > 0 else { return }
    if isFixedPoint {
      weight.applyFixed(
        windowsOf: state.window, taps: config.kernelLength, stride: config.stride, dilation: config.dilation,
        count: count, bias: bias, into: &y, on: context)
      return state.window.dropFirstRows(min(count * config.stride, state.window.rows))
    }
    if config.dilation == 1 {
      weight.apply(
        windowsOf: state.window, stride: config.stride * config.inputChannels, count: count, into: &y, on: context)
    } else {
      precondition(config.stride == 1, "a dilated convolution has a stride of 1")
      state.gathered.gatherWindows(of: state.window, taps: config.kernelLength, step: config.dilation, count: count)
      weight.apply(state.gathered, into: &y, on: context)
    }
    y.add(bias: bias, on: context)
    state.window.dropFirstRows(min(count * config.stride, state.window.rows))
  }

  /// Takes the next rows and gives every output that is complete.
  func forward(
    _ x: borrowing Activations, isLast: Bool, state: State, into y: inout Activations, on context: KernelContext
  ) {
    append(x, isLast: isLast, to: state)
    produce(availableRows(state), from: state, into: &y, on: context)
  }

  private func keepTail(_ x: borrowing Activations, _ state: State) {
    let taken = min(x.rows, config.reach)
    state.tail.dropFirstRows(max(0, state.tail.rows + taken - config.reach))
    let start = state.tail.rows
    state.tail.reshape(rows: start + taken)
    state.tail.copyRows((x.rows - taken)..<x.rows, from: x, to: start)
  }

  private func tailRange(_ clipRow: Int, _ state: State) -> Range<Int> {
    let index = clipRow - (state.inputCount - state.tail.rows)
    return index..<(index + 1)
  }

  /// Fills a row in front of the clip. The window still starts there.
  private func fill(_ row: Int, fromClipRow source: Int, _ state: State) {
    if source < state.inputCount {
      state.window.copyRow(config.left + source, to: row)
    } else {
      state.window.clearRow(row)
    }
  }
}
