/// Convolution of images with channels last, 3 × 3 with a border of zeros: `y = W window + b`, stride 1 or 2.
///
/// The image is never unfolded as a whole. A band of rows is copied so that the three rows under a window lie
/// interleaved, column by column: every window is then one run of 9 C numbers, overlapping the next by two thirds, and
/// one product of the weight matrix with these runs gives the band's outputs.
package struct Convolution2d: Sendable {
  package let weight: PackedMatrix  // [C_out, 9 C_in]: column of the tap, row of the tap, channel
  package let bias: WeightVector  // [C_out]
  /// Pixels of the input from one window to the next.
  package let stride: Int
  /// Whether every input pixel stands for a square of 2 × 2: nearest-neighbour upsampling in front of the convolution.
  package let doubles: Bool

  package init(weight: PackedMatrix, bias: WeightVector, stride: Int = 1, doubles: Bool = false) {
    precondition(
      weight.columns % 9 == 0 && weight.rows == bias.count, "a 3 x 3 convolution needs 9 columns per channel")
    precondition(stride == 1 || stride == 2, "a convolution has a stride of 1 or 2")
    self.weight = weight
    self.bias = bias
    self.stride = stride
    self.doubles = doubles
  }

  package var inputChannels: Int { weight.columns / 9 }
  package var outputChannels: Int { weight.rows }

  /// Rows or columns of the result for that many of the input.
  package func outputLength(_ length: Int) -> Int { ((doubles ? 2 * length : length) - 1) / stride + 1 }

  /// Windows of a band, about: enough to use every weight many times while it is in the cache.
  private static let bandWindows = 768

  /// - Parameters:
  ///   - x: [N H W, C_in], the rows of N images one after the other.
  ///   - height: H; width: W.
  ///   - scaling: applied to x first, if given.
  ///   - adds: whether the result is added to y.
  ///   - y: [N H' W', C_out].
  package func forward(
    _ x: borrowing Activations, height: Int, width: Int, scaling: ChannelScaling? = nil, adds: Bool = false,
    into y: inout Activations, on context: KernelContext
  ) {
    precondition(
      height > 0 && width > 0 && x.columns == inputChannels && x.rows % (height * width) == 0,
      "the images do not fit the convolution")
    let images = x.rows / (height * width)
    precondition(
      y.rows == images * outputLength(height) * outputLength(width) && y.columns == outputChannels,
      "the result has another shape")
    precondition(scaling?.fits(images: images, channels: x.columns) ?? true, "the scaling has another shape")
    if weight.isFixedPoint, usesTiles(height: height, width: width) {
      forwardTiles(x, height: height, width: width, images: images, scaling, adds: adds, into: &y, on: context)
    } else if weight.isFixedPoint {
      forwardFixed(x, height: height, width: width, images: images, scaling, adds: adds, into: &y, on: context)
    } else {
      var products = Activations(rows: adds ? y.rows : 0, columns: y.columns)
      var scaled = Activations(rows: scaling == nil ? 0 : x.rows, columns: x.columns)
      scaling?.apply(to: x, into: &scaled, on: context)
      switch (scaling == nil, adds) {
      case (true, true): forwardFloat(x, height: height, width: width, into: &products, on: context)
      case (true, false): forwardFloat(x, height: height, width: width, into: &y, on: context)
      case (false, true): forwardFloat(scaled, height: height, width: width, into: &products, on: context)
      case (false, false): forwardFloat(scaled, height: height, width: width, into: &y, on: context)
      }
      if adds { y.add(products, on: context) }
    }
  }

  private func forwardFloat(
    _ x: borrowing Activations, height: Int, width: Int, into y: inout Activations, on context: KernelContext
  ) {
    let images = x.rows / (height * width)
    let (outputHeight, outputWidth) = (outputLength(height), outputLength(width))
    let geometry = Geometry(self, height: height, width: width)
    let bandRows = min(images * outputHeight, max(1, Self.bandWindows / geometry.rowWindows))
    var band = Activations(rows: bandRows, columns: geometry.rowFloats)
    var products = Activations(rows: bandRows * geometry.rowWindows, columns: outputChannels)
    for first in Swift.stride(from: 0, to: images * outputHeight, by: bandRows) {
      let rows = first..<min(first + bandRows, images * outputHeight)
      gather(x, geometry, rows, into: &band, on: context)
      let count = (rows.count - 1) * geometry.rowWindows + outputWidth
      products.reshape(rows: count)
      weight.apply(windowsOf: band, stride: 3 * stride * inputChannels, count: count, into: &products, on: context)
      collect(products, geometry, rows, into: &y, on: context)
    }
  }

  /// How a row of windows lies in a band.
  private struct Geometry {
    let height: Int
    let width: Int
    let outputHeight: Int
    let outputWidth: Int
    /// Columns of a row of the band: the image's, the border, and what makes the next row start on a window.
    let columns: Int
    /// Windows from one row to the next; those beyond the output's width straddle two rows and are thrown away.
    let rowWindows: Int
    let rowFloats: Int

    init(_ convolution: Convolution2d, height: Int, width: Int) {
      let factor = convolution.doubles ? 2 : 1
      self.height = factor * height
      self.width = factor * width
      outputHeight = convolution.outputLength(height)
      outputWidth = convolution.outputLength(width)
      rowWindows = (self.width + 2 + convolution.stride - 1) / convolution.stride
      columns = rowWindows * convolution.stride
      rowFloats = columns * 3 * convolution.inputChannels
    }
  }

  /// Interleaves the three input rows under every output row of the band.
  private func gather(
    _ x: borrowing Activations, _ geometry: Geometry, _ rows: Range<Int>, into band: inout Activations,
    on context: KernelContext
  ) {
    let channels = inputChannels
    let (from, to) = unsafe (x.base, band.base)
    let shift = doubles ? 1 : 0
    let sourceWidth = geometry.width >> shift
    // A task for each of the three rows, so that small bands keep all threads busy too.
    context.pool.run(tasks: 3 * rows.count) { task in
      let row = rows.lowerBound + task / 3
      let image = row / geometry.outputHeight
      let line = row % geometry.outputHeight * stride + task % 3 - 1
      let target = unsafe to + task / 3 * geometry.rowFloats + task % 3 * channels
      let isInside = line >= 0 && line < geometry.height
      let source =
        unsafe isInside
        ? from + (image * (geometry.height >> shift) + line >> shift) * sourceWidth * channels : nil
      for column in 0..<geometry.columns {
        let pixel = unsafe target + column * 3 * channels
        if let source = unsafe source, column >= 1, column <= geometry.width {
          unsafe pixel.update(from: source + (column - 1) >> shift * channels, count: channels)
        } else {
          unsafe pixel.update(repeating: 0, count: channels)
        }
      }
    }
  }

  /// Moves the outputs of a band to their place and adds the bias.
  private func collect(
    _ products: borrowing Activations, _ geometry: Geometry, _ rows: Range<Int>, into y: inout Activations,
    on context: KernelContext
  ) {
    let (from, to, channels) = unsafe (products.base, y.base, outputChannels)
    let floats = geometry.outputWidth * channels
    context.pool.run(tasks: rows.count) { task in
      let target = unsafe to + (rows.lowerBound + task) * floats
      unsafe target.update(from: from + task * geometry.rowWindows * channels, count: floats)
      for column in 0..<geometry.outputWidth {
        unsafe Activations.combine(target + column * channels, bias.base, count: channels) { $0 + $1 }
      }
    }
  }
}
