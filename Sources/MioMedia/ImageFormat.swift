import CImages
import MioFiles

/// The forms in which images are written.
package enum ImageFormat: String, Sendable, CaseIterable {
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
        .unknownFormat, path, "images are written as .png or .jpg; end the name with one of them")
    }
  }
}

/// What is written into an image's file beside its pixels, for those who later ask where it came from.
package struct ImageNotes: Hashable, Sendable {
  /// What the image shows, or was asked to show.
  package var description: String
  /// How it was made, in the form that image programs read: the description, then `Steps: 20, Seed: 1, ...`.
  package var parameters: String
  /// The program.
  package var software: String

  package init(description: String, parameters: String, software: String) {
    self.description = description
    self.parameters = parameters
    self.software = software
  }
}

extension ImageNotes {
  /// How the image of a file was made, as programs for generated images say it: a PNG's text "parameters", or a JPEG's comment.
  package static func parameters(in bytes: [UInt8]) -> String? {
    guard let text = PNGChunks.isPNG(bytes) ? PNGChunks.text("parameters", in: bytes) : comment(in: bytes) else { return nil }
    // A PNG's short texts are Latin-1.
    return String(validating: text, as: UTF8.self)
      ?? String(String.UnicodeScalarView(text.map { Unicode.Scalar($0) }))
  }

  /// The first comment of a JPEG.
  private static func comment(in bytes: [UInt8]) -> ArraySlice<UInt8>? {
    guard bytes.starts(with: [0xFF, 0xD8]) else { return nil }
    var position = 2
    while position + 4 <= bytes.count, bytes[position] == 0xFF, bytes[position + 1] != 0xDA {
      let length = Int(bytes[position + 2]) << 8 | Int(bytes[position + 3])
      guard length >= 2, position + 2 + length <= bytes.count else { return nil }
      if bytes[position + 1] == 0xFE { return bytes[position + 4..<position + 2 + length] }
      position += 2 + length
    }
    return nil
  }
}

extension Image {
  /// The bytes of a file.
  package func encoded(
    as format: ImageFormat, quality: Int = ImageFormat.standardQuality, notes: ImageNotes? = nil
  ) throws(MediaError) -> [UInt8] {
    precondition((1...100).contains(quality), "the quality of a JPEG is 1 to 100")
    guard width <= ImageFile.sideLimit, height <= ImageFile.sideLimit else {
      throw MediaError(.tooLarge, "image", "\(width) x \(height) pixels; a side has at most \(ImageFile.sideLimit)")
    }
    guard format != .png || width * height <= ImageFile.writablePixelLimit else {
      throw MediaError(
        .tooLarge, "image", "\(width) x \(height) pixels; a PNG is written with at most \(ImageFile.writablePixelLimit)")
    }
    let sink = ImageSink()
    let context = unsafe Unmanaged.passUnretained(sink).toOpaque()
    // A zero would end the comment in most readers.
    let comment = Array((notes?.parameters ?? "").utf8.filter { $0 != 0 })
    let isWritten = unsafe rgb.withUnsafeBufferPointer { pixels in
      unsafe comment.withUnsafeBufferPointer { comment in
        switch format {
        case .png:
          unsafe mio_image_encode_png(
            ImageSink.receive, context, Int32(width), Int32(height), pixels.baseAddress)
        case .jpeg:
          unsafe mio_image_encode_jpeg(
            ImageSink.receive, context, Int32(width), Int32(height), pixels.baseAddress, Int32(quality),
            comment.baseAddress, comment.count)
        }
      }
    }
    guard isWritten != 0 else { throw MediaError(.writeFailed, "image", "not enough memory to encode the image") }
    guard format == .png, let notes else { return sink.bytes }
    return PNGText.inserting(
      [("Description", notes.description), ("parameters", notes.parameters), ("Software", notes.software)],
      into: sink.bytes)
  }

  /// Writes a file that appears under its name when it is complete; the suffix names the format.
  package func write(
    to path: String, quality: Int = ImageFormat.standardQuality, notes: ImageNotes? = nil
  ) throws(MediaError) {
    let bytes = try encoded(as: ImageFormat(path: path), quality: quality, notes: notes)
    try MediaError.translating(path) { () throws(AtomicFileError) in try AtomicFile.write(bytes, to: path) }
  }
}

/// Words inside a PNG.
private enum PNGText {
  /// The file with a chunk for each text behind its header: `tEXt` where Latin-1 can spell it, else `iTXt`.
  static func inserting(_ texts: [(key: String, text: String)], into png: [UInt8]) -> [UInt8] {
    let header = 33  // signature and IHDR
    guard png.count >= header else { return png }
    return png[..<header] + texts.flatMap { chunk($0.key, $0.text) } + png[header...]
  }

  private static func chunk(_ key: String, _ text: String) -> [UInt8] {
    let scalars = text.unicodeScalars.filter { $0.value != 0 }
    let content: [UInt8]
    if scalars.allSatisfy({ $0.value < 256 }) {
      content = Array("tEXt".utf8) + Array(key.utf8) + [0] + scalars.map { UInt8($0.value) }
    } else {
      // Not compressed, no language, no translated key.
      content = Array("iTXt".utf8) + Array(key.utf8) + [0, 0, 0, 0, 0] + String(String.UnicodeScalarView(scalars)).utf8
    }
    return big(UInt32(content.count - 4)) + content + big(CRC32.checksum(content))
  }

  private static func big(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }
}

/// Collects what the encoder hands out.
private final class ImageSink {
  var bytes: [UInt8] = []

  static let receive: @convention(c) (UnsafeMutableRawPointer?, UnsafeMutableRawPointer?, Int32) -> Void = {
    context, bytes, count in
    guard let context = unsafe context, let bytes = unsafe bytes else { return }
    let sink = unsafe Unmanaged<ImageSink>.fromOpaque(context).takeUnretainedValue()
    unsafe sink.bytes.append(contentsOf: UnsafeRawBufferPointer(start: bytes, count: Int(count)))
  }
}
