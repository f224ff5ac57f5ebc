import MioFormat
import MioKernels

/// Layers of LSTM in both directions with the input, twice side by side, added to the result: [T, H] becomes [T, 2H].
///
/// `SLSTM` of the reference with `bidirectional`. A clip of any length is run in windows: the forward direction goes on
/// from window to window, the backward direction starts anew, some frames behind the window's end.
struct BidirectionalLSTM: Sendable {
  /// One direction of a window's work. The two run on different threads, so each has everything of its own.
  private final class Direction {
    let layers: [LSTMLayer.State]
    let saved: LSTMLayer.State
    let scratch: [LSTMLayer.Scratch]
    let context: KernelContext
    var output: Activations  // [T, H]

    init(width: Int, layerCount: Int, maximumRows: Int, variant: KernelVariant) {
      context = KernelContext(threads: 1, variant: variant)
      layers = (0..<layerCount).map { _ in LSTMLayer.State(width: width) }
      saved = LSTMLayer.State(width: width)
      scratch = (0..<layerCount).map { LSTMLayer.Scratch(inputWidth: $0 == 0 ? width : 2 * width, width: width) }
      output = Activations(unspecified: maximumRows, columns: width)
    }
  }

  final class State {
    private let forward: Direction
    private let backward: Direction
    /// What both directions of the first layer read, [T, H].
    var input: Activations
    /// Results of the last layer, and input of the next: [T, 2H].
    private var joined: Activations

    init(width: Int, layerCount: Int, maximumRows: Int, variant: KernelVariant) {
      forward = Direction(width: width, layerCount: layerCount, maximumRows: maximumRows, variant: variant)
      backward = Direction(width: width, layerCount: layerCount, maximumRows: maximumRows, variant: variant)
      input = Activations(unspecified: maximumRows, columns: width)
      joined = Activations(unspecified: maximumRows, columns: 2 * width)
    }

    /// Runs `input` through all layers; the forward memory afterwards is that of row `keptRows - 1`.
    fileprivate func run(_ lstm: BidirectionalLSTM, keptRows: Int, on context: KernelContext) {
      let rows = 0..<input.rows
      for (index, layers) in zip(lstm.forward, lstm.backward).enumerated() {
        let isLastLayer = index == lstm.forward.count - 1
        context.pool.run(tasks: 2) { task in
          if task == 0 {
            step(layers.0, index, forward, rows: 0..<keptRows)
            // The context rows matter only as input of the next layer.
            guard !isLastLayer else { return }
            forward.saved.copy(from: forward.layers[index])
            step(layers.0, index, forward, rows: keptRows..<rows.upperBound)
            forward.layers[index].copy(from: forward.saved)
          } else {
            backward.layers[index].reset()
            step(layers.1, index, backward, rows: rows, backwards: true)
          }
        }
        joined.reshape(rows: input.rows)
        joined.copyColumns(of: forward.output, to: 0)
        joined.copyColumns(of: backward.output, to: lstm.width)
      }
    }

    private func step(
      _ layer: LSTMLayer, _ index: Int, _ direction: Direction, rows: Range<Int>, backwards: Bool = false
    ) {
      direction.output.reshape(rows: input.rows)
      let (memory, scratch) = (direction.layers[index], direction.scratch[index])
      if index == 0 {
        layer.forward(
          input, rows: rows, backwards: backwards, state: memory, scratch: scratch, into: &direction.output,
          on: direction.context)
      } else {
        layer.forward(
          joined, rows: rows, backwards: backwards, state: memory, scratch: scratch, into: &direction.output,
          on: direction.context)
      }
    }

    /// Adds the input to rows `rows` of the result and copies them to `y` [n, 2H].
    fileprivate func copyResult(_ rows: Range<Int>, into y: inout Activations) {
      y.reshape(rows: rows.count, columns: joined.columns)
      y.copyRows(rows, from: joined)
      y.addTwice(input, rows: rows)
    }
  }

  let forward: [LSTMLayer]
  let backward: [LSTMLayer]
  let width: Int

  init(width: Int, layerCount: Int, from weights: WeightScope) throws(ModelFileError) {
    var (forward, backward): ([LSTMLayer], [LSTMLayer]) = ([], [])
    for index in 0..<layerCount {
      let inputWidth = index == 0 ? width : 2 * width
      forward.append(try LSTMLayer(inputWidth: inputWidth, width: width, suffix: "l\(index)", from: weights))
      backward.append(try LSTMLayer(inputWidth: inputWidth, width: width, suffix: "l\(index)_reverse", from: weights))
    }
    (self.forward, self.backward, self.width) = (forward, backward, width)
  }

  /// - Parameter variant: the kernels of the contexts that will run the layer.
  func makeState(maximumRows: Int, variant: KernelVariant) -> State {
    State(width: width, layerCount: forward.count, maximumRows: maximumRows, variant: variant)
  }

  /// Runs the window `state.input`. Its first `keptRows` rows are final; the rows behind them are context.
  func forward(state: State, keptRows: Int, on context: KernelContext) {
    state.run(self, keptRows: keptRows, on: context)
  }

  /// Rows of the window's result.
  func copyResult(_ rows: Range<Int>, from state: State, into y: inout Activations) {
    state.copyResult(rows, into: &y)
  }
}
