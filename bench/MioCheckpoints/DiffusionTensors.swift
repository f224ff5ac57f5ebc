import MioConverter

/// The sizes of a random Stable Diffusion 2.1 unCLIP model; MIO's own by default.
package struct DiffusionModelSizes: Hashable, Sendable {
  package var channels = [320, 640, 1280, 1280]
  package var headCounts = [5, 10, 20, 20]
  package var layerCount = 2
  package var textWidth = 1024
  package var textHeadCount = 16
  package var textInnerWidth = 4096
  package var textLayerCount = 23
  package var textLength = 77
  package var embeddingWidth = 1024
  package var latentSize = 96
  package var decoderChannels = [128, 256, 512, 512]
  package var decoderLayerCount = 2

  package init() {}

  private var conditionWidth: Int { 4 * channels[0] }

  // MARK: - U-Net

  func networkTensors() -> [TensorSpecification] {
    let (e, last) = (conditionWidth, channels.count - 1)
    var tensors = linear("time_embedding.linear_1", [e, channels[0]]) + linear("time_embedding.linear_2", [e, e])
    tensors += linear("class_embedding.linear_1", [e, 2 * embeddingWidth]) + linear("class_embedding.linear_2", [e, e])
    tensors += convolution("conv_in", from: 4, to: channels[0])
    var (width, skips) = (channels[0], [channels[0]])
    for block in channels.indices {
      let path = "down_blocks.\(block)."
      for layer in 0..<layerCount {
        tensors += residual(path + "resnets.\(layer).", from: width, to: channels[block])
        width = channels[block]
        if block < last { tensors += transformer(path + "attentions.\(layer).", width) }
        skips.append(width)
      }
      if block == last { continue }
      tensors += convolution(path + "downsamplers.0.conv", from: width, to: width)
      skips.append(width)
    }
    tensors += residual("mid_block.resnets.0.", from: width, to: width)
    tensors += transformer("mid_block.attentions.0.", width)
    tensors += residual("mid_block.resnets.1.", from: width, to: width)
    for block in channels.indices {
      let (path, output) = ("up_blocks.\(block).", channels[last - block])
      for layer in 0...layerCount {
        tensors += residual(path + "resnets.\(layer).", from: width + skips.removeLast(), to: output)
        width = output
        if block > 0 { tensors += transformer(path + "attentions.\(layer).", width) }
      }
      if block < last { tensors += convolution(path + "upsamplers.0.conv", from: width, to: width) }
    }
    return tensors + norm("conv_norm_out", width) + convolution("conv_out", from: width, to: 4)
  }

  private func transformer(_ path: String, _ width: Int) -> [TensorSpecification] {
    let block = path + "transformer_blocks.0."
    var tensors = norm(path + "norm", width) + linear(path + "proj_in", [width, width])
    for (name, source) in [("attn1", width), ("attn2", textWidth)] {
      tensors.append(matrix(block + name + ".to_q.weight", [width, width]))
      tensors.append(matrix(block + name + ".to_k.weight", [width, source]))
      tensors.append(matrix(block + name + ".to_v.weight", [width, source]))
      tensors += linear(block + name + ".to_out.0", [width, width])
    }
    for index in 1...3 { tensors += norm(block + "norm\(index)", width) }
    tensors += linear(block + "ff.net.0.proj", [8 * width, width]) + linear(block + "ff.net.2", [width, 4 * width])
    return tensors + linear(path + "proj_out", [width, width])
  }

  // MARK: - Image decoder

  func decoderTensors() -> [TensorSpecification] {
    var width = decoderChannels[decoderChannels.count - 1]
    var tensors = pointwise("post_quant_conv", from: 4, to: 4) + convolution("decoder.conv_in", from: 4, to: width)
    let middle = "decoder.mid_block."
    tensors += residual(middle + "resnets.0.", from: width, to: width, isTimed: false)
    tensors += norm(middle + "attentions.0.group_norm", width)
    for name in ["query", "key", "value", "proj_attn"] {
      tensors += linear(middle + "attentions.0." + name, [width, width])
    }
    tensors += residual(middle + "resnets.1.", from: width, to: width, isTimed: false)
    for (block, output) in decoderChannels.reversed().enumerated() {
      let path = "decoder.up_blocks.\(block)."
      for layer in 0...decoderLayerCount {
        tensors += residual(path + "resnets.\(layer).", from: width, to: output, isTimed: false)
        width = output
      }
      if block + 1 < decoderChannels.count {
        tensors += convolution(path + "upsamplers.0.conv", from: width, to: width)
      }
    }
    return tensors + norm("decoder.conv_norm_out", width) + convolution("decoder.conv_out", from: width, to: 3)
  }

  // MARK: - Text encoder

  func textTensors() -> [TensorSpecification] {
    let (e, f) = (textWidth, textInnerWidth)
    let embeddings = "text_model.embeddings."
    var tensors = [
      tensor(embeddings + "token_embedding.weight", [DiffusionModelSizes.vocabulary.count, e], 0.3),
      tensor(embeddings + "position_embedding.weight", [textLength, e], 0.1),
    ]
    for index in 0..<textLayerCount {
      let layer = "text_model.encoder.layers.\(index)."
      tensors += norm(layer + "layer_norm1", e) + norm(layer + "layer_norm2", e)
      for name in ["q_proj", "k_proj", "v_proj", "out_proj"] { tensors += linear(layer + "self_attn." + name, [e, e]) }
      tensors += linear(layer + "mlp.fc1", [f, e]) + linear(layer + "mlp.fc2", [e, f])
    }
    return tensors + norm("text_model.final_layer_norm", e)
  }

  // MARK: - Parts

  private func residual(
    _ path: String, from input: Int, to output: Int, isTimed: Bool = true
  ) -> [TensorSpecification] {
    var tensors = norm(path + "norm1", input) + convolution(path + "conv1", from: input, to: output)
    if isTimed { tensors += linear(path + "time_emb_proj", [output, conditionWidth]) }
    tensors += norm(path + "norm2", output) + convolution(path + "conv2", from: output, to: output)
    return input == output ? tensors : tensors + pointwise(path + "conv_shortcut", from: input, to: output)
  }

  private func convolution(_ path: String, from input: Int, to output: Int) -> [TensorSpecification] {
    [matrix(path + ".weight", [output, input, 3, 3]), tensor(path + ".bias", [output], 0.02)]
  }

  private func pointwise(_ path: String, from input: Int, to output: Int) -> [TensorSpecification] {
    [matrix(path + ".weight", [output, input, 1, 1]), tensor(path + ".bias", [output], 0.02)]
  }

  private func linear(_ path: String, _ shape: [Int]) -> [TensorSpecification] {
    [matrix(path + ".weight", shape), tensor(path + ".bias", [shape[0]], 0.02)]
  }

  private func norm(_ path: String, _ width: Int) -> [TensorSpecification] {
    [
      TensorSpecification(path + ".weight", [width], type: .f16, mean: 1, deviation: 0.1),
      tensor(path + ".bias", [width], 0.05),
    ]
  }

  /// Numbers that keep activations near one.
  private func matrix(_ name: String, _ shape: [Int]) -> TensorSpecification {
    tensor(name, shape, 1 / Float(shape.dropFirst().reduce(1, *)).squareRoot())
  }

  private func tensor(_ name: String, _ shape: [Int], _ deviation: Float) -> TensorSpecification {
    TensorSpecification(name, shape, type: .f16, deviation: deviation)
  }
}
