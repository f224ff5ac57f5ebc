/// The header of a BMP, as far as stb_image does not see to it.
struct BitmapHeader {
  private static let fileHeader = 14
  private let bytes: [UInt8]
  private let headerSize: Int
  private let bitsPerPixel: Int
  private let compression: Int

  /// Nil if the bytes are no BMP whose header is whole.
  init?(_ bytes: [UInt8]) {
    guard bytes.starts(with: Array("BM".utf8)), bytes.count >= 18 else { return nil }
    self.bytes = bytes
    headerSize = Self.number(bytes, 14, 4)
    let isShort = headerSize == 12
    guard isShort || headerSize >= 40, bytes.count >= Self.fileHeader + (isShort ? 12 : 40) else { return nil }
    bitsPerPixel = Self.number(bytes, isShort ? 24 : 28, 2)
    compression = isShort ? 0 : Self.number(bytes, 30, 4)
  }

  private static func number(_ bytes: [UInt8], _ start: Int, _ count: Int) -> Int {
    bytes[start..<start + count].reversed().reduce(0) { $0 << 8 | Int($1) }
  }

  /// What the pixels are packed with, if it is nothing that is read.
  var foreignCompression: String? {
    switch compression {
    case 1, 2: "run-length coded"
    case 4: "JPEG-compressed"
    case 5: "PNG-compressed"
    default: nil
    }
  }

  /// Whether the header states which bits are alpha, as the long forms do; other fourth bytes are padding.
  var hasAlpha: Bool {
    [3, 6].contains(compression) && headerSize >= 56 && bytes.count >= 70 && Self.number(bytes, 66, 4) != 0
  }

  /// The file as stb_image takes it: with a header of a length that it knows, and without unused bytes between the header and
  /// the pixels, of which it takes no more than a kilobyte.
  var normalized: [UInt8] {
    let isShort = headerSize == 12
    let headerEnd = Self.fileHeader + headerSize
    let start = Self.number(bytes, 10, 4)
    guard start <= bytes.count, headerEnd <= start else { return bytes }
    var head = Array(bytes[..<headerEnd])
    if headerSize > 40, ![56, 108, 124].contains(headerSize) {
      // The longer ones begin as the common one does; masks, if any, lie behind it either way.
      head = bytes[..<14] + [40, 0, 0, 0] + bytes[18..<min(headerEnd, compression == 3 ? 66 : 54)]
    }
    var end = headerEnd
    if headerSize == 40 { end += compression == 3 ? 12 : compression == 6 ? 16 : 0 }
    if bitsPerPixel <= 8 {
      let stated = isShort ? 0 : Self.number(bytes, 46, 4)
      let most = 1 << bitsPerPixel
      end += (isShort ? 3 : 4) * (stated == 0 ? most : min(stated, most))
    }
    head += bytes[headerEnd..<min(end, start)]
    if head.count == start, bytes.starts(with: head) { return bytes }
    for index in 0..<4 { head[10 + index] = UInt8(truncatingIfNeeded: head.count >> (8 * index)) }
    return head + bytes[start...]
  }
}
