import MioKernels

// The widest part of the decoder in little memory: one map of 16-bit floats at a time. Every block has columns for its
// input x, which its results replace, and for what lies between its two convolutions, h.
extension VAEDecoder {
  /// The blocks behind the attention, and the last convolution. Needs matrices of 16-bit floats.
  func forwardCompact(_ start: consuming FeatureMap, on context: KernelContext) throws(DiffusionError) -> FeatureMap {
    var channels = start.channels
    var map = F16FeatureMap(height: start.height, width: start.width, columns: columns(of: 0, from: channels))
    map.store(start.rows, in: input(map, channels), on: context)
    _ = consume start
    for (index, block) in blocks.enumerated() {
      for layer in block.layers {
        layer.replace(map, input(map, channels), on: context)
        try Self.check(context)
        channels = layer.conv2.outputChannels
      }
      guard let double = block.double else { continue }
      let large = F16FeatureMap(
        height: double.outputLength(map.height), width: double.outputLength(map.width),
        columns: columns(of: index + 1, from: channels))
      // The only copy that is left shares the memory of the larger map.
      map = map.copy(of: input(map, channels), toEndOf: large, on: context)
      double.forward(map, input(map, channels), into: large, input(large, channels), on: context)
      map = large
      try Self.check(context)
    }
    let region = input(map, channels)
    let scaling = norm.scaling(of: map, region, activates: true, on: context)
    let result = FeatureMap(images: 1, height: map.height, width: map.width, channels: output.outputChannels)
    output.forward(map, region, scaling: scaling, into: &result.rows, on: context)
    try Self.check(context)
    return result
  }

  /// Where a block's input lies, and its results: in the last columns.
  private func input(_ map: F16FeatureMap, _ channels: Int) -> F16FeatureMap.Region {
    F16FeatureMap.Region(first: map.columns - channels, count: channels)
  }

  /// Columns of a block: its input, or x and h of its layers.
  private func columns(of block: Int, from input: Int) -> Int {
    blocks[block].layers.reduce(input) { max($0, 2 * $1.conv2.outputChannels) }
  }
}

extension ResnetBlock {
  /// Replaces x, in the last columns of `map`, by the block's result, in as many of its last columns as it has channels.
  /// The first columns are overwritten.
  func replace(_ map: F16FeatureMap, _ x: F16FeatureMap.Region, on context: KernelContext) {
    let count = conv1.outputChannels
    let h = F16FeatureMap.Region(first: 0, count: count)
    let y = F16FeatureMap.Region(first: map.columns - count, count: count)
    let fused = shortcut.flatMap { shortcut in
      shortcut.bias.map { Convolution2d.FusedShortcut(weight: shortcut.weight, bias: $0, target: y) }
    }
    let first = norm1.scaling(of: map, x, activates: true, on: context)
    conv1.forward(map, x, scaling: first, shortcut: fused, into: map, h, on: context)
    let second = norm2.scaling(of: map, h, activates: true, on: context)
    conv2.forward(map, h, scaling: second, adds: true, into: map, y, on: context)
  }
}
