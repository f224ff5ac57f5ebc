/// Writes an animated GIF that repeats without end.
///
/// Every frame has a palette of its own: 256 colors by median cut of its colors at 5 bits, errors spread to the neighbours
/// (Floyd and Steinberg 1976). The same frames give the same bytes.
package struct GIFWriter {
  private var bytes: [UInt8]
  package let width: Int
  package let height: Int

  /// Longest side that the format can state.
  package static let sideLimit = 65535

  package init(width: Int, height: Int) {
    precondition((1...Self.sideLimit).contains(width) && (1...Self.sideLimit).contains(height), "a GIF has 1 to 65535 rows")
    self.width = width
    self.height = height
    bytes = Array("GIF89a".utf8) + Self.little(width) + Self.little(height) + [0x70, 0, 0]
    bytes += [0x21, 0xFF, 11] + Array("NETSCAPE2.0".utf8) + [3, 1, 0, 0, 0]
  }

  /// Adds words that programs show as the file's comment.
  package mutating func addComment(_ text: String) {
    bytes += [0x21, 0xFE]
    appendBlocks(Array(text.utf8))
  }

  /// Adds a frame of the animation's size.
  package mutating func add(_ image: Image, milliseconds: Int) {
    precondition(image.width == width && image.height == height, "all frames of a GIF have one size")
    bytes += [0x21, 0xF9, 4, 0x04] + Self.little(min(max(milliseconds / 10, 1), 65535)) + [0, 0]
    bytes += [0x2C, 0, 0, 0, 0] + Self.little(width) + Self.little(height) + [0x87]
    let palette = ColorPalette(of: image)
    bytes += palette.bytes
    bytes.append(8)
    appendBlocks(Self.pack(palette.indices(of: image)))
  }

  /// The whole file.
  package func finish() -> [UInt8] { bytes + [0x3B] }

  private static func little(_ value: Int) -> [UInt8] { [UInt8(value & 0xFF), UInt8(value >> 8 & 0xFF)] }

  private mutating func appendBlocks(_ content: [UInt8]) {
    for start in stride(from: 0, to: content.count, by: 255) {
      let block = content[start..<min(start + 255, content.count)]
      bytes.append(UInt8(block.count))
      bytes += block
    }
    bytes.append(0)
  }

  /// Lempel, Ziv and Welch with codes of 9 to 12 bits.
  private static func pack(_ indices: [UInt8]) -> [UInt8] {
    var packed: [UInt8] = []
    var (bits, bitCount, width) = (0, 0, 9)
    func emit(_ code: Int) {
      bits |= code << bitCount
      bitCount += width
      while bitCount >= 8 {
        packed.append(UInt8(bits & 0xFF))
        bits >>= 8
        bitCount -= 8
      }
    }
    // Code by prefix code and next index; 0 is none, as no code that is defined by packing is 0.
    var table = [UInt16](repeating: 0, count: 4096 * 256)
    var used: [Int] = []
    var next = 258
    emit(256)
    var current = -1
    for index in indices {
      if current < 0 {
        current = Int(index)
        continue
      }
      let slot = current << 8 | Int(index)
      if table[slot] != 0 {
        current = Int(table[slot])
        continue
      }
      emit(current)
      if next < 4096 {
        if next == 1 << width { width += 1 }
        table[slot] = UInt16(next)
        used.append(slot)
        next += 1
      } else {
        emit(256)
        for slot in used { table[slot] = 0 }
        used.removeAll(keepingCapacity: true)
        (next, width) = (258, 9)
      }
      current = Int(index)
    }
    if current >= 0 {
      emit(current)
      if next == 1 << width, width < 12 { width += 1 }
    }
    emit(257)
    if bitCount > 0 { packed.append(UInt8(bits & 0xFF)) }
    return packed
  }
}

/// 256 colors that stand for those of an image.
private struct ColorPalette {
  private var colors: [(Int, Int, Int)] = []
  private var nearest = [Int16](repeating: -1, count: 1 << 15)

  /// Three numbers to a color, 256 colors.
  var bytes: [UInt8] {
    colors.flatMap { [UInt8($0.0), UInt8($0.1), UInt8($0.2)] } + Array(repeating: 0, count: 768 - 3 * colors.count)
  }

  /// A box of colors: a range of `bins`, which are sorted anew for each cut.
  private struct Box {
    var bins: [Int]
    var population: Int
    var axis = 0
    var extent = 0
  }

  init(of image: Image) {
    var counts = [Int](repeating: 0, count: 1 << 15)
    for pixel in stride(from: 0, to: image.rgb.count, by: 3) { counts[Self.bin(image.rgb, pixel)] += 1 }
    let bins = counts.indices.filter { counts[$0] > 0 }
    var boxes = [Self.box(bins, counts)]
    while boxes.count < 256 {
      // The box with the most pixels times extent is cut at its median.
      guard
        let (index, box) = boxes.enumerated().filter({ $1.extent > 0 }).max(by: {
          ($0.element.population * $0.element.extent, -$0.offset) < ($1.element.population * $1.element.extent, -$1.offset)
        })
      else { break }
      let sorted = box.bins.sorted { (Self.part($0, box.axis), $0) < (Self.part($1, box.axis), $1) }
      var (half, cut) = (0, 0)
      while cut < sorted.count - 1, half + counts[sorted[cut]] <= box.population / 2 || cut == 0 {
        half += counts[sorted[cut]]
        cut += 1
      }
      boxes[index] = Self.box(Array(sorted[..<cut]), counts)
      boxes.append(Self.box(Array(sorted[cut...]), counts))
    }
    colors = boxes.map { box in
      func mean(_ axis: Int) -> Int {
        let sum = box.bins.reduce(0) { $0 + Self.part($1, axis) * counts[$1] }
        return min(255, (sum * 255 + 31 * box.population / 2) / (31 * max(1, box.population)))
      }
      return (mean(0), mean(1), mean(2))
    }
  }

  private static func bin(_ rgb: [UInt8], _ at: Int) -> Int {
    Int(rgb[at] >> 3) << 10 | Int(rgb[at + 1] >> 3) << 5 | Int(rgb[at + 2] >> 3)
  }

  /// 5 bits of a bin: red, green or blue.
  private static func part(_ bin: Int, _ axis: Int) -> Int { bin >> (10 - 5 * axis) & 31 }

  private static func box(_ bins: [Int], _ counts: [Int]) -> Box {
    var box = Box(bins: bins, population: bins.reduce(0) { $0 + counts[$1] })
    for axis in 0..<3 {
      var (low, high) = (31, 0)
      for bin in bins {
        low = min(low, part(bin, axis))
        high = max(high, part(bin, axis))
      }
      if high - low > box.extent { (box.axis, box.extent) = (axis, high - low) }
    }
    return box
  }

  private mutating func index(_ red: Int, _ green: Int, _ blue: Int) -> Int {
    let bin = (red >> 3) << 10 | (green >> 3) << 5 | blue >> 3
    if nearest[bin] >= 0 { return Int(nearest[bin]) }
    var (best, bestDistance) = (0, Int.max)
    for (index, color) in colors.enumerated() {
      let (r, g, b) = (color.0 - red, color.1 - green, color.2 - blue)
      let distance = 2 * r * r + 4 * g * g + 3 * b * b
      if distance < bestDistance { (best, bestDistance) = (index, distance) }
    }
    nearest[bin] = Int16(best)
    return best
  }

  /// The color of every pixel, by number.
  func indices(of image: Image) -> [UInt8] {
    var palette = self
    let width = image.width
    var result: [UInt8] = []
    result.reserveCapacity(width * image.height)
    // Sixteenths of errors, with a margin of one pixel on both sides.
    var errors = [Int](repeating: 0, count: 3 * (width + 2))
    for row in 0..<image.height {
      var below = [Int](repeating: 0, count: 3 * (width + 2))
      for column in 0..<width {
        let source = 3 * (row * width + column)
        let place = 3 * (column + 1)
        var wanted = [0, 0, 0]
        for channel in 0..<3 {
          wanted[channel] = min(255, max(0, Int(image.rgb[source + channel]) + errors[place + channel] / 16))
        }
        let index = palette.index(wanted[0], wanted[1], wanted[2])
        let color = palette.colors[index]
        result.append(UInt8(index))
        for (channel, found) in [color.0, color.1, color.2].enumerated() {
          let error = wanted[channel] - found
          errors[place + 3 + channel] += 7 * error
          below[place - 3 + channel] += 3 * error
          below[place + channel] += 5 * error
          below[place + 3 + channel] += error
        }
      }
      errors = below
    }
    return result
  }
}
