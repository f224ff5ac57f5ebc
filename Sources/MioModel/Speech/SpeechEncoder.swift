import MioFormat
import MioKernels

/// Waveform to features: convolutions that shorten time by the strides, an LSTM, a last convolution.
///
/// `SEANetEncoder` of ZhangXInFD/SpeechTokenizer, `speechtokenizer/modules/seanet.py`.
struct SpeechEncoder: Sendable {
  /// Residual blocks, then a convolution that shortens time by its stride and doubles the channels.
  struct Stage: Sendable {
    let blocks: [ResidualBlock]
    let activation: SpeechActivation
    let down: Conv1d
    /// Number of the first block in `encoder.model`.
    let index: Int
  }

  enum Recurrence: Sendable {
    case forward(LSTM)
    case bidirectional(BidirectionalLSTM)
  }

  let stem: Conv1d  // 1 -> C
  let stages: [Stage]
  let recurrence: Recurrence
  let recurrenceIndex: Int
  let headActivation: SpeechActivation
  let head: Conv1d  // H or 2H -> D
  let width: Int
  let innerWidth: Int

  init(_ config: SpeechConfig, from weights: WeightScope) throws(ModelFileError) {
    let model = weights["model"]
    var (index, channels) = (0, config.filterCount)
    stem = try Conv1d(
      .init(inputChannels: 1, outputChannels: channels, kernelLength: 7), from: model[0]["conv"]["conv"])
    index += 1
    var stages: [Stage] = []
    for stride in config.strides.reversed() {
      let first = index
      var blocks: [ResidualBlock] = []
      var dilation = 1
      for _ in 0..<config.residualLayerCount {
        blocks.append(try ResidualBlock(config, channels: channels, dilation: dilation, from: model[index]))
        dilation *= config.dilationBase
        index += 1
      }
      let activation = try SpeechActivation(config, channels: channels, from: model[index])
      let down = try Conv1d(
        .init(inputChannels: channels, outputChannels: 2 * channels, kernelLength: 2 * stride, stride: stride),
        from: model[index + 1]["conv"]["conv"])
      stages.append(Stage(blocks: blocks, activation: activation, down: down, index: first))
      index += 2
      channels *= 2
    }
    self.stages = stages
    recurrenceIndex = index
    let (lstm, layers) = (model[index]["lstm"], config.lstmLayerCount)
    recurrence =
      config.isBidirectional
      ? .bidirectional(try BidirectionalLSTM(width: channels, layerCount: layers, from: lstm))
      : .forward(try LSTM(width: channels, layerCount: layers, from: lstm))
    innerWidth = channels
    if config.isBidirectional { channels *= 2 }
    headActivation = try SpeechActivation(config, channels: channels, from: model[index + 1])
    head = try Conv1d(
      .init(inputChannels: channels, outputChannels: config.width, kernelLength: 7),
      from: model[index + 2]["conv"]["conv"])
    width = config.width
  }
}
