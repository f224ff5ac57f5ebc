import MioFormat
import MioKernels

/// One layer of an LSTM in one direction: `z = W x + U h + b`, gates in the order i, f, g, o,
/// `c = σ(f) c + σ(i) tanh(g)`, `h = σ(o) tanh(c)`.
///
/// Hochreiter & Schmidhuber 1997; layout of `torch.nn.LSTM`, with both biases added up.
struct LSTMLayer: Sendable {
  /// What the layer remembers from frame to frame.
  final class State {
    var hidden: Activations  // [1, H]
    var cell: Activations  // [1, H]

    init(width: Int) {
      hidden = Activations(rows: 1, columns: width)
      cell = Activations(rows: 1, columns: width)
    }

    func reset() {
      hidden.fill(0)
      cell.fill(0)
    }

    func copy(from other: State) {
      hidden.copyRows(from: other.hidden)
      cell.copyRows(from: other.cell)
    }
  }

  /// Memory reused inside a call; each thread needs its own.
  final class Scratch {
    /// Frames whose products `W x` are computed together.
    static let blockLength = 256
    var input: Activations  // [block, I]
    var gates: Activations  // [block, 4H]
    var sums: Activations  // [1, 4H]

    init(inputWidth: Int, width: Int) {
      input = Activations(unspecified: Self.blockLength, columns: inputWidth)
      gates = Activations(unspecified: Self.blockLength, columns: 4 * width)
      sums = Activations(rows: 1, columns: 4 * width)
    }
  }

  let inputWeight: PackedMatrix  // W [4H, I]
  let hiddenWeight: PackedMatrix  // U [4H, H]
  let bias: WeightVector  // [4H]

  /// - Parameter suffix: that of the tensor names, `l0` or `l1_reverse`.
  init(inputWidth: Int, width: Int, suffix: String, from weights: WeightScope) throws(ModelFileError) {
    inputWeight = try weights.matrix("weight_ih_\(suffix)", [4 * width, inputWidth])
    hiddenWeight = try weights.matrix("weight_hh_\(suffix)", [4 * width, width])
    bias = try weights.vector("bias_\(suffix)", 4 * width)
  }

  var width: Int { hiddenWeight.columns }

  /// Runs over the rows `range` of `x` [T, I], backwards if asked, and writes the hidden states to the same rows of
  /// `y`, which has room for them.
  func forward(
    _ x: borrowing Activations, rows range: Range<Int>, backwards: Bool = false, state: State, scratch: Scratch,
    into y: inout Activations, on context: KernelContext
  ) {
    let length = Scratch.blockLength
    let starts = Array(stride(from: range.lowerBound, to: range.upperBound, by: length))
    for start in backwards ? starts.reversed() : starts {
      let block = start..<min(start + length, range.upperBound)
      scratch.input.reshape(rows: block.count)
      scratch.input.copyRows(block, from: x)
      scratch.gates.reshape(rows: block.count)
      if inputWeight.isFixedPoint {
        inputWeight.applyFixed(scratch.input, bias: bias, into: &scratch.gates, on: context)
      } else {
        inputWeight.apply(scratch.input, into: &scratch.gates, on: context)
        scratch.gates.add(bias: bias)
      }
      for frame in backwards ? Array(block.reversed()) : Array(block) {
        hiddenWeight.apply(state.hidden, into: &scratch.sums, on: context)
        scratch.sums.addRow(frame - start, of: scratch.gates)
        state.hidden.lstmStep(gates: scratch.sums, cell: &state.cell, on: context)
        y.copyRows(0..<1, from: state.hidden, to: frame)
      }
    }
  }
}

/// Layers of LSTM in one direction with the input added to the result; runs as a stream.
///
/// `SLSTM` of the reference.
struct LSTM: Sendable {
  final class State {
    let layers: [LSTMLayer.State]
    let scratch: LSTMLayer.Scratch
    /// Results of a layer and of the one before it: [T, H].
    var output: Activations
    var previous: Activations

    init(width: Int, layerCount: Int, maximumRows: Int) {
      layers = (0..<layerCount).map { _ in LSTMLayer.State(width: width) }
      scratch = LSTMLayer.Scratch(inputWidth: width, width: width)
      output = Activations(unspecified: maximumRows, columns: width)
      previous = Activations(unspecified: maximumRows, columns: width)
    }
  }

  let layers: [LSTMLayer]
  let width: Int

  init(width: Int, layerCount: Int, from weights: WeightScope) throws(ModelFileError) {
    var layers: [LSTMLayer] = []
    for index in 0..<layerCount {
      layers.append(try LSTMLayer(inputWidth: width, width: width, suffix: "l\(index)", from: weights))
    }
    self.layers = layers
    self.width = width
  }

  func makeState(maximumRows: Int) -> State {
    State(width: width, layerCount: layers.count, maximumRows: maximumRows)
  }

  /// Replaces the next rows of the clip, `x` [n, H], by `x + lstm(x)`.
  func forward(_ x: inout Activations, state: State, on context: KernelContext) {
    let rows = 0..<x.rows
    state.previous.copyRows(from: x)
    for (layer, memory) in zip(layers, state.layers) {
      state.output.reshape(rows: x.rows)
      layer.forward(state.previous, rows: rows, state: memory, scratch: state.scratch, into: &state.output, on: context)
      state.previous.copyRows(from: state.output)
    }
    x.add(state.output)
  }
}
