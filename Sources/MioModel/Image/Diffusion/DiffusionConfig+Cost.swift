extension DiffusionConfig {
  /// Multiplications and additions of the U-Net for one image of a batch, convolutions, linear layers and attention;
  /// each pair counts once.
  package func networkMultiplyAdds(height: Int, width: Int) -> Int {
    var pixels = height * width
    var cost = 9 * latentChannels * channels[0] * pixels
    var (input, skips) = (channels[0], [channels[0]])
    for block in channels.indices {
      let output = channels[block]
      for _ in 0..<layerCount {
        cost += residual(from: input, to: output, pixels)
        if downAttention[block] { cost += transformer(output, pixels) }
        input = output
        skips.append(output)
      }
      guard block + 1 < channels.count else { continue }
      pixels /= 4
      cost += 9 * output * output * pixels
      skips.append(output)
    }
    cost += 2 * residual(from: input, to: input, pixels) + transformer(input, pixels)
    for block in channels.indices {
      let output = channels[channels.count - 1 - block]
      for _ in 0...layerCount {
        cost += residual(from: input + skips.removeLast(), to: output, pixels)
        if upAttention[block] { cost += transformer(output, pixels) }
        input = output
      }
      guard block + 1 < channels.count else { continue }
      pixels *= 4
      cost += 9 * output * output * pixels
    }
    return cost + 9 * input * latentChannels * pixels
  }

  /// Multiplications and additions of the image decoder for latents of that size.
  package func decoderMultiplyAdds(height: Int, width: Int) -> Int {
    var pixels = height * width
    var input = decoderChannels[decoderChannels.count - 1]
    var cost = latentChannels * (latentChannels + 9 * input) * pixels
    cost += 2 * residual(from: input, to: input, pixels) + 4 * input * input * pixels + 2 * pixels * pixels * input
    for (index, output) in decoderChannels.reversed().enumerated() {
      for _ in 0..<decoderLayerCount {
        cost += residual(from: input, to: output, pixels)
        input = output
      }
      guard index + 1 < decoderChannels.count else { continue }
      pixels *= 4
      cost += 9 * output * output * pixels
    }
    return cost + 9 * input * 3 * pixels
  }

  private func residual(from input: Int, to output: Int, _ pixels: Int) -> Int {
    (9 * input * output + 9 * output * output + (input == output ? 0 : input * output)) * pixels
  }

  /// Two projections, attention to the pixels, attention to the text, feed-forward.
  private func transformer(_ c: Int, _ pixels: Int) -> Int {
    (2 * c * c + 4 * c * c + 2 * pixels * c + 2 * c * c + 2 * textLength * c + 12 * c * c) * pixels
  }
}
