import CImages
import MioFiles

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Reads images: PNG, JPEG, WebP, BMP and GIF (of animations, the first frame).
///
/// Colors come as Pillow's `convert("RGB")` gives them: alpha is dropped unless it is to lie on white; gray is repeated; palettes are
/// looked up; CMYK is multiplied out; 16-bit gray is cut off at 255, other 16-bit colors keep their upper half; a camera's
/// orientation is applied only if asked for. Nothing is decoded before its size is known to be within the limits.
package enum ImageFile {
  /// Most pixels of an image that is read: decoding takes up to sixteen bytes for each, 1.6 GB in all.
  package static let pixelLimit = 100_000_000
  /// Most pixels of a PNG that is written; the encoder counts bytes in 32 bits.
  package static let writablePixelLimit = 170_000_000
  /// Longest side of an image that is read.
  package static let sideLimit = Int(MIO_IMAGE_SIDE_LIMIT)
  /// Longest file that is read.
  package static let byteLimit = 1 << 28

  /// - Parameters:
  ///   - upright: whether an image that a camera stored turned is turned back, as its EXIF data say.
  ///   - transparency: what becomes of it.
  package static func open(
    path: String, upright: Bool = false, transparency: Image.Transparency = .dropped
  ) throws(MediaError) -> Image {
    try open(bytes: bytes(path: path), name: path, upright: upright, transparency: transparency)
  }

  /// Reads to the end of a descriptor that stays the caller's.
  package static func open(
    descriptor: Int32, name: String, upright: Bool = false, transparency: Image.Transparency = .dropped
  ) throws(MediaError) -> Image {
    let bytes = try bytes(of: FileDescriptor(descriptor, owned: false), name: name)
    return try open(bytes: bytes, name: name, upright: upright, transparency: transparency)
  }

  package static func open(
    bytes: [UInt8], name: String, upright: Bool = false, transparency: Image.Transparency = .dropped
  ) throws(MediaError) -> Image {
    if bytes.isEmpty { throw MediaError(.empty, name, "the file is empty; export the image again") }
    let image = try stored(bytes, name: name, transparency)
    return upright ? image.turned(ImageOrientation(of: bytes)) : image
  }

  /// The image as it is stored; of an animation, the first frame.
  private static func stored(
    _ bytes: [UInt8], name: String, _ transparency: Image.Transparency
  ) throws(MediaError) -> Image {
    if GIFReader.isGIF(bytes) {
      var reader = try GIFReader(bytes, name: name, transparency: transparency)
      guard let first = try reader.next() else {
        throw MediaError(.malformed, name, "a GIF without a frame; export it again")
      }
      return first.image
    }
    let bitmap = BitmapHeader(bytes)
    if let compression = bitmap?.foreignCompression {
      throw MediaError(.notImage, name, "a BMP that is \(compression) is not read; export it as png or jpg")
    }
    let whole = bitmap?.normalized ?? PNGChunks.ended(bytes)
    let header = try inspect(whole, name: name)
    if header.is_animated != 0 {
      guard let first = try WebPAnimation(bytes, name: name, transparency: transparency).next() else {
        throw MediaError(.malformed, name, "an animated WebP without a frame; export it again")
      }
      return first
    }
    return try decode(whole, header, name: name, bitmap?.hasAlpha == false ? .dropped : transparency)
  }

  /// Whether the frames of a file, if it is an image, make a film.
  static func isAnimated(_ bytes: [UInt8], name: String) throws(MediaError) -> Bool {
    if GIFReader.isGIF(bytes) {
      var reader = try GIFReader(bytes, name: name)
      guard try reader.next() != nil else { return false }
      return try reader.next() != nil
    }
    if isWebP(bytes), try inspect(bytes, name: name).is_animated != 0 {
      let animation = try WebPAnimation(bytes, name: name)
      guard try animation.next() != nil else { return false }
      return try animation.next() != nil
    }
    return PNGChunks.frameCount(bytes) > 1
  }

  /// Width and height within the limits.
  package static func size(of bytes: [UInt8], name: String) throws(MediaError) -> (width: Int, height: Int) {
    let header = try inspect(bytes, name: name)
    return (Int(header.width), Int(header.height))
  }

  /// The bytes of a file, if there are not too many.
  static func bytes(path: String) throws(MediaError) -> [UInt8] {
    let descriptor = FileDescriptor.opening(path: path)
    guard let descriptor else { throw MediaError(.cannotOpen, path, "cannot open: \(systemErrorText())") }
    return try bytes(of: descriptor, name: path)
  }

  static func bytes(of descriptor: FileDescriptor, name: String) throws(MediaError) -> [UInt8] {
    var status = stat()
    if unsafe fstat(descriptor.value, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
      throw MediaError(.cannotOpen, name, "this is a directory; name an image")
    }
    var bytes: [UInt8] = []
    if let length = descriptor.regularFileLength {
      if length > byteLimit { throw tooLong(name) }
      bytes.reserveCapacity(length)
    }
    var isKnown = false
    while true {
      let block = try descriptor.read(maximumCount: 1 << 20, name: name)
      if block.isEmpty { break }
      bytes += block
      if bytes.count > byteLimit { throw tooLong(name) }
      // What is no image may be large, or have no end.
      if !isKnown, bytes.count >= 512 {
        guard isImage(bytes) else { throw refusal(of: bytes, name: name) }
        isKnown = true
      }
    }
    return bytes
  }

  private static func tooLong(_ name: String) -> MediaError {
    MediaError(.tooLarge, name, "longer than \(byteLimit) bytes; scale the image down first")
  }

  /// Whether a file that starts with these bytes claims to be an image of a kind that is read.
  static func isImage(_ bytes: [UInt8]) -> Bool {
    let starts: [[UInt8]] = [[0x89, 0x50, 0x4E, 0x47], [0xFF, 0xD8, 0xFF], Array("GIF8".utf8), Array("BM".utf8)]
    return starts.contains { bytes.starts(with: $0) } || isWebP(bytes)
  }

  static func isWebP(_ bytes: [UInt8]) -> Bool {
    bytes.starts(with: Array("RIFF".utf8)) && bytes.dropFirst(8).starts(with: Array("WEBP".utf8))
  }

  private static func inspect(_ bytes: [UInt8], name: String) throws(MediaError) -> mio_image_header {
    var header = mio_image_header()
    let (isImage, _) = unsafe reasoned { reason in
      unsafe bytes.withUnsafeBufferPointer {
        unsafe mio_image_inspect($0.baseAddress, $0.count, &header, reason) != 0
      }
    }
    guard isImage else { throw refusal(of: bytes, name: name) }
    try check(Int(header.width), Int(header.height), name: name)
    return header
  }

  /// Refuses sizes outside the limits.
  static func check(_ width: Int, _ height: Int, most: Int = pixelLimit, name: String) throws(MediaError) {
    guard width > 0, height > 0 else {
      throw MediaError(.malformed, name, "the header states \(width) x \(height) pixels; export the image again")
    }
    guard width <= sideLimit, height <= sideLimit, width * height <= most else {
      throw MediaError(
        .tooLarge, name,
        "\(width) x \(height) pixels; at most \(most) are read, \(sideLimit) on a side; scale the image down first")
    }
  }

  /// Why bytes without a header that can be read are refused.
  private static func refusal(of bytes: [UInt8], name: String) -> MediaError {
    guard isImage(bytes) else {
      if let refusal = ForeignImage.refusal(ofBytes: Array(bytes.prefix(512)), name) { return refusal }
      if VideoFile.isKnownVideo(bytes) {
        return MediaError(.notImage, name, "this is a video, not an image; hand it over as a video")
      }
      return MediaError(.notImage, name, "not an image that can be read; convert it to png, jpg, webp, gif or bmp")
    }
    // The decoders give up on sizes of their own, so the size is looked up where it is easy to find.
    if let (width, height) = statedSize(bytes) {
      do throws(MediaError) { try check(width, height, name: name) } catch { return error }
    }
    return MediaError(
      .malformed, name, "a damaged image, or one of more than \(sideLimit) pixels on a side; export it again")
  }

  /// Width and height as the header of a PNG or a JPEG states them.
  private static func statedSize(_ bytes: [UInt8]) -> (width: Int, height: Int)? {
    func big(_ start: Int, _ count: Int) -> Int { bytes[start..<start + count].reduce(0) { $0 << 8 | Int($1) } }
    if bytes.first == 0x89 { return bytes.count >= 24 ? (big(16, 4), big(20, 4)) : nil }
    guard bytes.first == 0xFF else { return nil }
    var position = 2
    while position + 9 <= bytes.count, bytes[position] == 0xFF {
      let marker = bytes[position + 1]
      // Start of frame: C0...CF without the tables C4 and CC and the reserved C8.
      if (0xC0...0xCF).contains(marker), ![0xC4, 0xC8, 0xCC].contains(marker) {
        return (big(position + 7, 2), big(position + 5, 2))
      }
      position += 2 + big(position + 2, 2)
    }
    return nil
  }

  /// Calls `body` with room for a reason and gives back what was written there.
  private static func reasoned<Result>(
    _ body: (UnsafeMutablePointer<CChar>) -> Result
  ) -> (result: Result, reason: String) {
    unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(MIO_IMAGE_REASON_LIMIT)) { buffer in
      unsafe buffer.initialize(repeating: 0)
      let result = unsafe body(buffer.baseAddress!)
      return (result, unsafe String(cString: buffer.baseAddress!))
    }
  }

  private static func decode(
    _ bytes: [UInt8], _ header: mio_image_header, name: String, _ transparency: Image.Transparency
  ) throws(MediaError) -> Image {
    var result = mio_image_header()
    var ranOut: Int32 = 0
    // Pillow cuts 16-bit gray off at 255, but keeps the upper half of gray with alpha; a transparent gray is still gray.
    let isDeepGray = header.is_deep != 0 && PNGChunks.isGray(bytes)
    let (pixels, reason) = unsafe reasoned { reason in
      unsafe bytes.withUnsafeBufferPointer {
        unsafe mio_image_decode(
          $0.baseAddress, $0.count, isDeepGray ? 1 : 0, transparency == .white ? 1 : 0, &result, &ranOut, reason)
      }
    }
    defer { unsafe mio_image_free(pixels) }
    guard ranOut == 0 else {
      throw MediaError(.malformed, name, "the image is cut off; copy or export it again")
    }
    guard let pixels = unsafe pixels else {
      if ["outofmem", "out of memory"].contains(reason) {
        throw MediaError(
          .tooLarge, name, "\(header.width) x \(header.height) pixels that take too much memory; scale the image down first")
      }
      throw MediaError(.malformed, name, "a damaged image (\(reason)); export it again")
    }
    let (width, height) = (Int(result.width), Int(result.height))
    guard width == Int(header.width), height == Int(header.height) else {
      throw MediaError(.malformed, name, "the image's size contradicts its header; export it again")
    }
    let count = width * height * Int(result.channels)
    let rgb: [UInt8]
    if isDeepGray {
      let deep = unsafe UnsafeBufferPointer(start: pixels.assumingMemoryBound(to: UInt16.self), count: count)
      rgb = unsafe threeChannels(deep, channels: Int(result.channels), transparency) { UInt8(min($0, 255)) }
    } else {
      let plain = unsafe UnsafeBufferPointer(start: pixels.assumingMemoryBound(to: UInt8.self), count: count)
      rgb = unsafe threeChannels(plain, channels: Int(result.channels), transparency) { $0 }
    }
    return Image(width: width, height: height, rgb: rgb)
  }

  /// Red, green and blue of every pixel, from 1 (gray), 2 (gray, alpha), 3 or 4 (with alpha) channels.
  @inline(__always)
  static func threeChannels<Value>(
    _ pixels: UnsafeBufferPointer<Value>, channels: Int, _ transparency: Image.Transparency, _ convert: (Value) -> UInt8
  ) -> [UInt8] {
    let count = pixels.count / channels
    let (green, blue) = channels < 3 ? (0, 0) : (1, 2)
    let isBlended = transparency == .white && channels % 2 == 0
    return unsafe [UInt8](unsafeUninitializedCapacity: 3 * count) { target, used in
      for index in 0..<count {
        if isBlended {
          let alpha = unsafe UInt32(convert(pixels[index * channels + channels - 1]))
          func blended(_ value: UInt8) -> UInt8 { UInt8((UInt32(value) * alpha + 255 * (255 - alpha) + 127) / 255) }
          unsafe target[3 * index] = blended(convert(pixels[index * channels]))
          unsafe target[3 * index + 1] = blended(convert(pixels[index * channels + green]))
          unsafe target[3 * index + 2] = blended(convert(pixels[index * channels + blue]))
          continue
        }
        unsafe target[3 * index] = convert(pixels[index * channels])
        unsafe target[3 * index + 1] = convert(pixels[index * channels + green])
        unsafe target[3 * index + 2] = convert(pixels[index * channels + blue])
      }
      used = 3 * count
    }
  }
}
