/// Reads the frames of a GIF one by one, each as it is shown.
///
/// Colors are those of Pillow's `convert("RGB")`: where nothing was drawn, and where a first frame is transparent, a frame
/// has the color that its palette gives the transparent index, unless that is to be white.
package struct GIFReader {
  /// One image of an animation.
  package struct Frame {
    package let image: Image
    /// How long it is shown.
    package let milliseconds: Int
  }

  /// Size of the image so far: a frame that sticks out makes it larger, as Pillow does.
  package private(set) var width: Int
  package private(set) var height: Int
  private let name: String
  private let bytes: [UInt8]
  private var position: Int
  private let palette: [UInt8]  // three numbers to a color
  private let background: Int
  private var canvas: [UInt8] = []  // [height, width, 3]
  private var control = Control()
  /// What happens to the canvas before the next frame is drawn.
  private var disposal = Disposal.keep
  private var frameCount = 0
  private var drawnPixels = 0
  private let isOnWhite: Bool
  private let pixelLimit: Int
  /// Why frames are missing behind those that were handed over: all before it are whole.
  package private(set) var damage: MediaError?

  /// Most pixels of all frames together: what keeps a small file from costing hours.
  static let workLimit = 5_000_000_000

  private struct Control {
    var disposal = 0
    var milliseconds = 0
    var transparent: Int?
  }

  private enum Disposal {
    case keep
    case fill(Area, [UInt8])
    case restore(Area, [UInt8])
  }

  private struct Area {
    var left, top, width, height: Int
  }

  static func isGIF(_ bytes: [UInt8]) -> Bool { bytes.starts(with: Array("GIF8".utf8)) }

  static func tooLong(_ name: String) -> MediaError {
    MediaError(.tooLarge, name, "an animation of more than \(workLimit) pixels; shorten it first")
  }

  /// Reads the header.
  ///
  /// - Parameter pixelLimit: most pixels of the canvas, which frames that stick out make larger.
  package init(
    _ bytes: [UInt8], name: String, transparency: Image.Transparency = .dropped, pixelLimit: Int = ImageFile.pixelLimit
  ) throws(MediaError) {
    guard Self.isGIF(bytes), bytes.count >= 13 else {
      throw MediaError(.malformed, name, "a damaged GIF; export it again")
    }
    width = Int(bytes[6]) | Int(bytes[7]) << 8
    height = Int(bytes[8]) | Int(bytes[9]) << 8
    try ImageFile.check(width, height, most: pixelLimit, name: name)
    self.pixelLimit = pixelLimit
    let hasPalette = bytes[10] & 0x80 != 0
    let count = hasPalette ? 2 << Int(bytes[10] & 7) : 0
    guard bytes.count >= 13 + 3 * count else {
      throw MediaError(.malformed, name, "the GIF is cut off; copy or export it again")
    }
    palette = Array(bytes[13..<13 + 3 * count])
    background = Int(bytes[11])
    position = 13 + 3 * count
    self.bytes = bytes
    self.name = name
    isOnWhite = transparency == .white
  }

  /// The next frame; nil at the end, and where a later frame is cut off or damaged.
  package mutating func next() throws(MediaError) -> Frame? {
    if damage != nil { return nil }
    do {
      return try nextFrame()
    } catch  where error.code == .malformed && frameCount > 0 {
      damage = error
      return nil
    }
  }

  private mutating func nextFrame() throws(MediaError) -> Frame? {
    while position < bytes.count {
      switch try byte() {
      case 0x21: try readExtension()
      // Frames without a pixel show nothing.
      case 0x2C: if let frame = try readFrame() { return frame }
      case 0x3B: return nil
      // Stray zeros between blocks are written by some programs.
      case 0x00: continue
      default: throw damaged("a block of an unknown kind")
      }
    }
    // A missing end alone loses nothing.
    if frameCount == 0 { throw cutOff() }
    return nil
  }

  private func cutOff() -> MediaError { MediaError(.malformed, name, "the GIF is cut off; copy or export it again") }
  private func damaged(_ reason: String) -> MediaError {
    MediaError(.malformed, name, "a damaged GIF (\(reason)); export it again")
  }

  private mutating func byte() throws(MediaError) -> UInt8 {
    guard position < bytes.count else { throw cutOff() }
    position += 1
    return bytes[position - 1]
  }

  private mutating func number() throws(MediaError) -> Int { Int(try byte()) | Int(try byte()) << 8 }

  private mutating func readExtension() throws(MediaError) {
    let kind = try byte()
    var isFirst = true
    while case let length = Int(try byte()), length > 0 {
      guard position + length <= bytes.count else { throw cutOff() }
      if kind == 0xF9, isFirst, length >= 4 {
        let flags = bytes[position]
        control.disposal = Int(flags >> 2 & 7)
        control.milliseconds = 10 * (Int(bytes[position + 1]) | Int(bytes[position + 2]) << 8)
        control.transparent = flags & 1 != 0 ? Int(bytes[position + 3]) : nil
      }
      isFirst = false
      position += length
    }
  }

  /// A frame; nil if it has no pixel.
  private mutating func readFrame() throws(MediaError) -> Frame? {
    let area = Area(left: try number(), top: try number(), width: try number(), height: try number())
    let isEmpty = area.width == 0 || area.height == 0
    if !isEmpty { try grow(toHold: area) }
    drawnPixels += width * height
    guard drawnPixels <= Self.workLimit else { throw Self.tooLong(name) }
    let flags = try byte()
    var colors = palette
    if flags & 0x80 != 0 {
      let count = 3 * (2 << Int(flags & 7))
      guard position + count <= bytes.count else { throw cutOff() }
      colors = Array(bytes[position..<position + count])
      position += count
    }
    // Indices beyond the palette are black.
    colors += Array(repeating: 0, count: 768 - colors.count)
    guard !isEmpty else {
      _ = try byte()  // width of the codes
      try skipBlocks()
      control = Control()
      return nil
    }
    let indices = try readIndices(count: area.width * area.height)
    begin(area, colors)
    draw(indices, area, colors, isInterlaced: flags & 0x40 != 0)
    frameCount += 1
    defer { control = Control() }
    return Frame(image: Image(width: width, height: height, rgb: canvas), milliseconds: control.milliseconds)
  }

  private mutating func skipBlocks() throws(MediaError) {
    while case let length = Int(try byte()), length > 0 {
      guard position + length <= bytes.count else { throw cutOff() }
      position += length
    }
  }

  /// Makes the image large enough for an area; what is new in a later frame has the first color of the palette.
  private mutating func grow(toHold area: Area) throws(MediaError) {
    let (newWidth, newHeight) = (max(width, area.left + area.width), max(height, area.top + area.height))
    guard newWidth > width || newHeight > height else { return }
    try ImageFile.check(newWidth, newHeight, most: pixelLimit, name: name)
    let (old, oldWidth, oldHeight) = (canvas, width, height)
    (width, height) = (newWidth, newHeight)
    if frameCount == 0 { return }
    canvas = [UInt8](repeating: 0, count: 3 * width * height)
    if isOnWhite || palette.count >= 3 {
      fill(Area(left: 0, top: 0, width: width, height: height), isOnWhite ? Self.white : color(0, palette))
    }
    restore(Area(left: 0, top: 0, width: oldWidth, height: oldHeight), old)
  }

  private static let white: [UInt8] = [255, 255, 255]

  private func color(_ index: Int, _ colors: [UInt8]) -> [UInt8] { Array(colors[3 * index..<3 * index + 3]) }

  /// Does what the last frame asked for, and notes what this one asks for.
  private mutating func begin(_ area: Area, _ colors: [UInt8]) {
    if frameCount == 0 {
      let empty = isOnWhite ? Self.white : color(control.transparent ?? 0, colors)
      canvas = [UInt8](repeating: 0, count: 3 * width * height)
      fill(Area(left: 0, top: 0, width: width, height: height), empty)
    }
    switch disposal {
    case .keep: break
    case .fill(let area, let color): fill(area, color)
    case .restore(let area, let pixels): restore(area, pixels)
    }
    switch control.disposal {
    case 2: disposal = .fill(area, isOnWhite ? Self.white : color(control.transparent ?? background, colors))
    case 3: disposal = .restore(area, copy(area))
    default: disposal = .keep
    }
  }

  private mutating func fill(_ area: Area, _ color: [UInt8]) {
    for row in area.top..<area.top + area.height {
      for column in area.left..<area.left + area.width {
        let target = 3 * (row * width + column)
        canvas[target] = color[0]
        canvas[target + 1] = color[1]
        canvas[target + 2] = color[2]
      }
    }
  }

  private func copy(_ area: Area) -> [UInt8] {
    var pixels: [UInt8] = []
    for row in area.top..<area.top + area.height {
      let start = 3 * (row * width + area.left)
      pixels += canvas[start..<start + 3 * area.width]
    }
    return pixels
  }

  private mutating func restore(_ area: Area, _ pixels: [UInt8]) {
    for row in 0..<area.height {
      let target = 3 * ((area.top + row) * width + area.left)
      canvas.replaceSubrange(
        target..<target + 3 * area.width, with: pixels[3 * row * area.width..<3 * (row + 1) * area.width])
    }
  }

  private mutating func draw(_ indices: [UInt8], _ area: Area, _ colors: [UInt8], isInterlaced: Bool) {
    let transparent = frameCount == 0 && !isOnWhite ? nil : control.transparent
    var source = 0
    for row in Self.rows(area.height, isInterlaced: isInterlaced) {
      var target = 3 * ((area.top + row) * width + area.left)
      for _ in 0..<area.width {
        let index = Int(indices[source])
        source += 1
        if index != transparent {
          canvas[target] = colors[3 * index]
          canvas[target + 1] = colors[3 * index + 1]
          canvas[target + 2] = colors[3 * index + 2]
        }
        target += 3
      }
    }
  }

  /// The rows in the order in which they are stored.
  private static func rows(_ count: Int, isInterlaced: Bool) -> [Int] {
    guard isInterlaced else { return Array(0..<count) }
    return [(0, 8), (4, 8), (2, 4), (1, 2)].flatMap { Array(stride(from: $0.0, to: count, by: $0.1)) }
  }

  /// Unpacks the sub-blocks that follow, by the method of Lempel, Ziv and Welch.
  private mutating func readIndices(count: Int) throws(MediaError) -> [UInt8] {
    let rootBits = Int(try byte())
    guard (1...8).contains(rootBits) else { throw damaged("codes of \(rootBits) bits") }
    var unpacker = Unpacker(rootBits: rootBits, count: count)
    while case let length = Int(try byte()), length > 0 {
      guard position + length <= bytes.count else { throw cutOff() }
      if !unpacker.isDone, !unpacker.take(bytes[position..<position + length]) { throw damaged("an unknown code") }
      position += length
    }
    guard unpacker.indices.count == count else { throw cutOff() }
    return unpacker.indices
  }

  /// Codes of growing width on their way to indices.
  private struct Unpacker {
    private(set) var indices: [UInt8] = []
    private(set) var isDone = false
    private let count: Int
    private let rootBits: Int
    private let clear: Int
    private var prefixes = [Int16](repeating: -1, count: 4096)
    private var suffixes = [UInt8](repeating: 0, count: 4096)
    private var next: Int  // the code that is defined next
    private var width: Int
    private var previous = -1
    private var first: UInt8 = 0  // the first index of the previous code
    private var bits = 0
    private var bitCount = 0
    private var stack: [UInt8] = []

    init(rootBits: Int, count: Int) {
      self.rootBits = rootBits
      self.count = count
      clear = 1 << rootBits
      next = clear + 2
      width = rootBits + 1
      for code in 0..<clear { suffixes[code] = UInt8(code) }
      indices.reserveCapacity(count)
    }

    /// - Returns: false if a code is not defined.
    mutating func take(_ block: ArraySlice<UInt8>) -> Bool {
      for byte in block {
        bits |= Int(byte) << bitCount
        bitCount += 8
        while bitCount >= width, !isDone {
          let code = bits & ((1 << width) - 1)
          bits >>= width
          bitCount -= width
          if !take(code) { return false }
        }
        if isDone { return true }
      }
      return true
    }

    private mutating func take(_ code: Int) -> Bool {
      if code == clear {
        next = clear + 2
        width = rootBits + 1
        previous = -1
        return true
      }
      if code == clear + 1 {
        isDone = true
        return true
      }
      guard code < next || code == next && previous >= 0, previous >= 0 || code < clear else { return false }
      stack.removeAll(keepingCapacity: true)
      var walk = code
      if code == next {
        stack.append(first)
        walk = previous
      }
      while walk >= clear {
        stack.append(suffixes[walk])
        walk = Int(prefixes[walk])
      }
      first = UInt8(walk)
      stack.append(first)
      for index in stack.reversed() where indices.count < count { indices.append(index) }
      if indices.count == count { isDone = true }
      if previous >= 0, next < 4096 {
        prefixes[next] = Int16(previous)
        suffixes[next] = first
        next += 1
        if next == 1 << width, width < 12 { width += 1 }
      }
      previous = code
      return true
    }
  }
}
