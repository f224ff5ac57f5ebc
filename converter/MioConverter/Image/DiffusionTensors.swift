import MioFormat

/// Lists the tensors of the diffusion component in the order of the networks.
struct DiffusionTensors {
  static let matrices = EncodingRule(
    component: DiffusionPlan.component, tensors: "other U-Net matrices",
    q4: .panelF16, q8: .panelF16, f16: .panelF16, f32: .panelF32, small: .panelQ8,
    reason: "guidance multiplies their rounding: 8 bits in all of them change the test image by 10 levels of 255")
  static let sturdy = EncodingRule(
    component: DiffusionPlan.component, tensors: "U-Net blocks of the lowest resolution, all feed-forward matrices",
    q4: .panelQ8, q8: .panelQ8, f16: .panelF16, f32: .panelF32,
    reason: "half of the U-Net's weights, and the test image changes by 1.4 levels of 255 on average")
  static let decoder = EncodingRule(
    component: DiffusionPlan.component, tensors: "image decoder convolutions and attention",
    q4: .panelF16, q8: .panelF16, f16: .panelF16, f32: .panelF32,
    reason: "run once an image, and their rounding is seen in its pixels")
  static let vectors = EncodingRule(
    component: DiffusionPlan.component, tensors: "norms, biases, text keys and values, unconditional class vector",
    always: .f32, reason: "a few numbers per channel, and constants that were computed once")

  let source: TensorSet
  let sizes: DiffusionSizes
  /// The encoding of the empty prompt, [T, textWidth].
  let text: [Float]
  private(set) var planned: [PlannedTensor] = []

  init(_ source: TensorSet, _ sizes: DiffusionSizes, text: [Float]) {
    self.source = source
    self.sizes = sizes
    self.text = text
    addConditions()
    addUNet()
    addDecoder()
  }

  // MARK: - U-Net

  private mutating func addConditions() {
    let (width, labels) = (sizes.conditionWidth, 2 * sizes.embeddingWidth)
    addLinear("time_embedding.linear_1", [width, sizes.channels[0]], Self.matrices)
    addLinear("time_embedding.linear_2", [width, width], Self.matrices)
    let first = PlannedTensor.Source("class_embedding.linear_1.weight", [width, labels])
    let firstBias = PlannedTensor.Source("class_embedding.linear_1.bias", [width])
    planned.append(
      PlannedTensor(first.name, [width, labels / 2], Self.matrices, from: [first]) {
        DiffusionFolding.leftHalf($0[0], rows: width)
      })
    planned.append(
      PlannedTensor(firstBias.name, [width], Self.vectors, from: [first, firstBias]) {
        DiffusionFolding.labelBias(weight: $0[0], bias: $0[1])
      })
    addLinear("class_embedding.linear_2", [width, width], Self.matrices)
    planned.append(
      PlannedTensor(
        "class_embedding.unconditional", [width], Self.vectors,
        from: [
          firstBias, .init("class_embedding.linear_2.weight", [width, width]),
          .init("class_embedding.linear_2.bias", [width]),
        ]
      ) { DiffusionFolding.unconditional(firstBias: $0[0], weight: $0[1], bias: $0[2]) })
  }

  private mutating func addUNet() {
    let channels = sizes.channels
    addConvolution("conv_in", from: sizes.latentChannels, to: channels[0], Self.matrices)
    var (width, skips) = (channels[0], [channels[0]])
    for block in channels.indices {
      let path = "down_blocks.\(block)."
      let rule = block + 1 == channels.count ? Self.sturdy : Self.matrices
      for layer in 0..<sizes.layerCount {
        addResidual(path + "resnets.\(layer).", from: width, to: channels[block], rule)
        width = channels[block]
        if sizes.downAttention[block] { addTransformer(path + "attentions.\(layer).", width, rule) }
        skips.append(width)
      }
      guard block + 1 < channels.count else { continue }
      addConvolution(path + "downsamplers.0.conv", from: width, to: width, rule)
      skips.append(width)
    }
    addResidual("mid_block.resnets.0.", from: width, to: width, Self.sturdy)
    addTransformer("mid_block.attentions.0.", width, Self.sturdy)
    addResidual("mid_block.resnets.1.", from: width, to: width, Self.sturdy)
    for block in channels.indices {
      let (path, output) = ("up_blocks.\(block).", channels[channels.count - 1 - block])
      let rule = block == 0 ? Self.sturdy : Self.matrices
      for layer in 0...sizes.layerCount {
        addResidual(path + "resnets.\(layer).", from: width + skips.removeLast(), to: output, rule)
        width = output
        if sizes.upAttention[block] { addTransformer(path + "attentions.\(layer).", width, rule) }
      }
      guard block + 1 < channels.count else { continue }
      addConvolution(path + "upsamplers.0.conv", from: width, to: width, rule)
    }
    addNorm("conv_norm_out", width)
    addConvolution("conv_out", from: width, to: sizes.latentChannels, Self.matrices)
  }

  private mutating func addTransformer(_ path: String, _ width: Int, _ rule: EncodingRule) {
    addNorm(path + "norm", width)
    addProjection(path + "proj_in", width, rule)
    let block = path + "transformer_blocks.0."
    addNorm(block + "norm1", width)
    for name in ["to_q", "to_k", "to_v"] { addMatrix(block + "attn1.\(name).weight", [width, width], rule) }
    addLinear(block + "attn1.to_out.0", [width, width], rule)
    addNorm(block + "norm2", width)
    addMatrix(block + "attn2.to_q.weight", [width, width], rule)
    addText(block + "attn2.", width)
    addLinear(block + "attn2.to_out.0", [width, width], rule)
    addNorm(block + "norm3", width)
    addLinear(block + "ff.net.0.proj", [8 * width, width], Self.sturdy)
    addLinear(block + "ff.net.2", [width, 4 * width], Self.sturdy)
    addProjection(path + "proj_out", width, rule)
  }

  /// The text never changes, so its keys and values are stored in place of the matrices that make them.
  private mutating func addText(_ path: String, _ width: Int) {
    let (text, textWidth) = (text, sizes.textWidth)
    for (name, matrix) in [("keys", "to_k"), ("values", "to_v")] {
      let source = PlannedTensor.Source(path + matrix + ".weight", [width, textWidth])
      planned.append(
        PlannedTensor(path + name, [text.count / textWidth, width], Self.vectors, from: [source]) {
          DiffusionFolding.project(text, width: textWidth, by: $0[0])
        })
    }
  }

  // MARK: - Image decoder

  private mutating func addDecoder() {
    let channels = sizes.decoderChannels
    addPointwise("post_quant_conv", from: sizes.latentChannels, to: sizes.latentChannels, Self.decoder)
    var width = channels[channels.count - 1]
    addConvolution("decoder.conv_in", from: sizes.latentChannels, to: width, Self.decoder)
    addResidual("decoder.mid_block.resnets.0.", from: width, to: width, Self.decoder, isTimed: false)
    addDecoderAttention("decoder.mid_block.attentions.0.", width)
    addResidual("decoder.mid_block.resnets.1.", from: width, to: width, Self.decoder, isTimed: false)
    for (block, output) in channels.reversed().enumerated() {
      let path = "decoder.up_blocks.\(block)."
      for layer in 0..<sizes.decoderLayerCount {
        addResidual(path + "resnets.\(layer).", from: width, to: output, Self.decoder, isTimed: false)
        width = output
      }
      guard block + 1 < channels.count else { continue }
      addConvolution(path + "upsamplers.0.conv", from: width, to: width, Self.decoder)
    }
    addNorm("decoder.conv_norm_out", width)
    addConvolution("decoder.conv_out", from: width, to: 3, Self.decoder)
  }

  /// The attention under the newer names, from either generation of them.
  private mutating func addDecoderAttention(_ path: String, _ width: Int) {
    addNorm(path + "group_norm", width)
    for (newer, older) in [("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")] {
      let name = source[path + older + ".weight"] == nil ? newer : older
      let weight = square(path + name + ".weight", width)
      planned.append(PlannedTensor(path + newer + ".weight", [width, width], Self.decoder, from: weight))
      planned.append(
        PlannedTensor(path + newer + ".bias", [width], Self.vectors, from: .init(path + name + ".bias", [width])))
    }
  }

  // MARK: - Parts

  private mutating func addResidual(
    _ path: String, from input: Int, to output: Int, _ rule: EncodingRule, isTimed: Bool = true
  ) {
    addNorm(path + "norm1", input)
    addConvolution(path + "conv1", from: input, to: output, rule)
    if isTimed { addLinear(path + "time_emb_proj", [output, sizes.conditionWidth], rule) }
    addNorm(path + "norm2", output)
    addConvolution(path + "conv2", from: output, to: output, rule)
    if input != output { addPointwise(path + "conv_shortcut", from: input, to: output, rule) }
  }

  private mutating func addConvolution(_ path: String, from input: Int, to output: Int, _ rule: EncodingRule) {
    let stored = PlannedTensor.Source(path + ".weight", [output, input, 3, 3])
    planned.append(
      PlannedTensor(stored.name, [output, 9 * input], rule, from: [stored]) {
        DiffusionFolding.convolution($0[0], outputs: output, inputs: input)
      })
    addVector(path + ".bias", output)
  }

  private mutating func addPointwise(_ path: String, from input: Int, to output: Int, _ rule: EncodingRule) {
    let stored = PlannedTensor.Source(path + ".weight", [output, input, 1, 1])
    planned.append(PlannedTensor(stored.name, [output, input], rule, from: stored))
    addVector(path + ".bias", output)
  }

  /// A square projection that older files hold as a convolution of one tap.
  private mutating func addProjection(_ path: String, _ width: Int, _ rule: EncodingRule) {
    planned.append(PlannedTensor(path + ".weight", [width, width], rule, from: square(path + ".weight", width)))
    addVector(path + ".bias", width)
  }

  private func square(_ name: String, _ width: Int) -> PlannedTensor.Source {
    let isConvolution = source[name]?.shape.count == 4
    return .init(name, isConvolution ? [width, width, 1, 1] : [width, width])
  }

  private mutating func addLinear(_ path: String, _ shape: [Int], _ rule: EncodingRule) {
    addMatrix(path + ".weight", shape, rule)
    addVector(path + ".bias", shape[0])
  }

  private mutating func addNorm(_ path: String, _ width: Int) {
    addVector(path + ".weight", width)
    addVector(path + ".bias", width)
  }

  private mutating func addMatrix(_ name: String, _ shape: [Int], _ rule: EncodingRule) {
    planned.append(PlannedTensor(name, shape, rule))
  }

  private mutating func addVector(_ name: String, _ count: Int) {
    planned.append(PlannedTensor(name, [count], Self.vectors))
  }
}
