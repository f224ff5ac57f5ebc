import MioConverter

/// The sizes of a random SpeechTokenizer; MIO's own by default.
package struct SpeechSizes: Hashable, Sendable {
  package var filterCount = 64
  package var width = 1024
  package var semanticWidth = 768
  package var strides = [8, 5, 4, 2]
  package var codebookSize = 1024
  package var codebookCount = 8
  package var layerCount = 2
  package var residualKernelLength = 3
  package var residualLayerCount = 1
  package var dilationBase = 2
  package var isBidirectional = true
  package var activation = "ELU"

  package init() {}

  package func scaled(by scale: Double) -> SpeechSizes {
    var sizes = self
    sizes.filterCount = max(2, Int(Double(filterCount) * scale) / 2 * 2)
    sizes.width = max(16, Int(Double(width) * scale) / 16 * 16)
    sizes.semanticWidth = max(12, sizes.width * 3 / 4)
    return sizes
  }

  /// The state dict of `SpeechTokenizer.pt`, with weights that keep activations near one.
  func tensors() -> [TensorSpecification] {
    encoder() + transform() + quantizer() + decoder()
  }

  /// `SpeechTokenizer/config.json`.
  var config: String {
    """
    {
      "n_filters": \(filterCount),
      "strides": [\(strides.map(String.init).joined(separator: ", "))],
      "dimension": \(width),
      "semantic_dimension": \(semanticWidth),
      "bidirectional": \(isBidirectional),
      "dilation_base": \(dilationBase),
      "residual_kernel_size": \(residualKernelLength),
      "n_residual_layers": \(residualLayerCount),
      "lstm_layers": \(layerCount),
      "activation": "\(activation)",
      "codebook_size": \(codebookSize),
      "n_q": \(codebookCount),
      "sample_rate": 16000
    }

    """
  }

  private func encoder() -> [TensorSpecification] {
    var tensors = convolution("encoder.model.0.conv.conv", output: filterCount, input: 1, kernel: 7)
    var channels = filterCount
    var layer = 1
    for stride in strides.reversed() {
      for _ in 0..<residualLayerCount {
        tensors += residual("encoder.model.\(layer)", channels)
        layer += 1
      }
      tensors += snake("encoder.model.\(layer)", channels)
      tensors += convolution(
        "encoder.model.\(layer + 1).conv.conv", output: 2 * channels, input: channels, kernel: 2 * stride)
      channels *= 2
      layer += 2
    }
    tensors += lstm("encoder.model.\(layer).lstm", channels, directions: isBidirectional ? 2 : 1)
    tensors += snake("encoder.model.\(layer + 1)", channels * (isBidirectional ? 2 : 1))
    return tensors
      + convolution(
        "encoder.model.\(layer + 2).conv.conv", output: width, input: channels * (isBidirectional ? 2 : 1), kernel: 7)
  }

  private func decoder() -> [TensorSpecification] {
    var channels = filterCount << strides.count
    var tensors = convolution("decoder.model.0.conv.conv", output: channels, input: width, kernel: 7)
    tensors += lstm("decoder.model.1.lstm", channels, directions: 1)
    var layer = 2
    for stride in strides {
      tensors += snake("decoder.model.\(layer)", channels)
      tensors += transposed(
        "decoder.model.\(layer + 1).convtr.convtr", input: channels, output: channels / 2, kernel: 2 * stride)
      channels /= 2
      layer += 2
      for _ in 0..<residualLayerCount {
        tensors += residual("decoder.model.\(layer)", channels)
        layer += 1
      }
    }
    tensors += snake("decoder.model.\(layer)", channels)
    return tensors + convolution("decoder.model.\(layer + 1).conv.conv", output: 1, input: channels, kernel: 7)
  }

  private func transform() -> [TensorSpecification] {
    if width == semanticWidth { return [] }
    return [
      tensor("transform.weight", [semanticWidth, width], 0.03), tensor("transform.bias", [semanticWidth], 0.03),
    ]
  }

  private func quantizer() -> [TensorSpecification] {
    (0..<codebookCount).flatMap { codebook in
      let path = "quantizer.vq.layers.\(codebook)._codebook."
      return [
        tensor(path + "inited", [1], 0, mean: 1),
        tensor(path + "cluster_size", [codebookSize], 1, mean: 10),
        tensor(path + "embed", [codebookSize, width], 1 / Float(1 << codebook)),
        tensor(path + "embed_avg", [codebookSize, width], 1),
      ]
    }
  }

  // MARK: - Layers

  private func tensor(_ name: String, _ shape: [Int], _ deviation: Float, mean: Float = 0) -> TensorSpecification {
    TensorSpecification(name, shape, type: .f32, mean: mean, deviation: deviation)
  }

  private func convolution(_ name: String, output: Int, input: Int, kernel: Int) -> [TensorSpecification] {
    [
      tensor(name + ".bias", [output], 0.02), tensor(name + ".weight_g", [output, 1, 1], 0.1, mean: 1),
      tensor(name + ".weight_v", [output, input, kernel], 1 / Float(input * kernel).squareRoot()),
    ]
  }

  private func transposed(_ name: String, input: Int, output: Int, kernel: Int) -> [TensorSpecification] {
    [
      tensor(name + ".bias", [output], 0.02), tensor(name + ".weight_g", [input, 1, 1], 0.1, mean: 1),
      tensor(name + ".weight_v", [input, output, kernel], 1 / Float(output * kernel).squareRoot()),
    ]
  }

  private func residual(_ name: String, _ channels: Int) -> [TensorSpecification] {
    let hidden = channels / 2
    return snake(name + ".block.0", channels)
      + convolution(name + ".block.1.conv.conv", output: hidden, input: channels, kernel: residualKernelLength)
      + snake(name + ".block.2", hidden)
      + convolution(name + ".block.3.conv.conv", output: channels, input: hidden, kernel: 1)
      + convolution(name + ".shortcut.conv.conv", output: channels, input: channels, kernel: 1)
  }

  private func snake(_ name: String, _ channels: Int) -> [TensorSpecification] {
    activation == "Snake" ? [tensor(name + ".alpha", [1, channels, 1], 0.1, mean: 1)] : []
  }

  private func lstm(_ name: String, _ channels: Int, directions: Int) -> [TensorSpecification] {
    (0..<layerCount).flatMap { layer in
      (0..<directions).flatMap { direction in
        let suffix = "_l\(layer)" + (direction == 1 ? "_reverse" : "")
        let input = layer == 0 ? channels : channels * directions
        let deviation = 1 / Float(channels).squareRoot()
        return [
          tensor(name + ".weight_ih" + suffix, [4 * channels, input], deviation),
          tensor(name + ".weight_hh" + suffix, [4 * channels, channels], deviation),
          tensor(name + ".bias_ih" + suffix, [4 * channels], deviation),
          tensor(name + ".bias_hh" + suffix, [4 * channels], deviation),
        ]
      }
    }
  }
}
