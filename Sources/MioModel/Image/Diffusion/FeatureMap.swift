import MioKernels

/// What lies between two layers: the feature maps of a batch of images, channels last.
///
/// A reference, so that skip connections can be kept in a list; memory is freed with the last one.
final class FeatureMap {
  /// [N H W, C]: the pixels of N images one after the other, row by row.
  var rows: Activations
  let images: Int  // N
  let height: Int  // H
  let width: Int  // W

  /// A map with unspecified contents.
  init(images: Int, height: Int, width: Int, channels: Int) {
    self.images = images
    self.height = height
    self.width = width
    rows = Activations(unspecified: images * height * width, columns: channels)
  }

  /// The same image for every n: `values` [C, H, W].
  convenience init(_ values: [Float], channels: Int, height: Int, width: Int, images: Int = 1) {
    precondition(
      values.count == channels * height * width, "the values do not fill \(channels) maps of \(height) x \(width)")
    self.init(images: images, height: height, width: width, channels: channels)
    let pixels = height * width
    for image in 0..<images {
      for pixel in 0..<pixels {
        for channel in 0..<channels { rows[image * pixels + pixel, channel] = values[channel * pixels + pixel] }
      }
    }
  }

  var channels: Int { rows.columns }

  /// Another map for the same images.
  func like(channels: Int) -> FeatureMap {
    FeatureMap(images: images, height: height, width: width, channels: channels)
  }

  /// The values as the reference lays them out, [N, C, H, W].
  var channelsFirst: [Float] {
    let (pixels, channels) = (height * width, channels)
    var result = [Float](repeating: 0, count: rows.count)
    for row in 0..<rows.rows {
      let (image, pixel) = (row / pixels, row % pixels)
      for channel in 0..<channels { result[(image * channels + channel) * pixels + pixel] = rows[row, channel] }
    }
    return result
  }
}
