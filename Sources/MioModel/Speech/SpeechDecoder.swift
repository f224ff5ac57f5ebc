import MioFormat
import MioKernels

/// Features to waveform: a convolution, an LSTM, transposed convolutions that lengthen time by the strides.
///
/// `SEANetDecoder` of ZhangXInFD/SpeechTokenizer, `speechtokenizer/modules/seanet.py`.
struct SpeechDecoder: Sendable {
  /// A transposed convolution that lengthens time by its stride and halves the channels, then residual blocks.
  struct Stage: Sendable {
    let activation: SpeechActivation
    let up: ConvTranspose1d
    let blocks: [ResidualBlock]
    /// Number of the activation in `decoder.model`.
    let index: Int
  }

  let stem: Conv1d  // D -> H
  let recurrence: LSTM
  let stages: [Stage]
  let headActivation: SpeechActivation
  let head: Conv1d  // C -> 1
  let headIndex: Int

  init(_ config: SpeechConfig, from weights: WeightScope) throws(ModelFileError) {
    let model = weights["model"]
    var (index, channels) = (2, config.innerWidth)
    stem = try Conv1d(
      .init(inputChannels: config.width, outputChannels: channels, kernelLength: 7), from: model[0]["conv"]["conv"])
    recurrence = try LSTM(width: channels, layerCount: config.lstmLayerCount, from: model[1]["lstm"])
    var stages: [Stage] = []
    for stride in config.strides {
      let first = index
      let activation = try SpeechActivation(config, channels: channels, from: model[index])
      let up = try ConvTranspose1d(
        .init(inputChannels: channels, outputChannels: channels / 2, stride: stride),
        from: model[index + 1]["convtr"]["convtr"])
      index += 2
      channels /= 2
      var blocks: [ResidualBlock] = []
      var dilation = 1
      for _ in 0..<config.residualLayerCount {
        blocks.append(try ResidualBlock(config, channels: channels, dilation: dilation, from: model[index]))
        dilation *= config.dilationBase
        index += 1
      }
      stages.append(Stage(activation: activation, up: up, blocks: blocks, index: first))
    }
    self.stages = stages
    headIndex = index
    headActivation = try SpeechActivation(config, channels: channels, from: model[index])
    head = try Conv1d(
      .init(inputChannels: channels, outputChannels: 1, kernelLength: 7), from: model[index + 1]["conv"]["conv"])
  }

  /// Frames behind a frame that its samples depend on: what a stream must know before it can finish them.
  func lookaheadFrames(hopLength: Int) -> Int {
    var rows = hopLength + head.config.right
    for stage in stages.reversed() {
      rows += stage.blocks.reduce(0) { $0 + $1.inner.config.right }
      let stride = stage.up.config.stride
      rows = (rows + stage.up.config.left + stride - 1) / stride
    }
    return rows + stem.config.right - 1
  }
}
