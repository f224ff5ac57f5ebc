import CStbImage

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Reads pictures: PNG, JPEG, GIF (the first frame) and BMP.
///
/// Colors come as Pillow's `convert("RGB")` gives them: alpha is dropped, not blended; gray is repeated; palettes are
/// looked up; 16-bit gray is cut off at 255, other 16-bit colors keep their upper half; a camera's orientation is not
/// applied. CMYK JPEGs are multiplied out and differ by a level at most. Pixels that a GIF leaves transparent have its
/// background color. Nothing is decoded before its size is known to be within the limits.
package enum PictureFile {
  /// Most pixels of a picture that is read: decoding takes up to eight bytes for each.
  package static let pixelLimit = 100_000_000
  /// Longest side of a picture that is read.
  package static let sideLimit = Int(MIO_PICTURE_SIDE_LIMIT)
  /// Longest file that is read.
  package static let byteLimit = 1 << 28

  package static func open(path: String) throws(MediaError) -> Picture {
    let descriptor = openForReading(path)
    guard descriptor >= 0 else { throw MediaError(.cannotOpen, path, "cannot open: \(systemErrorText())") }
    return try read(FileDescriptor(descriptor, owned: true), name: path)
  }

  /// Reads to the end of a descriptor that stays the caller's.
  package static func open(descriptor: Int32, name: String) throws(MediaError) -> Picture {
    try read(FileDescriptor(descriptor, owned: false), name: name)
  }

  package static func open(bytes: [UInt8], name: String) throws(MediaError) -> Picture {
    if bytes.isEmpty { throw MediaError(.empty, name, "the file is empty; export the picture again") }
    let header = try inspect(bytes, name: name)
    return try decode(bytes, header, name: name)
  }

  private static func openForReading(_ path: String) -> Int32 {
    #if canImport(Glibc)
    unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC)
    #else
    unsafe Musl.open(path, O_RDONLY | O_CLOEXEC)
    #endif
  }

  static func read(_ descriptor: FileDescriptor, name: String) throws(MediaError) -> Picture {
    var status = stat()
    if unsafe fstat(descriptor.value, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
      throw MediaError(.cannotOpen, name, "this is a directory; name a picture")
    }
    var bytes: [UInt8] = []
    while true {
      let block = try descriptor.read(maximumCount: 1 << 20, name: name)
      if block.isEmpty { break }
      bytes += block
      if bytes.count > byteLimit {
        throw MediaError(.tooLarge, name, "longer than \(byteLimit) bytes; scale the picture down first")
      }
    }
    return try open(bytes: bytes, name: name)
  }

  /// Whether a file that starts with these bytes claims to be a picture, of a kind that is read or of WebP.
  static func isPicture(_ bytes: [UInt8]) -> Bool { isKnown(bytes) || isWebP(bytes) }

  private static func isKnown(_ bytes: [UInt8]) -> Bool {
    let starts: [[UInt8]] = [[0x89, 0x50, 0x4E, 0x47], [0xFF, 0xD8, 0xFF], Array("GIF8".utf8), Array("BM".utf8)]
    return starts.contains { bytes.starts(with: $0) }
  }

  private static func isWebP(_ bytes: [UInt8]) -> Bool {
    bytes.starts(with: Array("RIFF".utf8)) && bytes.dropFirst(8).starts(with: Array("WEBP".utf8))
  }

  private static func inspect(_ bytes: [UInt8], name: String) throws(MediaError) -> mio_picture_header {
    var header = mio_picture_header()
    let isPicture = unsafe bytes.withUnsafeBufferPointer {
      unsafe mio_picture_inspect($0.baseAddress, $0.count, &header) != 0
    }
    guard isPicture else { throw refusal(of: bytes, name: name) }
    let (width, height) = (Int(header.width), Int(header.height))
    guard width > 0, height > 0 else {
      throw MediaError(.malformed, name, "the header states \(width) x \(height) pixels; export the picture again")
    }
    guard width <= sideLimit, height <= sideLimit, width * height <= pixelLimit else {
      throw tooLarge(width, height, name: name)
    }
    return header
  }

  private static func tooLarge(_ width: Int, _ height: Int, name: String) -> MediaError {
    MediaError(
      .tooLarge, name,
      "\(width) x \(height) pixels; at most \(pixelLimit) are read, \(sideLimit) on a side; scale the picture down first")
  }

  /// Why bytes without a header that can be read are refused.
  private static func refusal(of bytes: [UInt8], name: String) -> MediaError {
    if isKnown(bytes) {
      // The decoders overwrite each other's reasons, so the size is looked up where it is easy to find.
      let sides = [bytes.dropFirst(16), bytes.dropFirst(20)].map { $0.prefix(4).reduce(0) { $0 << 8 | Int($1) } }
      if bytes.starts(with: [0x89]), sides.contains(where: { $0 > sideLimit }) || sides[0] * sides[1] > pixelLimit {
        return tooLarge(sides[0], sides[1], name: name)
      }
      return MediaError(
        .malformed, name, "a damaged picture, or one of more than \(sideLimit) pixels on a side; export it again")
    }
    if isWebP(bytes) {
      return MediaError(.notPicture, name, "WebP is not read; convert the picture to png or jpg")
    }
    return MediaError(.notPicture, name, "not a picture that can be read; convert it to png, jpg, gif or bmp")
  }

  private static func decode(
    _ bytes: [UInt8], _ header: mio_picture_header, name: String
  ) throws(MediaError) -> Picture {
    var result = mio_picture_header()
    var ranOut: Int32 = 0
    let isDeepGray = header.is_deep != 0 && header.channels < 3
    let pixels = unsafe bytes.withUnsafeBufferPointer {
      unsafe mio_picture_decode($0.baseAddress, $0.count, isDeepGray ? 1 : 0, &result, &ranOut)
    }
    defer { unsafe mio_picture_free(pixels) }
    guard ranOut == 0 else {
      throw MediaError(.malformed, name, "the picture is cut off; copy or export it again")
    }
    guard let pixels = unsafe pixels else {
      let reason = unsafe String(cString: mio_picture_failure())
      throw MediaError(.malformed, name, "a damaged picture (\(reason)); export it again")
    }
    let (width, height) = (Int(result.width), Int(result.height))
    guard width == Int(header.width), height == Int(header.height) else {
      throw MediaError(.malformed, name, "the picture's size contradicts its header; export it again")
    }
    let count = width * height * Int(result.channels)
    let rgb: [UInt8]
    if isDeepGray {
      let deep = unsafe UnsafeBufferPointer(start: pixels.assumingMemoryBound(to: UInt16.self), count: count)
      rgb = unsafe threeChannels(deep, channels: Int(result.channels)) { UInt8(min($0, 255)) }
    } else {
      let plain = unsafe UnsafeBufferPointer(start: pixels.assumingMemoryBound(to: UInt8.self), count: count)
      rgb = unsafe threeChannels(plain, channels: Int(result.channels)) { $0 }
    }
    return Picture(width: width, height: height, rgb: rgb)
  }

  /// Red, green and blue of every pixel, from 1 (gray), 2 (gray, alpha), 3 or 4 (with alpha) channels.
  @inline(__always)
  private static func threeChannels<Value>(
    _ pixels: UnsafeBufferPointer<Value>, channels: Int, _ convert: (Value) -> UInt8
  ) -> [UInt8] {
    let count = pixels.count / channels
    let (green, blue) = channels < 3 ? (0, 0) : (1, 2)
    return unsafe [UInt8](unsafeUninitializedCapacity: 3 * count) { target, used in
      for index in 0..<count {
        unsafe target[3 * index] = convert(pixels[index * channels])
        unsafe target[3 * index + 1] = convert(pixels[index * channels + green])
        unsafe target[3 * index + 2] = convert(pixels[index * channels + blue])
      }
      used = 3 * count
    }
  }
}
