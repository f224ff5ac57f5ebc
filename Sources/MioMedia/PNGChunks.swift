import CImages

/// What lies in a PNG beside its pixels.
enum PNGChunks {
  private static let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
  /// The last chunk, which is always the same.
  private static let end: [UInt8] = [0, 0, 0, 0, 0x49, 0x45, 0x4E, 0x44, 0xAE, 0x42, 0x60, 0x82]
  /// Most bytes of a text that is unpacked.
  private static let textLimit = 1 << 20

  static func isPNG(_ bytes: [UInt8]) -> Bool { bytes.starts(with: signature) }

  /// Whether its pixels are gray without an alpha channel.
  static func isGray(_ bytes: [UInt8]) -> Bool { bytes.starts(with: signature) && bytes.count > 25 && bytes[25] == 0 }

  /// Frames that an animation states; 0 of a still image, and of a file that is no PNG.
  static func frameCount(_ bytes: [UInt8]) -> Int {
    guard bytes.starts(with: signature) else { return 0 }
    var count = 0
    forEach(bytes) { name, content in
      if name.elementsEqual("acTL".utf8) { count = content.prefix(4).reduce(0) { $0 << 8 | Int($1) } }
      return !name.elementsEqual("IDAT".utf8)
    }
    return count
  }

  /// The file with its last chunk, if that alone is missing or cut off, as Pillow reads it; else as it is.
  static func ended(_ bytes: [UInt8]) -> [UInt8] {
    guard bytes.starts(with: signature) else { return bytes }
    var position = 8
    var hasPixels = false
    forEach(bytes) { name, content in
      hasPixels = hasPixels || name.elementsEqual("IDAT".utf8)
      position = content.endIndex + 4
      return !name.elementsEqual("IEND".utf8)
    }
    guard hasPixels, position <= bytes.count, end.starts(with: bytes[position...]), bytes.count - position < end.count else {
      return bytes
    }
    return bytes[..<position] + end
  }

  /// The content of the first chunk of that name.
  static func content(_ name: String, in bytes: [UInt8]) -> ArraySlice<UInt8>? {
    var found: ArraySlice<UInt8>?
    forEach(bytes) { other, content in
      if other.elementsEqual(name.utf8) { found = content }
      return found == nil
    }
    return found
  }

  /// The first text of that name, unpacked.
  static func text(_ key: String, in bytes: [UInt8]) -> ArraySlice<UInt8>? {
    let key = Array(key.utf8) + [0]
    var found: ArraySlice<UInt8>?
    forEach(bytes) { name, content in
      guard content.starts(with: key) else { return true }
      let rest = content.dropFirst(key.count)
      if name.elementsEqual("tEXt".utf8) { found = rest }
      if name.elementsEqual("zTXt".utf8) { found = inflated(rest.dropFirst()) }
      if name.elementsEqual("iTXt".utf8), let isPacked = rest.first {
        // Behind the two bytes that tell of packing, a language and a translated key, each with a zero at its end.
        let parts = rest.dropFirst(2).split(separator: 0, maxSplits: 2, omittingEmptySubsequences: false)
        if parts.count == 3 { found = isPacked != 0 ? inflated(parts[2]) : parts[2] }
      }
      return found == nil
    }
    return found
  }

  /// EXIF data that old programs wrote as hexadecimal text.
  static func rawProfile(in bytes: [UInt8]) -> ArraySlice<UInt8>? {
    guard let text = text("Raw profile type exif", in: bytes) ?? text("Raw profile type APP1", in: bytes) else { return nil }
    // An empty line, the kind, the length, then the digits.
    let lines = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: true)
    let digits = lines.dropFirst(2).joined().compactMap { Character(UnicodeScalar($0)).hexDigitValue }
    var data: [UInt8] = []
    for index in stride(from: 0, to: digits.count - 1, by: 2) { data.append(UInt8(digits[index] << 4 | digits[index + 1])) }
    return data.starts(with: Array("Exif\0\0".utf8)) ? data.dropFirst(6) : data[...]
  }

  /// Hands over every whole chunk until `body` returns false.
  private static func forEach(_ bytes: [UInt8], _ body: (_ name: ArraySlice<UInt8>, _ content: ArraySlice<UInt8>) -> Bool) {
    var position = 8
    while position + 12 <= bytes.count {
      let length = bytes[position..<position + 4].reduce(0) { $0 << 8 | Int($1) }
      guard length <= bytes.count - position - 12 else { return }
      if !body(bytes[position + 4..<position + 8], bytes[position + 8..<position + 8 + length]) { return }
      position += 12 + length
    }
  }

  private static func inflated(_ packed: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    guard packed.count <= textLimit else { return nil }
    let text = unsafe [UInt8](unsafeUninitializedCapacity: textLimit) { buffer, used in
      let count = unsafe packed.withUnsafeBufferPointer {
        unsafe mio_image_inflate($0.baseAddress, $0.count, buffer.baseAddress, textLimit)
      }
      used = max(0, Int(count))
    }
    return text.isEmpty ? nil : text[...]
  }
}
