/// How a camera held an image, as EXIF states it: 1 is upright, 2 to 8 are mirrored and turned.
struct ImageOrientation: Hashable {
  /// 1...8.
  let value: Int

  static let upright = ImageOrientation(value: 1)

  private init(value: Int) { self.value = value }

  /// The orientation in the EXIF data of a JPEG, PNG or WebP, or, where these do not state it, in its XMP; upright if there
  /// is none, or nonsense.
  init(of bytes: [UInt8]) {
    let value =
      Self.exif(in: bytes).flatMap(Self.orientation(exif:)) ?? Self.xmp(in: bytes).flatMap(Self.orientation(xmp:)) ?? 1
    self.init(value: (1...8).contains(value) ? value : 1)
  }

  /// The TIFF structure that holds the EXIF data.
  private static func exif(in bytes: [UInt8]) -> ArraySlice<UInt8>? {
    if bytes.first == 0xFF { return segment("Exif\0\0", in: bytes) }
    if bytes.first == 0x89 { return PNGChunks.content("eXIf", in: bytes).map(withoutName) ?? PNGChunks.rawProfile(in: bytes) }
    return riffChunk("EXIF", in: bytes).map(withoutName)
  }

  /// The XMP packet.
  private static func xmp(in bytes: [UInt8]) -> ArraySlice<UInt8>? {
    if bytes.first == 0xFF { return segment("http://ns.adobe.com/xap/1.0/\0", in: bytes) }
    if bytes.first == 0x89 { return PNGChunks.text("XML:com.adobe.xmp", in: bytes) }
    return riffChunk("XMP ", in: bytes)
  }

  /// Some writers repeat the name that JPEGs need.
  private static func withoutName(_ content: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    content.starts(with: Array("Exif\0\0".utf8)) ? content.dropFirst(6) : content
  }

  private static func big(_ bytes: ArraySlice<UInt8>) -> Int { bytes.reduce(0) { $0 << 8 | Int($1) } }

  /// What follows the name in the first segment of a JPEG for applications that has it.
  private static func segment(_ name: String, in bytes: [UInt8]) -> ArraySlice<UInt8>? {
    let name = Array(name.utf8)
    var position = 2
    while position + 4 <= bytes.count, bytes[position] == 0xFF, bytes[position + 1] != 0xDA {
      if bytes[position + 1] == 0xFF {  // any number of these may stand before a marker
        position += 1
        continue
      }
      let length = big(bytes[position + 2..<position + 4])
      guard length >= 2, position + 2 + length <= bytes.count else { return nil }
      let content = bytes[position + 4..<position + 2 + length]
      if bytes[position + 1] == 0xE1, content.starts(with: name) { return content.dropFirst(name.count) }
      position += 2 + length
    }
    return nil
  }

  /// The content of the first chunk of that name in a WebP.
  private static func riffChunk(_ name: String, in bytes: [UInt8]) -> ArraySlice<UInt8>? {
    guard bytes.starts(with: Array("RIFF".utf8)) else { return nil }
    var position = 12
    while position + 8 <= bytes.count {
      let length = big(ArraySlice(bytes[position + 4..<position + 8].reversed()))
      guard length <= bytes.count - position - 8 else { return nil }
      if bytes[position..<position + 4].elementsEqual(name.utf8) { return bytes[position + 8..<position + 8 + length] }
      position += 8 + length + length % 2
    }
    return nil
  }

  /// The number behind the first `tiff:Orientation`, as an attribute or an element.
  private static func orientation(xmp: ArraySlice<UInt8>) -> Int? {
    let name = Array("tiff:Orientation".utf8)
    guard xmp.count > name.count + 2 else { return nil }
    for start in xmp.startIndex..<xmp.endIndex - name.count - 2 where xmp[start] == name[0] {
      let rest = xmp[start...]
      guard rest.starts(with: name) else { continue }
      let value = rest.dropFirst(name.count).drop {
        [UInt8(ascii: "="), UInt8(ascii: "\""), UInt8(ascii: "'"), UInt8(ascii: ">")].contains($0)
      }
      if let digit = value.first, (49...56).contains(digit) { return Int(digit) - 48 }
    }
    return nil
  }

  /// The value of tag 0x0112 in the first directory of a TIFF structure.
  private static func orientation(exif tiff: ArraySlice<UInt8>) -> Int? {
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
      guard tag == 0x0112 else { continue }
      switch number(entry + 2, 2) {
      case 3: return number(entry + 8, 2)
      case 4: return number(entry + 8, 4)  // what some programs write, though the standard asks for 16 bits
      default: return nil
      }
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
