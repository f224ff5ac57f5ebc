extension Image {
  /// The image at another size, by bilinear interpolation with antialiasing.
  ///
  /// Bit for bit what Pillow 10.1.0 (`Image.resize` with `BILINEAR`) gives, which the reference uses: a triangle that
  /// widens with the reduction, weights of 22 bits, first along the rows, rounded to 8 bits, then along the columns.
  public func resized(width: Int, height: Int) -> Image {
    precondition(width > 0 && height > 0, "an image needs a width and a height")
    var pixels = rgb
    if width != self.width {
      pixels = Self.alongRows(
        pixels, rows: self.height, width: self.width, windows: ResizeWindow.all(from: self.width, to: width))
    }
    if height != self.height {
      pixels = Self.alongColumns(
        pixels, width: width, windows: ResizeWindow.all(from: self.height, to: height))
    }
    return Image(width: width, height: height, rgb: pixels)
  }

  private static func alongRows(_ pixels: [UInt8], rows: Int, width: Int, windows: [ResizeWindow]) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(rows * windows.count * 3)
    for row in 0..<rows {
      for window in windows {
        var (red, green, blue) = (ResizeWindow.half, ResizeWindow.half, ResizeWindow.half)
        var index = (row * width + window.first) * 3
        for weight in window.weights {
          red &+= weight &* Int(pixels[index])
          green &+= weight &* Int(pixels[index + 1])
          blue &+= weight &* Int(pixels[index + 2])
          index += 3
        }
        result.append(ResizeWindow.rounded(red))
        result.append(ResizeWindow.rounded(green))
        result.append(ResizeWindow.rounded(blue))
      }
    }
    return result
  }

  private static func alongColumns(_ pixels: [UInt8], width: Int, windows: [ResizeWindow]) -> [UInt8] {
    let stride = 3 * width
    var result: [UInt8] = []
    result.reserveCapacity(windows.count * stride)
    var sums = [Int](repeating: 0, count: stride)
    for window in windows {
      for column in 0..<stride { sums[column] = ResizeWindow.half }
      for (offset, weight) in window.weights.enumerated() {
        let start = (window.first + offset) * stride
        for column in 0..<stride { sums[column] &+= weight &* Int(pixels[start + column]) }
      }
      for sum in sums { result.append(ResizeWindow.rounded(sum)) }
    }
    return result
  }
}

/// The pixels that one pixel of the result is made of.
private struct ResizeWindow {
  /// The first of them.
  let first: Int
  /// In units of 2^-22.
  let weights: [Int]

  static let half = 1 << 21

  static func rounded(_ sum: Int) -> UInt8 { UInt8(max(0, min(255, sum >> 22))) }

  static func all(from input: Int, to output: Int) -> [ResizeWindow] {
    let scale = Double(input) / Double(output)
    let reach = max(scale, 1)
    return (0..<output).map { index in
      let center = (Double(index) + 0.5) * scale
      let first = max(0, Int(center - reach + 0.5))
      let last = min(input, Int(center + reach + 0.5))
      let triangle = (0..<(last - first)).map { max(0, 1 - abs((Double($0 + first) - center + 0.5) / reach)) }
      let sum = triangle.reduce(0, +)
      return ResizeWindow(first: first, weights: triangle.map { Int($0 / sum * Double(1 << 22) + 0.5) })
    }
  }
}
