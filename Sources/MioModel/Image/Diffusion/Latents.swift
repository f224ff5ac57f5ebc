#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// An image as the diffusion model sees it, [C, h, w].
package struct Latents: Hashable, Sendable {
  package let channels: Int
  package let height: Int
  package let width: Int
  package internal(set) var values: [Float]

  /// The most rows or columns.
  package static let maxRows = 512

  package init(_ values: [Float], channels: Int, height: Int, width: Int) {
    precondition(
      channels > 0 && height > 0 && width > 0 && values.count == channels * height * width,
      "\(values.count) values do not fill latents of \(channels) x \(height) x \(width)")
    self.channels = channels
    self.height = height
    self.width = width
    self.values = values
  }

  /// Normally distributed noise.
  ///
  /// Stream 0 of ``RandomStream`` with this seed gives pairs of uniform numbers u, w; each pair gives the two values
  /// `sqrt(-2 ln(1 - u)) cos(2πw)` and `... sin(2πw)` (Box and Muller 1958) in the order [C, h, w], rounded to floats.
  package init(seed: UInt64, channels: Int, height: Int, width: Int) {
    var random = RandomStream(seed: seed)
    var values: [Float] = []
    let count = channels * height * width
    while values.count < count {
      let radius = (-2 * log(1 - random.uniform())).squareRoot()
      let angle = 2 * Double.pi * random.uniform()
      values.append(Float(radius * cos(angle)))
      if values.count < count { values.append(Float(radius * sin(angle))) }
    }
    self.init(values, channels: channels, height: height, width: width)
  }

  func map(images: Int) -> FeatureMap {
    FeatureMap(values, channels: channels, height: height, width: width, images: images)
  }
}

/// An image as the decoder leaves it: floats beyond the range of pixels, which tests compare with the reference's. The images of
/// files and of the API are bytes, and belong to a module that this one does not know.
package struct GeneratedImage: Sendable {
  package let width: Int
  package let height: Int
  /// [3, H, W], nominally in -1...1.
  package let values: [Float]

  package init(width: Int, height: Int, values: [Float]) {
    precondition(values.count == 3 * width * height, "\(values.count) values do not fill \(width) x \(height) pixels")
    self.width = width
    self.height = height
    self.values = values
  }

  /// Red, green and blue of every pixel, row by row: `x/2 + 1/2` of 255, ties to even.
  package var bytes: [UInt8] {
    let pixels = width * height
    var bytes = [UInt8](repeating: 0, count: 3 * pixels)
    for channel in 0..<3 {
      for pixel in 0..<pixels {
        let value = values[channel * pixels + pixel] / 2 + 0.5
        // Written so that what is not a number becomes black.
        let level = value > 0 ? min(value, 1) * 255 : 0
        bytes[pixel * 3 + channel] = UInt8(level.rounded(.toNearestOrEven))
      }
    }
    return bytes
  }
}
