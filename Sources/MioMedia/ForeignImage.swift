/// Forms of still images, and of documents, that are not read, told by their first bytes.
enum ForeignImage: String {
  case heic = "HEIC"
  case avif = "AVIF"
  case tiff = "TIFF"
  case jpegXL = "JPEG XL"
  case jpegXR = "JPEG XR"
  case jpeg2000 = "JPEG 2000"
  case photoshop = "Photoshop"
  case raw = "camera raw"
  case icon = "ICO"
  case targa = "TGA"
  case portable = "Netpbm"
  case quiteOK = "QOI"
  case radiance = "Radiance HDR"
  case openEXR = "OpenEXR"
  case directDraw = "DDS"
  case gimp = "GIMP"
  case svg = "SVG"
  case pdf = "PDF"
  case postScript = "PostScript"

  init?(_ bytes: [UInt8]) {
    if let found = Self.starts.first(where: { bytes.starts(with: $0.1) })?.0 ?? Self.portable(bytes) ?? Self.svg(bytes)
      ?? Self.icon(bytes) ?? Self.targa(bytes)
    {
      self = found
      return
    }
    // A box `ftyp` with the brand of a still image; those of films (avis, hevc, isom ...) are left to ffmpeg.
    guard bytes.count >= 12, bytes[4..<8].elementsEqual("ftyp".utf8) else { return nil }
    switch String(decoding: bytes[8..<12], as: UTF8.self) {
    case "avif": self = .avif
    case "heic", "heix", "heim", "heis": self = .heic
    case "jxl ": self = .jpegXL
    case "jp2 ", "jpx ": self = .jpeg2000
    case "crx ": self = .raw
    case "mif1", "mif2", "miaf":
      let size = bytes[..<4].reduce(0) { $0 << 8 | Int($1) }
      let brands = stride(from: 16, to: min(size, bytes.count) - 3, by: 4).map { bytes[$0..<$0 + 4] }
      self = brands.contains { $0.elementsEqual("avif".utf8) } ? .avif : .heic
    default: return nil
    }
  }

  private static let starts: [(ForeignImage, [UInt8])] = [
    // Cameras whose files begin as TIFFs do, but for a mark.
    (.raw, [0x49, 0x49, 0x2A, 0, 0x10, 0, 0, 0, 0x43, 0x52]), (.raw, [0x49, 0x49, 0x55, 0]), (.raw, [0x49, 0x49, 0x52, 0x4F]),
    (.raw, [0x49, 0x49, 0x52, 0x53]), (.raw, Array("FUJIFILMCCD-RAW".utf8)), (.raw, [0, 0x4D, 0x52, 0x4D]),
    (.raw, Array("FOVb".utf8)), (.tiff, [0x49, 0x49, 0x2A, 0]), (.tiff, [0x4D, 0x4D, 0, 0x2A]), (.tiff, [0x49, 0x49, 0x2B, 0]),
    (.tiff, [0x4D, 0x4D, 0, 0x2B]), (.jpegXR, [0x49, 0x49, 0xBC, 0x01]), (.jpegXL, [0xFF, 0x0A]),
    (.jpegXL, [0, 0, 0, 0x0C, 0x4A, 0x58, 0x4C, 0x20]), (.jpeg2000, [0, 0, 0, 0x0C, 0x6A, 0x50, 0x20, 0x20]),
    (.jpeg2000, [0xFF, 0x4F, 0xFF, 0x51]), (.photoshop, Array("8BPS".utf8)), (.icon, Array("icns".utf8)),
    (.quiteOK, Array("qoif".utf8)), (.radiance, Array("#?RADIANCE".utf8)),
    (.radiance, Array("#?RGBE".utf8)), (.openEXR, [0x76, 0x2F, 0x31, 0x01]), (.directDraw, Array("DDS ".utf8)),
    (.gimp, Array("gimp xcf ".utf8)), (.pdf, Array("%PDF-".utf8)), (.postScript, Array("%!PS".utf8)),
    (.postScript, [0xC5, 0xD0, 0xD3, 0xC6]),
  ]

  /// `P1` to `P7`, `PF` or `Pf`, and white space.
  private static func portable(_ bytes: [UInt8]) -> ForeignImage? {
    guard bytes.count > 2, bytes[0] == UInt8(ascii: "P"), [9, 10, 13, 32].contains(bytes[2]) else { return nil }
    return (UInt8(ascii: "1")...UInt8(ascii: "7")).contains(bytes[1]) || [70, 102].contains(bytes[1]) ? .portable : nil
  }

  /// Zeros, the kind (1 or 2 for a pointer), and how many images there are.
  private static func icon(_ bytes: [UInt8]) -> ForeignImage? {
    guard bytes.count > 5, bytes[0] == 0, bytes[1] == 0, [1, 2].contains(bytes[2]), bytes[3] == 0 else { return nil }
    return bytes[4] != 0 || bytes[5] != 0 ? .icon : nil
  }

  /// No mark at the beginning; its kinds, a palette's size where there is one, and depths of 8 to 32 bits tell it.
  private static func targa(_ bytes: [UInt8]) -> ForeignImage? {
    guard bytes.count > 18, bytes[1] <= 1, [1, 2, 3, 9, 10, 11].contains(bytes[2]), [8, 15, 16, 24, 32].contains(bytes[16]),
      bytes[17] & 0xC0 == 0, bytes[1] == 1 || bytes[3..<8].allSatisfy({ $0 == 0 })
    else { return nil }
    let sides = [bytes[12...13], bytes[14...15]].map { $0.reversed().reduce(0) { $0 << 8 | Int($1) } }
    return (bytes[2] & 7 == 1) == (bytes[1] == 1) && sides.allSatisfy { (1...16384).contains($0) } ? .targa : nil
  }

  /// XML, or no more than a mark of bytes before it, whose first elements say so.
  private static func svg(_ bytes: [UInt8]) -> ForeignImage? {
    let text = bytes.drop { $0 < 33 || $0 > 126 }
    guard text.starts(with: Array("<".utf8)) else { return nil }
    return String(decoding: text, as: UTF8.self).contains("<svg") ? .svg : nil
  }

  /// The program that many systems have for it.
  private var way: String {
    switch self {
    case .heic: "heif-convert IN out.png"
    case .avif: "avifdec IN out.png"
    case .jpegXL: "djxl IN out.png"
    case .raw: "darktable-cli IN out.jpg"
    case .svg: "rsvg-convert IN -o out.png"
    case .pdf: "pdftoppm -png IN out"
    default: "magick IN out.png"
    }
  }

  /// Why a file that starts with these bytes is refused, if they tell: a form that is not read, or blanks before an image.
  static func refusal(ofBytes start: [UInt8], _ name: String) -> MediaError? {
    if let format = ForeignImage(start) { return format.refusal(name) }
    let blanks = start.prefix { [0, 9, 10, 13, 32, 0xEF, 0xBB, 0xBF].contains($0) }.count
    guard blanks > 0, ImageFile.isImage(Array(start.dropFirst(blanks))) else { return nil }
    return MediaError(
      .notImage, name,
      "an image behind \(blanks == 1 ? "a byte" : "\(blanks) bytes") of something else; cut off what is in front "
        + "(tail -c +\(blanks + 1) IN > OUT)")
  }

  /// Why it is refused, and the way out.
  private func refusal(_ name: String) -> MediaError {
    let kind = self == .pdf || self == .postScript ? "documents" : "images"
    return MediaError(
      .notImage, name, "\(rawValue) \(kind) are not read; export it as png or jpg (for instance \"\(way)\")")
  }
}
