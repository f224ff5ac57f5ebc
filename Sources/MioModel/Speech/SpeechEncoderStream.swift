import MioFormat
import MioKernels

/// Encodes a clip of any length, piece by piece, in memory that does not grow with it.
///
/// The convolutions see the clip as a whole: cutting it changes no bit. A bidirectional LSTM needs the end of the clip
/// before it can start; clips longer than one window and its context are cut there, see ``Windows``.
package final class SpeechEncoderStream {
  /// How the bidirectional LSTM cuts a long clip.
  ///
  /// The forward direction continues from window to window, so nothing behind it is lost. The backward direction of
  /// each window starts `contextFrames` behind its end with an empty memory, where the reference would start at the
  /// end of the clip. A clip of at most `frames + contextFrames` frames is not cut and agrees with the reference.
  package struct Windows: Hashable, Sendable {
    package var frames: Int
    package var contextFrames: Int

    package init(frames: Int = 1500, contextFrames: Int = 250) {
      precondition(frames > 0 && contextFrames >= 0, "a window needs frames")
      self.frames = frames
      self.contextFrames = contextFrames
    }
  }

  /// Quantizer codebooks that are computed, from codebook 0 on.
  package let codebookCount: Int

  private let encoder: SpeechEncoder
  private let quantizer: ResidualQuantizer
  private let hopLength: Int
  private let windows: Windows
  private let context: KernelContext
  private let trace: SpeechTrace?

  private let stem: Conv1d.State
  private let stages: [(blocks: [ResidualBlock.State], down: Conv1d.State)]
  private let recurrence: Recurrence
  private let head: Conv1d.State
  private let quantizing: ResidualQuantizer.State
  private var x: Activations
  private var y: Activations
  private var scratch: SpeechScratch

  private enum Recurrence {
    case forward(LSTM, LSTM.State)
    case bidirectional(BidirectionalLSTM, BidirectionalLSTM.State)
  }

  /// Frames whose samples go through the convolutions together.
  private static let blockFrames = 64
  /// Frames that go through the last convolution and the quantizer together.
  private static let headFrames = 128

  package init(
    _ codec: SpeechCodec, codebooks: Int, windows: Windows = Windows(), trace: SpeechTrace? = nil,
    on context: KernelContext
  ) throws(SpeechCodecError) {
    guard (1...codec.quantizer.codebookCount).contains(codebooks) else {
      throw SpeechCodecError(.wrongLevelCount, "\(codebooks) codebooks; the codec has 1 to \(codec.quantizer.codebookCount)")
    }
    (encoder, quantizer, hopLength) = (codec.encoder, codec.quantizer, codec.config.hopLength)
    (codebookCount, self.windows, self.trace, self.context) = (codebooks, windows, trace, context)
    let sizes = Sizes(encoder, blockSamples: hopLength * Self.blockFrames)
    stem = encoder.stem.makeState(maximumRows: sizes.inputRows)
    stages = zip(encoder.stages, sizes.stages).map { stage, rows in
      (
        zip(stage.blocks, rows).map { $0.makeState(maximumRows: $1) },
        stage.down.makeState(maximumRows: rows[stage.blocks.count])
      )
    }
    switch encoder.recurrence {
    case .forward(let lstm):
      recurrence = .forward(lstm, lstm.makeState(maximumRows: sizes.frameRows))
    case .bidirectional(let lstm):
      let rows = windows.frames + windows.contextFrames + sizes.frameRows
      let state = lstm.makeState(maximumRows: rows, variant: context.variant)
      state.input.reshape(rows: 0)
      recurrence = .bidirectional(lstm, state)
    }
    let headRows = max(Self.headFrames, sizes.frameRows)
    head = encoder.head.makeState(maximumRows: headRows)
    let featureRows = encoder.head.config.outputRows(inputRows: headRows)
    quantizing = ResidualQuantizer.State(quantizer, maximumRows: featureRows)
    let headCount = max(headRows * encoder.head.config.inputChannels, featureRows * encoder.width)
    x = Activations(unspecified: 1, columns: max(sizes.elementCount, headCount))
    y = Activations(unspecified: 1, columns: max(sizes.elementCount, headCount))
    scratch = SpeechScratch(hiddenCount: sizes.elementCount, productCount: sizes.elementCount)
  }

  /// Takes the next samples, mono at the codec's rate, and returns the codes that are final, a list for each codebook.
  package func push(_ samples: [Float]) throws(SpeechCodecError) -> [[Int32]] {
    guard samples.allSatisfy(\.isFinite) else {
      throw SpeechCodecError(.badSample, "the samples contain a value that is not a number; clean the recording")
    }
    var codes = emptyCodes
    let length = hopLength * Self.blockFrames
    for start in stride(from: 0, to: samples.count, by: length) {
      try advance(samples[start..<min(start + length, samples.count)], isLast: false, codes: &codes)
    }
    return codes
  }

  /// Ends the clip: the remaining codes. The stream cannot be used again.
  package func finish() throws(SpeechCodecError) -> [[Int32]] {
    var codes = emptyCodes
    try advance([], isLast: true, codes: &codes)
    return codes
  }

  private var emptyCodes: [[Int32]] { Array(repeating: [], count: codebookCount) }

  private func advance(
    _ samples: ArraySlice<Float>, isLast: Bool, codes: inout [[Int32]]
  ) throws(SpeechCodecError) {
    x.setColumn(samples)
    convolve(isLast: isLast)
    switch recurrence {
    case .forward(let lstm, let state):
      lstm.forward(&x, state: state, on: context)
      trace?.recordModule("encoder.model.\(encoder.recurrenceIndex)", x)
      try quantizeRows(isLast: isLast, codes: &codes)
    case .bidirectional(let lstm, let state):
      state.input.appendRows(of: x)
      while state.input.rows >= windows.frames + windows.contextFrames, !isLast {
        try runWindow(lstm, state, keptRows: windows.frames, isLast: false, codes: &codes)
      }
      if isLast { try runWindow(lstm, state, keptRows: state.input.rows, isLast: true, codes: &codes) }
    }
  }

  /// Replaces the samples in `x` by the frames that they complete.
  private func convolve(isLast: Bool) {
    encoder.stem.forward(x, isLast: isLast, state: stem, into: &y, on: context)
    swap(&x, &y)
    trace?.recordModule("encoder.model.0", x)
    for (stage, state) in zip(encoder.stages, stages) {
      var index = stage.index
      for (block, memory) in zip(stage.blocks, state.blocks) {
        block.forward(&x, isLast: isLast, state: memory, scratch: &scratch, into: &y, on: context)
        swap(&x, &y)
        trace?.recordModule("encoder.model.\(index)", x)
        index += 1
      }
      stage.activation.apply(to: &x, on: context)
      trace?.recordModule("encoder.model.\(index)", x)
      stage.down.forward(x, isLast: isLast, state: state.down, into: &y, on: context)
      swap(&x, &y)
      trace?.recordModule("encoder.model.\(index + 1)", x)
    }
  }

  private func runWindow(
    _ lstm: BidirectionalLSTM, _ state: BidirectionalLSTM.State, keptRows: Int, isLast: Bool, codes: inout [[Int32]]
  ) throws(SpeechCodecError) {
    lstm.forward(state: state, keptRows: keptRows, on: context)
    for start in stride(from: 0, to: max(keptRows, 1), by: Self.headFrames) {
      let end = min(start + Self.headFrames, keptRows)
      lstm.copyResult(start..<end, from: state, into: &x)
      trace?.recordModule("encoder.model.\(encoder.recurrenceIndex)", x)
      try quantizeRows(isLast: isLast && end == keptRows, codes: &codes)
    }
    state.input.dropFirstRows(keptRows)
  }

  /// Sends the rows in `x` through the head and the quantizer.
  private func quantizeRows(isLast: Bool, codes: inout [[Int32]]) throws(SpeechCodecError) {
    encoder.headActivation.apply(to: &x, on: context)
    trace?.recordModule("encoder.model.\(encoder.recurrenceIndex + 1)", x)
    encoder.head.forward(x, isLast: isLast, state: head, into: &y, on: context)
    trace?.recordModule("encoder.model.\(encoder.recurrenceIndex + 2)", y)
    trace?.record("features", y)
    guard y.isFinite else { throw .notFinite("encoder", frame: codes.first?.count ?? 0) }
    quantizer.encode(y, into: &codes, state: quantizing, on: context)
  }
}

/// Bounds on the rows of every layer when a block of samples comes in.
private struct Sizes {
  let inputRows: Int
  /// Rows that reach every residual block of a stage, and its convolution.
  private(set) var stages: [[Int]] = []
  private(set) var frameRows: Int
  /// Most floats of any buffer between layers.
  private(set) var elementCount: Int

  init(_ encoder: SpeechEncoder, blockSamples: Int) {
    inputRows = blockSamples
    var rows = encoder.stem.config.outputRows(inputRows: blockSamples)
    elementCount = rows * encoder.stem.config.outputChannels
    for stage in encoder.stages {
      var inputs: [Int] = []
      for block in stage.blocks {
        inputs.append(rows)
        rows = block.outputRows(inputRows: rows)
        elementCount = max(elementCount, rows * stage.down.config.inputChannels)
      }
      inputs.append(rows)
      rows = stage.down.config.outputRows(inputRows: rows)
      elementCount = max(elementCount, rows * stage.down.config.outputChannels)
      stages.append(inputs)
    }
    frameRows = rows
  }
}
