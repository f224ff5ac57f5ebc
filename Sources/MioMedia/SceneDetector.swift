/// Finds the cuts of a video: frames that differ much from the frame before.
///
/// The content detector of PySceneDetect 0.6.4 as the reference uses it: the mean change of hue, saturation and value
/// between frames of about 256 columns; 27 or more is a cut, and scenes have at least 15 frames.
struct SceneDetector {
  static let threshold = 27.0
  static let shortestScene = 15

  private var frame = 0
  private var previous: (width: Int, height: Int, pixels: [UInt8])?  // hue, saturation, value
  /// First frames of scenes after the first.
  private(set) var cuts: [Int] = []
  // The filter that merges cuts which follow each other too closely.
  private var last = 0
  private var mayMerge = false
  private var mergeStart: Int?

  /// Takes the next frame.
  mutating func push(_ image: Image) {
    let shrunk = image.shrunk()
    let pixels = Self.hueSaturationValue(shrunk.rgb)
    push(score: score(shrunk.width, shrunk.height, pixels))
    previous = (shrunk.width, shrunk.height, pixels)
  }

  /// Takes the next frame by how much it differs from the one before.
  mutating func push(score: Double) {
    defer { frame += 1 }
    let isAbove = score >= Self.threshold
    let isFar = frame - last >= Self.shortestScene
    if isAbove { last = frame }
    if let start = mergeStart {
      if isFar, !isAbove, last - start >= Self.shortestScene {
        mergeStart = nil
        cuts.append(last)
      }
    } else if isAbove, isFar {
      mayMerge = true
      cuts.append(frame)
    } else if isAbove, mayMerge {
      mergeStart = frame
    }
  }

  private func score(_ width: Int, _ height: Int, _ pixels: [UInt8]) -> Double {
    guard let previous else { return 0 }
    // A video does not change its size; a folder of images may, and then nothing connects the two.
    guard previous.width == width, previous.height == height else { return 255 }
    var sum = 0
    for index in pixels.indices { sum += abs(Int(pixels[index]) - Int(previous.pixels[index])) }
    return Double(sum) / Double(pixels.count)
  }

  /// One frame from the middle of each of `count` frames' scenes; empty without cuts.
  func middles(of count: Int) -> [Int] {
    guard !cuts.isEmpty else { return [] }
    let starts = [0] + cuts
    return zip(starts, cuts + [count]).map { $0 + ($1 - $0) / 2 }
  }

  /// The colors by hue (0...179), saturation and value, rounded as OpenCV rounds them.
  static func hueSaturationValue(_ rgb: [UInt8]) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: rgb.count)
    for start in stride(from: 0, to: rgb.count, by: 3) {
      let (red, green, blue) = (Int(rgb[start]), Int(rgb[start + 1]), Int(rgb[start + 2]))
      let value = max(red, green, blue)
      let range = value - min(red, green, blue)
      var hue = 0
      if range > 0 {
        let sixth =
          value == red ? green - blue : value == green ? blue - red + 2 * range : red - green + 4 * range
        hue = (sixth * hueScale[range] + 2048) >> 12
        if hue < 0 { hue += 180 }
      }
      result[start] = UInt8(hue)
      result[start + 1] = UInt8((range * saturationScale[value] + 2048) >> 12)
      result[start + 2] = UInt8(value)
    }
    return result
  }

  private static let hueScale = [0] + (1...255).map { Int((Double(180 << 12) / (6 * Double($0))).rounded(.toNearestOrEven)) }
  private static let saturationScale = [0] + (1...255).map { Int((Double(255 << 12) / Double($0)).rounded(.toNearestOrEven)) }
}

extension Image {
  /// The image at about 256 columns, by bilinear interpolation without antialiasing.
  func shrunk() -> Image {
    let factor = self.width / 256
    if factor < 2 { return self }
    func length(_ side: Int) -> Int {
      max(1, Int((Double(side) / Double(factor)).rounded(.toNearestOrEven)))
    }
    let (columns, rows) = (length(self.width), length(self.height))
    let across = Self.taps(from: self.width, to: columns)
    let down = Self.taps(from: self.height, to: rows)
    var pixels = [UInt8](repeating: 0, count: 3 * rows * columns)
    for row in 0..<rows {
      let (top, bottom, lower) = down[row]
      for column in 0..<columns {
        let (left, right, later) = across[column]
        for channel in 0..<3 {
          func at(_ y: Int, _ x: Int) -> Int { Int(rgb[3 * (y * self.width + x) + channel]) }
          let upper = at(top, left) * (2048 - later) + at(top, right) * later
          let under = at(bottom, left) * (2048 - later) + at(bottom, right) * later
          pixels[3 * (row * columns + column) + channel] = UInt8((upper * (2048 - lower) + under * lower + (1 << 21)) >> 22)
        }
      }
    }
    return Image(width: columns, height: rows, rgb: pixels)
  }

  /// The two pixels between which each pixel of the result lies, and the weight of the second in 2048ths.
  private static func taps(from input: Int, to output: Int) -> [(Int, Int, Int)] {
    let scale = Double(input) / Double(output)
    return (0..<output).map { index in
      let center = min(max((Double(index) + 0.5) * scale - 0.5, 0), Double(input - 1))
      let first = Int(center)
      return (first, min(first + 1, input - 1), Int(((center - Double(first)) * 2048).rounded(.toNearestOrEven)))
    }
  }
}
