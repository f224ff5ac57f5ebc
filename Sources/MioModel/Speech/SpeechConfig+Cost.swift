extension SpeechConfig {
  /// Multiplications and additions of the encoder for one frame, without the quantizer; each pair counts once.
  package var encoderMultiplyAdds: Int {
    var cost = 7 * filterCount * hopLength
    var channels = filterCount
    var rows = hopLength  // of one frame
    for stride in strides.reversed() {
      cost += residualMultiplyAdds(channels) * rows
      rows /= stride
      cost += 2 * stride * channels * 2 * channels * rows
      channels *= 2
    }
    let directions = isBidirectional ? 2 : 1
    cost += directions * recurrentMultiplyAdds(channels, inputs: channels, laterInputs: directions * channels)
    return cost + 7 * directions * channels * width
  }

  /// Multiplications and additions of the decoder for one frame; each pair counts once.
  package var decoderMultiplyAdds: Int {
    var channels = filterCount << strides.count
    var cost = 7 * width * channels + recurrentMultiplyAdds(channels, inputs: channels, laterInputs: channels)
    var rows = 1  // of one frame
    for stride in strides {
      cost += 2 * stride * channels * (channels / 2) * rows
      rows *= stride
      channels /= 2
      cost += residualMultiplyAdds(channels) * rows
    }
    return cost + 7 * channels * rows
  }

  /// One row through a residual block and its shortcut.
  private func residualMultiplyAdds(_ channels: Int) -> Int {
    let hidden = channels / 2
    return residualLayerCount * (residualKernelLength * channels * hidden + hidden * channels + channels * channels)
  }

  /// One frame through all layers of one direction.
  private func recurrentMultiplyAdds(_ hidden: Int, inputs: Int, laterInputs: Int) -> Int {
    4 * hidden * (inputs + hidden) + (lstmLayerCount - 1) * 4 * hidden * (laterInputs + hidden)
  }
}
