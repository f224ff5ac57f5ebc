import MioFormat

/// Sizes of a SpeechTokenizer, from the configuration of the component `speech`.
package struct SpeechConfig: Hashable, Sendable {
  /// Channels behind the first convolution; each downsampling doubles them.
  package let filterCount: Int
  /// Upsampling factors in the decoder's order; the encoder uses them backwards.
  package let strides: [Int]
  /// D: width of a frame between encoder and decoder, and of a codeword.
  package let width: Int
  package let lstmLayerCount: Int
  /// Whether the encoder's LSTM runs in both directions. The decoder's never does.
  package let isBidirectional: Bool
  package let dilationBase: Int
  package let residualKernelLength: Int
  package let residualLayerCount: Int
  package let usesSnake: Bool
  package let codebookSize: Int
  /// Q: codebooks of the residual quantizer.
  package let codebookCount: Int
  package let sampleRateHz: Int

  /// Samples per frame.
  package var hopLength: Int { strides.reduce(1, *) }
  /// Channels at the frame rate, and width of the LSTMs.
  var innerWidth: Int { filterCount << strides.count }

  package init(_ table: ConfigTable) throws(ModelFileError) {
    func size(_ key: String, _ range: ClosedRange<Int>) throws(ModelFileError) -> Int {
      let value = try table.int(key)
      if range.contains(value) { return value }
      throw Self.invalid(key, expected: "\(range.lowerBound) to \(range.upperBound)", found: "\(value)")
    }
    filterCount = try size("filter_count", 2...1 << 12)
    strides = try table.ints("strides")
    width = try size("width", 1...1 << 16)
    lstmLayerCount = try size("lstm_layer_count", 1...16)
    isBidirectional = try table.bool("bidirectional")
    dilationBase = try size("dilation_base", 1...16)
    residualKernelLength = try size("residual_kernel_length", 1...64)
    residualLayerCount = try size("residual_layer_count", 1...8)
    codebookSize = try size("codebook_size", 1...1 << 20)
    codebookCount = try size("codebook_count", 1...64)
    sampleRateHz = try size("sample_rate", 1_000...768_000)
    let activation = try table.string("activation")
    usesSnake = activation == "Snake"
    if activation != "Snake" && activation != "ELU" {
      throw Self.invalid("activation", expected: "ELU or Snake", found: activation)
    }
    // Bounds that keep every later product of sizes far from overflow.
    if strides.isEmpty || strides.count > 8 || !strides.allSatisfy((1...64).contains) || hopLength > 1 << 16 {
      throw Self.invalid("strides", expected: "1 to 8 factors of 1 to 64, product at most 65536", found: "\(strides)")
    }
    try checkSpan()
  }

  /// Most rows between the first and the last tap of a convolution; what waits for them is kept in memory.
  private static let spanLimit = 1 << 16

  /// Refuses residual blocks whose dilation grows beyond what a stream can wait for.
  private func checkSpan() throws(ModelFileError) {
    var span = residualKernelLength - 1
    for _ in 1..<residualLayerCount { span *= dilationBase }
    guard span <= Self.spanLimit else {
      throw Self.invalid("dilation_base", expected: "a span of at most \(Self.spanLimit) rows", found: "\(span)")
    }
  }

  private static func invalid(_ key: String, expected: String, found: String) -> ModelFileError {
    ModelFileError(
      .invalidConfig, "a speech codec of this size is not supported; convert the checkpoint again", component: "speech",
      item: key, expected: expected, found: found)
  }
}
