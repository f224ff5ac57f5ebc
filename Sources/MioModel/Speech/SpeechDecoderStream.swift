import MioFormat
import MioKernels

/// Decodes a clip of any length, piece by piece, in memory that does not grow with it.
///
/// Any division into pieces gives the same bits as the whole clip: the LSTM carries its memory, every convolution
/// the rows that its next window needs. The samples of a frame come out when ``lookaheadFrames`` further frames, or the
/// end, are known.
package final class SpeechDecoderStream {
  package let codebookCount: Int
  /// Frames that came in so far.
  private var frameCount = 0
  /// Frames that must follow a frame before its samples are complete.
  package let lookaheadFrames: Int

  private let decoder: SpeechDecoder
  private let quantizer: ResidualQuantizer
  private let context: KernelContext
  private let trace: SpeechTrace?

  private let stem: Conv1d.State
  private let recurrence: LSTM.State
  private let stages: [(up: ConvTranspose1d.State, blocks: [ResidualBlock.State])]
  private let head: Conv1d.State
  private var codeword: Activations
  private var x: Activations
  private var y: Activations
  private var scratch: SpeechScratch

  /// Frames that go through the network together: enough to use each weight often, few enough for the caches.
  private static let blockFrames = 64

  /// - Parameter codebooks: how many codebooks the codes will have, 1 to Q.
  package init(
    _ codec: SpeechCodec, codebooks: Int, trace: SpeechTrace? = nil, on context: KernelContext
  ) throws(SpeechCodecError) {
    guard (1...codec.quantizer.codebookCount).contains(codebooks) else {
      throw SpeechCodecError(.wrongLevelCount, "\(codebooks) codebooks; the codec has 1 to \(codec.quantizer.codebookCount)")
    }
    (decoder, quantizer, codebookCount) = (codec.decoder, codec.quantizer, codebooks)
    (self.trace, self.context) = (trace, context)
    lookaheadFrames = decoder.lookaheadFrames(hopLength: codec.config.hopLength)
    let sizes = Sizes(decoder, blockFrames: Self.blockFrames)
    stem = decoder.stem.makeState(maximumRows: Self.blockFrames)
    recurrence = decoder.recurrence.makeState(maximumRows: sizes.frameRows)
    stages = zip(decoder.stages, sizes.stages).map { stage, rows in
      (ConvTranspose1d.State(stage.up.config), zip(stage.blocks, rows).map { $0.makeState(maximumRows: $1) })
    }
    head = decoder.head.makeState(maximumRows: sizes.sampleRows)
    codeword = Activations(rows: 1, columns: codec.config.width)
    x = Activations(unspecified: 1, columns: sizes.elementCount)
    y = Activations(unspecified: 1, columns: sizes.elementCount)
    scratch = SpeechScratch(hiddenCount: sizes.elementCount, productCount: sizes.productCount)
  }

  /// Takes the codes [q, T] of the next frames and returns the samples that are complete.
  package func push(_ codes: [[Int32]]) throws(SpeechCodecError) -> [Float] {
    let count = try quantizer.frameCount(of: codes, codebooks: codebookCount)
    var samples: [Float] = []
    for start in stride(from: 0, to: count, by: Self.blockFrames) {
      try advance(codes, frames: start..<min(start + Self.blockFrames, count), isLast: false, into: &samples)
    }
    return samples
  }

  /// Ends the clip: the remaining samples. The stream cannot be used again.
  package func finish() throws(SpeechCodecError) -> [Float] {
    var samples: [Float] = []
    try advance(Array(repeating: [], count: codebookCount), frames: 0..<0, isLast: true, into: &samples)
    return samples
  }

  private func advance(
    _ codes: [[Int32]], frames: Range<Int>, isLast: Bool, into samples: inout [Float]
  ) throws(SpeechCodecError) {
    frameCount += frames.count
    quantizer.decode(codes, frames: frames, into: &x, codeword: &codeword)
    trace?.record("quantized", x)
    decoder.stem.forward(x, isLast: isLast, state: stem, into: &y, on: context)
    swap(&x, &y)
    trace?.recordModule("decoder.model.0", x)
    decoder.recurrence.forward(&x, state: recurrence, on: context)
    trace?.recordModule("decoder.model.1", x)
    for (stage, state) in zip(decoder.stages, stages) {
      var index = stage.index
      stage.activation.apply(to: &x, on: context)
      trace?.recordModule("decoder.model.\(index)", x)
      stage.up.forward(x, isLast: isLast, state: state.up, products: &scratch.product, into: &y, on: context)
      swap(&x, &y)
      trace?.recordModule("decoder.model.\(index + 1)", x)
      index += 2
      for (block, memory) in zip(stage.blocks, state.blocks) {
        block.forward(&x, isLast: isLast, state: memory, scratch: &scratch, into: &y, on: context)
        swap(&x, &y)
        trace?.recordModule("decoder.model.\(index)", x)
        index += 1
      }
    }
    decoder.headActivation.apply(to: &x, on: context)
    trace?.recordModule("decoder.model.\(decoder.headIndex)", x)
    decoder.head.forward(x, isLast: isLast, state: head, into: &y, on: context)
    trace?.recordModule("decoder.model.\(decoder.headIndex + 1)", y)
    trace?.record("wave", y)
    guard y.isFinite else { throw .notFinite("decoder", frame: max(frameCount - 1, 0)) }
    samples += y.values
  }
}

/// Bounds on the rows of every layer when a block of frames comes in.
private struct Sizes {
  /// Rows that reach the LSTM.
  let frameRows: Int
  /// Rows that reach every residual block of a stage.
  private(set) var stages: [[Int]] = []
  /// Rows that reach the last convolution.
  private(set) var sampleRows: Int
  /// Most floats of any buffer between layers, and of the products of a transposed convolution.
  private(set) var elementCount: Int
  private(set) var productCount = 0

  init(_ decoder: SpeechDecoder, blockFrames: Int) {
    frameRows = decoder.stem.config.outputRows(inputRows: blockFrames)
    var rows = frameRows
    elementCount = max(blockFrames * decoder.stem.config.inputChannels, rows * decoder.stem.config.outputChannels)
    for stage in decoder.stages {
      let up = stage.up.config
      productCount = max(productCount, (rows + 1) * 2 * up.stride * up.outputChannels)
      rows = up.outputRows(inputRows: rows)
      elementCount = max(elementCount, rows * up.outputChannels)
      var inputs: [Int] = []
      for block in stage.blocks {
        inputs.append(rows)
        rows = block.outputRows(inputRows: rows)
        elementCount = max(elementCount, rows * up.outputChannels)
      }
      stages.append(inputs)
    }
    sampleRows = rows
    productCount = max(productCount, elementCount)
  }
}
