/// Group normalization of pictures with channels last, and the activation that often follows:
/// `y = silu((x - mean) / sqrt(variance + epsilon) · weight + bias)`, mean and variance over the pixels and the
/// neighbouring channels of a group, for each picture of a batch alone.
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
  ///   - x: [N P, C], the pixels of N pictures one after the other.
  ///   - pictures: N.
  ///   - activates: whether SiLU follows.
  ///   - y: becomes [N P, C].
  package func forward(
    _ x: borrowing Activations, pictures: Int, activates: Bool, into y: inout Activations, on context: KernelContext
  ) {
    let channels = weight.count
    precondition(x.columns == channels && pictures > 0 && x.rows % pictures == 0, "the pictures do not fit the norm")
    y.reshape(rows: x.rows, columns: channels)
    let pixels = x.rows / pictures
    guard pixels > 0 else { return }
    // The factor and the offset of every channel, for each picture: y = x · factor + offset.
    var factors = Activations(rows: pictures, columns: channels)
    var offsets = Activations(rows: pictures, columns: channels)
    let zeros = [Float](repeating: 0, count: pictures * channels)
    let means = groupMeans(channelSums(x, pictures, centers: zeros, squared: false, on: context), pixels)
    let centers = means.flatMap { Array(repeating: Float($0), count: channels / groupCount) }
    let variances = groupMeans(channelSums(x, pictures, centers: centers, squared: true, on: context), pixels)
    for picture in 0..<pictures {
      for channel in 0..<channels {
        let group = picture * groupCount + channel / (channels / groupCount)
        let factor = weight[channel] / (Float(variances[group]) + epsilon).squareRoot()
        factors[picture, channel] = factor
        offsets[picture, channel] = bias[channel] - Float(means[group]) * factor
      }
    }
    apply(x, factors, offsets, pixels: pixels, activates: activates, into: &y, on: context)
  }

  /// Sums of x - center, or of its square, of every channel of every picture.
  private func channelSums(
    _ x: borrowing Activations, _ pictures: Int, centers: [Float], squared: Bool, on context: KernelContext
  ) -> [Double] {
    let (channels, pixels) = (x.columns, x.rows / pictures)
    let blocks = (pixels + Self.blockRows - 1) / Self.blockRows
    let partial = Activations(rows: pictures * blocks, columns: channels)
    let (from, to) = unsafe (x.base, partial.base)
    // The closures of this call use raw pointers; all of them outlive it.
    unsafe centers.withUnsafeBufferPointer { centers in
      guard let centers = centers.baseAddress else { return }
      context.pool.run(tasks: pictures * blocks) { task in
        let (picture, block) = (task / blocks, task % blocks)
        let rows = (block * Self.blockRows)..<min(pixels, (block + 1) * Self.blockRows)
        for channel in stride(from: 0, to: channels, by: 16) {
          let count = min(16, channels - channel)
          let center = unsafe Activations.load(centers + picture * channels + channel, count)
          var sum = Lanes(repeating: 0)
          for row in rows {
            let value = unsafe Activations.load(from + (picture * pixels + row) * channels + channel, count) - center
            sum += squared ? value * value : value
          }
          for lane in 0..<count { unsafe to[task * channels + channel + lane] = sum[lane] }
        }
      }
    }
    var sums = [Double](repeating: 0, count: pictures * channels)
    for task in 0..<(pictures * blocks) {
      let start = task / blocks * channels
      for channel in 0..<channels { sums[start + channel] += Double(partial[task, channel]) }
    }
    return sums
  }

  /// Means over the pixels and channels of every group of every picture.
  private func groupMeans(_ sums: [Double], _ pixels: Int) -> [Double] {
    let width = weight.count / groupCount
    return stride(from: 0, to: sums.count, by: width).map { start in
      sums[start..<(start + width)].reduce(0, +) / Double(width * pixels)
    }
  }

  private func apply(
    _ x: borrowing Activations, _ factors: borrowing Activations, _ offsets: borrowing Activations, pixels: Int,
    activates: Bool, into y: inout Activations, on context: KernelContext
  ) {
    let (from, to, channels) = unsafe (x.base, y.base, x.columns)
    let (factors, offsets) = unsafe (factors.base, offsets.base)
    y.forEachRow(on: context) { row, _ in
      let start = row / pixels * channels
      let (source, target) = unsafe (from + row * channels, to + row * channels)
      for channel in stride(from: 0, to: channels, by: 16) {
        let count = min(16, channels - channel)
        let factor = unsafe Activations.load(factors + start + channel, count)
        let offset = unsafe Activations.load(offsets + start + channel, count)
        var value = unsafe Activations.load(source + channel, count) * factor + offset
        if activates { value = value * VectorMath.sigmoid(value) }
        unsafe Activations.store(value, target + channel, count)
      }
    }
  }
}
