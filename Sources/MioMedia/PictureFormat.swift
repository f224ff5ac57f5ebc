import CStbImage

/// The forms in which pictures are written.
package enum PictureFormat: String, Sendable, CaseIterable {
  case png, jpeg

  /// Quality of JPEGs, 1...100, when the caller names none: that of Pillow, which the reference saves with.
  package static let standardQuality = 75

  /// The format that the suffix of `path` names.
  package init(path: String) throws(MediaError) {
    let name = path.split(separator: "/").last ?? ""
    let suffix = name.contains(".") ? name.split(separator: ".").last?.lowercased() : nil
    switch suffix {
    case "png": self = .png
    case "jpg", "jpeg": self = .jpeg
    default:
      throw MediaError(
        .unknownFormat, path, "pictures are written as .png or .jpg; end the name with one of them")
    }
  }
}

extension Picture {
  /// The bytes of a file.
  package func encoded(
    as format: PictureFormat, quality: Int = PictureFormat.standardQuality
  ) throws(MediaError) -> [UInt8] {
    precondition((1...100).contains(quality), "the quality of a JPEG is 1 to 100")
    guard width <= PictureFile.sideLimit, height <= PictureFile.sideLimit else {
      throw MediaError(.tooLarge, "picture", "\(width) x \(height) pixels; a side has at most \(PictureFile.sideLimit)")
    }
    let sink = PictureSink()
    let context = unsafe Unmanaged.passUnretained(sink).toOpaque()
    let isWritten = unsafe rgb.withUnsafeBufferPointer { pixels in
      switch format {
      case .png:
        unsafe mio_picture_encode_png(
          PictureSink.receive, context, Int32(width), Int32(height), pixels.baseAddress)
      case .jpeg:
        unsafe mio_picture_encode_jpeg(
          PictureSink.receive, context, Int32(width), Int32(height), pixels.baseAddress, Int32(quality))
      }
    }
    guard isWritten != 0 else { throw MediaError(.writeFailed, "picture", "not enough memory to encode the picture") }
    return sink.bytes
  }

  /// Writes a file that appears under its name when it is complete; the suffix names the format.
  package func write(to path: String, quality: Int = PictureFormat.standardQuality) throws(MediaError) {
    let bytes = try encoded(as: PictureFormat(path: path), quality: quality)
    let file = try AtomicFile(path: path)
    try file.descriptor.write(bytes, name: path)
    try file.commit()
  }
}

/// Collects what the encoder hands out.
private final class PictureSink {
  var bytes: [UInt8] = []

  static let receive: @convention(c) (UnsafeMutableRawPointer?, UnsafeMutableRawPointer?, Int32) -> Void = {
    context, bytes, count in
    guard let context = unsafe context, let bytes = unsafe bytes else { return }
    let sink = unsafe Unmanaged<PictureSink>.fromOpaque(context).takeUnretainedValue()
    unsafe sink.bytes.append(contentsOf: UnsafeRawBufferPointer(start: bytes, count: Int(count)))
  }
}
