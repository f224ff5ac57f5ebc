import MioFormat

/// The speech component: a SpeechTokenizer under its own tensor names, with weight norm folded and every convolution
/// laid out as the matrix that the engine multiplies with.
enum SpeechPlan {
  static let component = "speech"

  private static let matrices = EncodingRule(
    component: component, tensors: "convolutions and LSTM matrices", q4: .panelF16, q8: .panelF16, f16: .panelF16,
    f32: .panelF32, reason: "a hundredth of the model's weights, and rounding them to fewer bits is heard as noise")
  private static let codebooks = EncodingRule(
    component: component, tensors: "codebooks", always: .panelF32,
    reason: "codes are decided by small differences of distances")
  private static let vectors = EncodingRule(
    component: component, tensors: "biases, Snake slopes, squared norms of codewords", always: .f32,
    reason: "a few numbers per channel")

  /// How the tensors of this component are stored.
  static let rules = [matrices, codebooks, vectors]

  private static let configFile = "SpeechTokenizer/config.json"
  private static let weightFile = "SpeechTokenizer/SpeechTokenizer.pt"

  /// Reads the codec's configuration and lists the tensors it asks for; nil if the checkpoint has no speech codec.
  static func plan(for checkpoint: CheckpointDirectory) throws(ConversionError) -> ComponentPlan? {
    guard checkpoint.has(configFile) || checkpoint.has(weightFile) else { return nil }
    var reader = try checkpoint.settings(configFile)
    let sizes = SpeechSizes(&reader)
    reader.finish(.speech)
    var problems = reader.problems
    var source = TensorSet()
    do { source = try checkpoint.torchTensors(weightFile) } catch { problems += error.problems }
    guard problems.isEmpty else { throw ConversionError(problems) }
    var tensors = SpeechTensors(source)
    tensors.add(sizes)
    let codebooks = sizes.codebookCount
    return ComponentPlan(
      component, config: sizes.config, tensors: tensors.planned, source: source, files: [configFile]
    ) { isUnused($0, codebooks: codebooks) }
  }

  /// What only training needs: the projection to the teacher's features and the running sums of the codebooks.
  private static func isUnused(_ name: String, codebooks: Int) -> Bool {
    if name == "transform.weight" || name == "transform.bias" { return true }
    return (0..<codebooks).contains { codebook in
      let codebook = "quantizer.vq.layers.\(codebook)._codebook."
      return ["embed_avg", "cluster_size", "inited"].contains { name == codebook + $0 }
    }
  }

  /// Collects the planned tensors in the order of the network.
  private struct SpeechTensors {
    let source: TensorSet
    var planned: [PlannedTensor] = []

    init(_ source: TensorSet) { self.source = source }

    mutating func add(_ sizes: SpeechSizes) {
      addEncoder(sizes)
      for codebook in 0..<sizes.codebookCount { addCodebook(codebook, [sizes.codebookSize, sizes.width]) }
      addDecoder(sizes)
    }

    private mutating func addEncoder(_ sizes: SpeechSizes) {
      var (index, channels) = (1, sizes.filterCount)
      addConvolution("encoder.model.0", from: 1, to: channels, taps: 7)
      for stride in sizes.strides.reversed() {
        for _ in 0..<sizes.residualLayerCount {
          addResidualBlock("encoder.model.\(index)", channels: channels, sizes)
          index += 1
        }
        addActivation("encoder.model.\(index)", channels: channels, sizes)
        addConvolution("encoder.model.\(index + 1)", from: channels, to: 2 * channels, taps: 2 * stride)
        index += 2
        channels *= 2
      }
      addLSTM("encoder.model.\(index)", width: channels, bidirectional: sizes.isBidirectional, sizes)
      if sizes.isBidirectional { channels *= 2 }
      addActivation("encoder.model.\(index + 1)", channels: channels, sizes)
      addConvolution("encoder.model.\(index + 2)", from: channels, to: sizes.width, taps: 7)
    }

    private mutating func addDecoder(_ sizes: SpeechSizes) {
      var (index, channels) = (2, sizes.filterCount << sizes.strides.count)
      addConvolution("decoder.model.0", from: sizes.width, to: channels, taps: 7)
      addLSTM("decoder.model.1", width: channels, bidirectional: false, sizes)
      for stride in sizes.strides {
        addActivation("decoder.model.\(index)", channels: channels, sizes)
        addTransposed("decoder.model.\(index + 1)", from: channels, to: channels / 2, stride: stride)
        index += 2
        channels /= 2
        for _ in 0..<sizes.residualLayerCount {
          addResidualBlock("decoder.model.\(index)", channels: channels, sizes)
          index += 1
        }
      }
      addActivation("decoder.model.\(index)", channels: channels, sizes)
      addConvolution("decoder.model.\(index + 1)", from: channels, to: 1, taps: 7)
    }

    private mutating func addResidualBlock(_ path: String, channels: Int, _ sizes: SpeechSizes) {
      let hidden = channels / 2
      addActivation(path + ".block.0", channels: channels, sizes)
      addConvolution(path + ".block.1", from: channels, to: hidden, taps: sizes.residualKernelLength)
      addActivation(path + ".block.2", channels: hidden, sizes)
      addConvolution(path + ".block.3", from: hidden, to: channels, taps: 1)
      addConvolution(path + ".shortcut", from: channels, to: channels, taps: 1)
    }

    private mutating func addActivation(_ path: String, channels: Int, _ sizes: SpeechSizes) {
      guard sizes.usesSnake else { return }
      let name = path + ".alpha"
      planned.append(PlannedTensor(name, [channels], vectors, from: .init(name, [1, channels, 1])))
    }

    private mutating func addConvolution(_ path: String, from input: Int, to output: Int, taps: Int) {
      let name = path + ".conv.conv"
      planned.append(
        matrix(name, [output, taps * input], stored: [output, input, taps]) {
          SpeechFolding.convolution($0, outputs: output, inputs: input, taps: taps)
        })
      planned.append(PlannedTensor(name + ".bias", [output], vectors))
    }

    private mutating func addTransposed(_ path: String, from input: Int, to output: Int, stride: Int) {
      let (name, taps) = (path + ".convtr.convtr", 2 * stride)
      planned.append(
        matrix(name, [taps * output, input], stored: [input, output, taps]) {
          SpeechFolding.transposedConvolution($0, inputs: input, outputs: output, taps: taps)
        })
      planned.append(PlannedTensor(name + ".bias", [output], vectors))
    }

    /// The weight under whichever of its three forms the checkpoint has: split by either generation of weight norm, or
    /// folded already.
    private func matrix(
      _ name: String, _ shape: [Int], stored: [Int], layOut: @escaping @Sendable ([Float]) -> [Float]
    ) -> PlannedTensor {
      let gains = [stored[0]] + Array(repeating: 1, count: stored.count - 1)
      let newer = name + ".parametrizations.weight.original"
      if source[name + ".weight"] != nil {
        let whole = PlannedTensor.Source(name + ".weight", stored)
        return PlannedTensor(name + ".weight", shape, matrices, from: [whole]) { layOut($0[0]) }
      }
      let isNewer = source[newer + "0"] != nil || source[newer + "1"] != nil
      let (gain, direction) = isNewer ? (newer + "0", newer + "1") : (name + ".weight_g", name + ".weight_v")
      return PlannedTensor(
        name + ".weight", shape, matrices, from: [.init(gain, gains), .init(direction, stored)]
      ) { layOut(SpeechFolding.weight(gains: $0[0], directions: $0[1])) }
    }

    private mutating func addLSTM(_ path: String, width: Int, bidirectional: Bool, _ sizes: SpeechSizes) {
      for layer in 0..<sizes.lstmLayerCount {
        let inputWidth = layer > 0 && bidirectional ? 2 * width : width
        for suffix in bidirectional ? ["l\(layer)", "l\(layer)_reverse"] : ["l\(layer)"] {
          let lstm = path + ".lstm."
          planned.append(PlannedTensor(lstm + "weight_ih_" + suffix, [4 * width, inputWidth], matrices))
          planned.append(PlannedTensor(lstm + "weight_hh_" + suffix, [4 * width, width], matrices))
          planned.append(
            PlannedTensor(
              lstm + "bias_" + suffix, [4 * width], vectors,
              from: [.init(lstm + "bias_ih_" + suffix, [4 * width]), .init(lstm + "bias_hh_" + suffix, [4 * width])],
              transform: SpeechFolding.sum))
        }
      }
    }

    private mutating func addCodebook(_ codebook: Int, _ shape: [Int]) {
      let path = "quantizer.vq.layers.\(codebook)._codebook."
      let source = PlannedTensor.Source(path + "embed", shape)
      planned.append(PlannedTensor(path + "embed", shape, codebooks))
      planned.append(
        PlannedTensor(path + "squared_norms", [shape[0]], vectors, from: [source]) {
          SpeechFolding.squaredNorms($0[0], width: shape[1])
        })
    }
  }
}
