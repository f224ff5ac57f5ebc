import CMioKernels

/// Group normalization of images with channels last, and the activation that often follows:
/// `y = silu((x - mean) / sqrt(variance + epsilon) · weight + bias)`, mean and variance over the pixels and the
/// neighbouring channels of a group, for each image of a batch alone.
///
/// Wu and He 2018, arXiv:1803.08494. Sums are taken over fixed blocks of rows and added in their order in double
/// precision, so that the result does not depend on the number of threads.
package struct GroupNormalization: Sendable {
  package let groupCount: Int
  package let epsilon: Float
  package let weight: WeightVector  // [C]
  package let bias: WeightVector  // [C]

  /// Rows of one partial sum.
  private static let blockRows = 64

  package init(groupCount: Int, epsilon: Float, weight: WeightVector, bias: WeightVector) {
    precondition(
      weight.count == bias.count && weight.count % groupCount == 0, "the channels do not divide into the groups")
    self.groupCount = groupCount
    self.epsilon = epsilon
    self.weight = weight
    self.bias = bias
  }

  /// - Parameters:
  ///   - x: [N P, C], the pixels of N images one after the other.
  ///   - images: N.
  ///   - activates: whether SiLU follows.
  ///   - y: becomes [N P, C].
  package func forward(
    _ x: borrowing Activations, images: Int, activates: Bool, into y: inout Activations, on context: KernelContext
  ) {
    y.reshape(rows: x.rows, columns: x.columns)
    scaling(of: x, images: images, activates: activates, on: context).apply(to: x, into: &y, on: context)
  }

  /// The norm of these images as a factor and an offset of every channel, for whoever reads the images next.
  package func scaling(
    of x: borrowing Activations, images: Int, activates: Bool, on context: KernelContext
  ) -> ChannelScaling {
    let channels = weight.count
    precondition(x.columns == channels && images > 0 && x.rows % images == 0, "the images do not fit the norm")
    let pixels = x.rows / images
    let base = unsafe x.base
    return scaling(images: images, pixels: pixels, activates: activates) { centers, squared in
      unsafe blockSums(images: images, pixels: pixels, on: context) { image, rows, sums in
        unsafe centers.withUnsafeBufferPointer { centers in
          unsafe sumColumns(
            base + (image * pixels + rows.lowerBound) * channels, rows: rows.count,
            centers: centers.baseAddress! + image * channels, squared: squared, into: sums, variant: context.variant)
        }
      }
    }
  }

  /// - Parameter sums: the sums of x - center, or of its square, of every channel of every image.
  func scaling(
    images: Int, pixels: Int, activates: Bool, _ sums: (_ centers: [Float], _ squared: Bool) -> [Double]
  ) -> ChannelScaling {
    let (channels, pixels) = (weight.count, max(pixels, 1))
    var scaling = ChannelScaling(images: images, channels: channels, activates: activates)
    let means = groupMeans(sums([Float](repeating: 0, count: images * channels), false), pixels)
    let centers = means.flatMap { Array(repeating: Float($0), count: channels / groupCount) }
    let variances = groupMeans(sums(centers, true), pixels)
    for image in 0..<images {
      for channel in 0..<channels {
        let group = image * groupCount + channel / (channels / groupCount)
        let factor = weight[channel] / (Float(variances[group]) + epsilon).squareRoot()
        scaling.factors[image * channels + channel] = factor
        scaling.offsets[image * channels + channel] = bias[channel] - Float(means[group]) * factor
      }
    }
    return scaling
  }

  /// Adds up what `body` writes for every block of rows of every image.
  func blockSums(
    images: Int, pixels: Int, on context: KernelContext,
    _ body: (_ image: Int, _ rows: Range<Int>, _ sums: UnsafeMutablePointer<Float>) -> Void
  ) -> [Double] {
    let channels = weight.count
    let blocks = (pixels + Self.blockRows - 1) / Self.blockRows
    let partial = Activations(unspecified: images * blocks, columns: channels)
    let target = unsafe partial.base
    context.pool.run(tasks: images * blocks) { task in
      let first = task % blocks * Self.blockRows
      unsafe body(task / blocks, first..<min(pixels, first + Self.blockRows), target + task * channels)
    }
    var sums = [Double](repeating: 0, count: images * channels)
    for task in 0..<(images * blocks) {
      let start = task / blocks * channels
      for channel in 0..<channels { sums[start + channel] += Double(partial[task, channel]) }
    }
    return sums
  }

  /// Sums of x - center, or of its square, of every column of some rows, in their order.
  func sumColumns(
    _ x: UnsafePointer<Float>, rows: Int, centers: UnsafePointer<Float>, squared: Bool,
    into sums: UnsafeMutablePointer<Float>, variant: KernelVariant
  ) {
    let channels = weight.count
    unsafe variant.table.pointee.column_sums(x, rows, channels, centers, squared ? 1 : 0, channels, sums)
  }

  /// Means over the pixels and channels of every group of every image.
  private func groupMeans(_ sums: [Double], _ pixels: Int) -> [Double] {
    let width = weight.count / groupCount
    return stride(from: 0, to: sums.count, by: width).map { start in
      sums[start..<(start + width)].reduce(0, +) / Double(width * pixels)
    }
  }
}

/// A factor and an offset for every channel of every image of a batch, and the activation that may follow:
/// `y = silu(x · factor + offset)`.
package struct ChannelScaling: Sendable {
  let images: Int
  let channels: Int
  let activates: Bool
  var factors: [Float]  // [N, C]
  var offsets: [Float]  // [N, C]

  init(images: Int, channels: Int, activates: Bool) {
    (self.images, self.channels, self.activates) = (images, channels, activates)
    factors = [Float](repeating: 1, count: images * channels)
    offsets = [Float](repeating: 0, count: images * channels)
  }

  func fits(images: Int, channels: Int) -> Bool { self.images == images && self.channels == channels }

  /// Overwrites `y`, as large as x.
  func apply(to x: borrowing Activations, into y: inout Activations, on context: KernelContext) {
    precondition(y.rows == x.rows && y.columns == x.columns && channels == x.columns, "the scaling has another shape")
    let (from, to, channels, pixels) = unsafe (x.base, y.base, channels, max(1, x.rows / images))
    let kernel = unsafe context.variant.table.pointee.scale_rows
    unsafe factors.withUnsafeBufferPointer { factors in
      unsafe offsets.withUnsafeBufferPointer { offsets in
        guard let factors = factors.baseAddress, let offsets = offsets.baseAddress else { return }
        y.forEachRow(on: context) { row, _ in
          let start = row / pixels * channels
          let source = unsafe mio_float_rows(
            base: from + row * channels, stride: channels, rows: 1, columns: channels, factor: factors + start,
            offset: offsets + start, activates: activates ? 1 : 0)
          unsafe kernel(source, to + row * channels)
        }
      }
    }
  }
}
