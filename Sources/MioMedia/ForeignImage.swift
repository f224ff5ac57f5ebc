/// Forms of still images that are not read, told by their first bytes.
enum ForeignImage: String {
  case heic = "HEIC"
  case avif = "AVIF"
  case tiff = "TIFF"
  case jpegXL = "JPEG XL"
  case jpeg2000 = "JPEG 2000"
  case photoshop = "Photoshop"

  init?(_ bytes: [UInt8]) {
    let starts: [(ForeignImage, [UInt8])] = [
      (.tiff, [0x49, 0x49, 0x2A, 0]), (.tiff, [0x4D, 0x4D, 0, 0x2A]), (.tiff, [0x49, 0x49, 0x2B, 0]),
      (.tiff, [0x4D, 0x4D, 0, 0x2B]), (.jpegXL, [0xFF, 0x0A]),
      (.jpegXL, [0, 0, 0, 0x0C, 0x4A, 0x58, 0x4C, 0x20]), (.jpeg2000, [0, 0, 0, 0x0C, 0x6A, 0x50, 0x20, 0x20]),
      (.jpeg2000, [0xFF, 0x4F, 0xFF, 0x51]), (.photoshop, Array("8BPS".utf8)),
    ]
    if let found = starts.first(where: { bytes.starts(with: $0.1) }) {
      self = found.0
      return
    }
    // A box `ftyp` with the brand of a still image; those of films (avis, hevc, isom ...) are left to ffmpeg.
    guard bytes.count >= 12, bytes[4..<8].elementsEqual("ftyp".utf8) else { return nil }
    switch String(decoding: bytes[8..<12], as: UTF8.self) {
    case "avif": self = .avif
    case "heic", "heix", "heim", "heis": self = .heic
    case "mif1", "mif2":
      let size = bytes[..<4].reduce(0) { $0 << 8 | Int($1) }
      let brands = stride(from: 16, to: min(size, bytes.count) - 3, by: 4).map { bytes[$0..<$0 + 4] }
      self = brands.contains { $0.elementsEqual("avif".utf8) } ? .avif : .heic
    default: return nil
    }
  }

  /// The program that many systems have for it.
  private var way: String {
    switch self {
    case .heic: "heif-convert IN out.png"
    case .avif: "avifdec IN out.png"
    case .jpegXL: "djxl IN out.png"
    case .tiff, .jpeg2000, .photoshop: "magick IN out.png"
    }
  }

  /// Why it is refused, and the way out.
  func refusal(_ name: String) -> MediaError {
    MediaError(
      .notImage, name, "\(rawValue) images are not read; export it as png or jpg (for instance \"\(way)\")")
  }
}
