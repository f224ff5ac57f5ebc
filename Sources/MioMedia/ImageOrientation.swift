/// How a camera held an image, as EXIF states it: 1 is upright, 2 to 8 are mirrored and turned.
struct ImageOrientation: Hashable {
  /// 1...8.
  let value: Int

  static let upright = ImageOrientation(value: 1)

  private init(value: Int) { self.value = value }

  /// The orientation in the EXIF data of a JPEG, PNG or WebP; upright if there is none, or nonsense.
  init(of bytes: [UInt8]) {
    let value = Self.exif(in: bytes).flatMap(Self.orientation) ?? 1
    self.init(value: (1...8).contains(value) ? value : 1)
  }

  /// The TIFF structure that holds the EXIF data.
  private static func exif(in bytes: [UInt8]) -> ArraySlice<UInt8>? {
    if bytes.first == 0xFF { return inJPEG(bytes) }
    if bytes.first == 0x89 {
      return chunk("eXIf", in: bytes, from: 8, trailer: 4) { position in
        (Array(bytes[position + 4..<position + 8]), big(bytes[position..<position + 4]))
      }
    }
    if bytes.starts(with: Array("RIFF".utf8)) {
      return chunk("EXIF", in: bytes, from: 12, trailer: 0) { position in
        let length = big(ArraySlice(bytes[position + 4..<position + 8].reversed()))
        return (Array(bytes[position..<position + 4]), length + length % 2)
      }
    }
    return nil
  }

  private static func big(_ bytes: ArraySlice<UInt8>) -> Int { bytes.reduce(0) { $0 << 8 | Int($1) } }

  private static func inJPEG(_ bytes: [UInt8]) -> ArraySlice<UInt8>? {
    let name = Array("Exif\0\0".utf8)
    var position = 2
    while position + 4 <= bytes.count, bytes[position] == 0xFF, bytes[position + 1] != 0xDA {
      let length = big(bytes[position + 2..<position + 4])
      guard length >= 2, position + 2 + length <= bytes.count else { return nil }
      let content = bytes[position + 4..<position + 2 + length]
      if bytes[position + 1] == 0xE1, content.starts(with: name) { return content.dropFirst(name.count) }
      position += 2 + length
    }
    return nil
  }

  /// The content of the first chunk of that name; `head` gives name and length of the chunk at a position.
  private static func chunk(
    _ name: String, in bytes: [UInt8], from start: Int, trailer: Int, head: (Int) -> (name: [UInt8], length: Int)
  ) -> ArraySlice<UInt8>? {
    var position = start
    while position + 8 <= bytes.count {
      let (found, length) = head(position)
      guard length >= 0, length <= bytes.count - position - 8 else { return nil }
      let content = bytes[position + 8..<position + 8 + length]
      if found == Array(name.utf8) {
        // Some writers of WebP repeat the name that JPEGs need.
        return content.starts(with: Array("Exif\0\0".utf8)) ? content.dropFirst(6) : content
      }
      position += 8 + length + trailer
    }
    return nil
  }

  /// The value of tag 0x0112 in the first directory of a TIFF structure.
  private static func orientation(_ tiff: ArraySlice<UInt8>) -> Int? {
    let bytes = Array(tiff)
    guard bytes.count >= 8, bytes.starts(with: Array("II".utf8)) || bytes.starts(with: Array("MM".utf8)) else { return nil }
    let isLittle = bytes[0] == UInt8(ascii: "I")
    func number(_ start: Int, _ count: Int) -> Int? {
      guard start >= 0, start + count <= bytes.count else { return nil }
      let part = bytes[start..<start + count]
      return isLittle ? big(ArraySlice(part.reversed())) : big(part)
    }
    guard number(2, 2) == 42, let directory = number(4, 4), let count = number(directory, 2) else { return nil }
    for index in 0..<count {
      let entry = directory + 2 + 12 * index
      guard let tag = number(entry, 2) else { return nil }
      if tag == 0x0112 { return number(entry + 2, 2) == 3 ? number(entry + 8, 2) : nil }
    }
    return nil
  }
}

extension Image {
  /// The image as it should be seen.
  func turned(_ orientation: ImageOrientation) -> Image {
    let value = orientation.value
    if value == 1 { return self }
    let isSideways = value >= 5
    let (newWidth, newHeight) = isSideways ? (height, width) : (width, height)
    var pixels = [UInt8](repeating: 0, count: rgb.count)
    for row in 0..<newHeight {
      for column in 0..<newWidth {
        var (x, y) = isSideways ? (row, column) : (column, row)
        if [2, 3, 7, 8].contains(value) { x = width - 1 - x }
        if [3, 4, 6, 7].contains(value) { y = height - 1 - y }
        let (source, target) = ((y * width + x) * 3, (row * newWidth + column) * 3)
        pixels[target] = rgb[source]
        pixels[target + 1] = rgb[source + 1]
        pixels[target + 2] = rgb[source + 2]
      }
    }
    return Image(width: newWidth, height: newHeight, rgb: pixels)
  }
}
