import MioKernels

/// What lies between two layers: the feature maps of a batch of pictures, channels last.
///
/// A reference, so that skip connections can be kept in a list; memory is freed with the last one.
final class FeatureMap {
  /// [N H W, C]: the pixels of N pictures one after the other, row by row.
  var rows: Activations
  let pictures: Int  // N
  let height: Int  // H
  let width: Int  // W

  /// A map with unspecified contents.
  init(pictures: Int, height: Int, width: Int, channels: Int) {
    self.pictures = pictures
    self.height = height
    self.width = width
    rows = Activations(unspecified: pictures * height * width, columns: channels)
  }

  /// The same picture for every n: `values` [C, H, W].
  convenience init(_ values: [Float], channels: Int, height: Int, width: Int, pictures: Int = 1) {
    precondition(
      values.count == channels * height * width, "the values do not fill \(channels) maps of \(height) x \(width)")
    self.init(pictures: pictures, height: height, width: width, channels: channels)
    let pixels = height * width
    for picture in 0..<pictures {
      for pixel in 0..<pixels {
        for channel in 0..<channels { rows[picture * pixels + pixel, channel] = values[channel * pixels + pixel] }
      }
    }
  }

  var channels: Int { rows.columns }

  /// Another map for the same pictures.
  func like(channels: Int) -> FeatureMap {
    FeatureMap(pictures: pictures, height: height, width: width, channels: channels)
  }

  /// The values as the reference lays them out, [N, C, H, W].
  var channelsFirst: [Float] {
    let (pixels, channels) = (height * width, channels)
    var result = [Float](repeating: 0, count: rows.count)
    for row in 0..<rows.rows {
      let (picture, pixel) = (row / pixels, row % pixels)
      for channel in 0..<channels { result[(picture * channels + channel) * pixels + pixel] = rows[row, channel] }
    }
    return result
  }
}
