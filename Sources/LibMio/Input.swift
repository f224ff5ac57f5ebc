import CMioLite
import Foundation
import MioLite

/// What a `mio_input` points to: words and media, in their order.
final class Input: Handle {
  private(set) var parts: [InputPart] = []

  func add(_ part: InputPart?) -> mio_status {
    guard let part else { return mio_status(MIO_INVALID_INPUT) }
    parts.append(part)
    return mio_status(MIO_OK)
  }

  /// The only medium; words beside it are not asked for.
  func sound(for work: String) throws(MioError) -> Sound {
    guard parts.count == 1, let sound = Sound(parts[0]) else {
      throw MioError(.invalidInput, "\(work) takes one recording; add it to an input of its own")
    }
    return sound
  }

  /// A recording.
  enum Sound {
    case memory(Audio)
    case file(MediaSource)

    init?(_ part: InputPart) {
      switch part {
      case .audio(let audio): self = .memory(audio)
      case .audioFile(let source): self = .file(source)
      default: return nil
      }
    }
  }
}

extension InputPart {
  /// - Returns: nil for what is no medium, or without a path.
  static func file(_ media: mio_media, _ path: UnsafePointer<CChar>?) -> InputPart? {
    guard let source = unsafe fileURL(path).map(MediaSource.init) else { return nil }
    switch Int(media) {
    case MIO_MEDIA_AUDIO: return .audioFile(source)
    case MIO_MEDIA_IMAGE: return .imageFile(source)
    case MIO_MEDIA_VIDEO: return .videoFile(source)
    case MIO_MEDIA_VISUAL: return .visualFile(source)
    default: return nil
    }
  }

  static func sound(_ samples: UnsafePointer<Float>?, _ count: Int, _ sampleRateHz: Int32) -> InputPart? {
    guard sampleRateHz > 0, let samples = unsafe array(samples, count) else { return nil }
    return .audio(Audio(samples: samples, sampleRateHz: Int(sampleRateHz)))
  }

  static func codes(_ codes: UnsafePointer<Int32>?, codebooks: Int, count: Int) -> InputPart? {
    guard codebooks >= 0, count > 0, let codes = unsafe array(codes, max(1, codebooks), count) else { return nil }
    if codebooks == 0 { return .imageCodes(codes) }
    return .speechCodes((0..<codebooks).map { Array(codes[$0 * count..<($0 + 1) * count]) })
  }
}

/// Images `[count, height, width, 3]`; nil if there are none, or too many to be true.
func images(_ rgb: UnsafePointer<UInt8>?, _ width: Int32, _ height: Int32, _ count: Int = 1) -> [Image]? {
  guard width > 0, height > 0, count > 0, let bytes = unsafe array(rgb, Int(width) * Int(height), 3, count) else { return nil }
  let size = bytes.count / count
  return (0..<count).map {
    Image(width: Int(width), height: Int(height), rgb: Array(bytes[$0 * size..<($0 + 1) * size]))
  }
}

/// A copy of what C holds; nil for NULL with a count, or sizes whose product is no size.
func array<Element: BitwiseCopyable>(_ pointer: UnsafePointer<Element>?, _ sizes: Int...) -> [Element]? {
  var count = 1
  for size in sizes {
    let (product, overflow) = count.multipliedReportingOverflow(by: size)
    guard size >= 0, !overflow else { return nil }
    count = product
  }
  if count == 0 { return [] }
  guard let pointer = unsafe pointer, count <= Int.max / MemoryLayout<Element>.stride else { return nil }
  return unsafe Array(UnsafeBufferPointer(start: pointer, count: count))
}

/// Text of C; nil for NULL and for bytes that are no UTF-8.
func utf8(_ pointer: UnsafePointer<CChar>?) -> String? {
  unsafe pointer.flatMap { unsafe String(validatingCString: $0) }
}

/// A file named by C; the bytes of its name need not be UTF-8. nil for NULL and for an empty name.
func fileURL(_ path: UnsafePointer<CChar>?) -> URL? {
  guard let path = unsafe path else { return nil }
  let bytes = unsafe UnsafeBufferPointer(start: path, count: strlen(path)).map { UInt8(bitPattern: $0) }
  return bytes.isEmpty ? nil : URL(fileURLWithPath: PathText.text(bytes))
}

/// What is missing or cannot be used, in the words of the header.
func missing(_ what: String) -> MioError {
  MioError(.invalidInput, "\(what) is NULL, empty, or no UTF-8")
}
