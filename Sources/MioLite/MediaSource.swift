import Foundation
import MioMedia

/// Where sound, an image or a video is read from, while a call runs.
public struct MediaSource: Sendable {
  enum Place: Sendable {
    case path(String)
    case handle(FileHandle)
    case bytes([UInt8])
  }

  let place: Place
  /// What messages call it.
  public let name: String
  /// What a model sees where an image, or a frame that is one, is transparent.
  public var transparency = Image.Transparency.white

  /// A file, or for videos a folder of images.
  ///
  /// - Precondition: the URL names a file.
  public init(contentsOf url: URL) {
    precondition(url.isFileURL, "media are read from files; load \(url) first and hand over its bytes")
    place = .path(url.relativePath)
    name = url.relativePath
  }

  /// A file, pipe or device that is open already, read to its end; it stays the caller's.
  public init(readingFrom handle: FileHandle, name: String) {
    place = .handle(handle)
    self.name = name
  }

  /// A file in memory.
  public init(bytes: [UInt8], name: String) {
    place = .bytes(bytes)
    self.name = name
  }
}

extension MediaSource {
  /// Whether the bytes in memory begin as sound does.
  package var isSound: Bool {
    if case .bytes(let bytes) = place { SoundProgram.isSound(bytes) } else { false }
  }

  func audioFile() throws(MediaError) -> AudioFile {
    switch place {
    case .path(let path): try AudioFile.open(path: path)
    case .handle(let handle): try AudioFile.open(descriptor: handle.fileDescriptor, name: name)
    case .bytes(let bytes): try AudioFile.open(bytes: bytes, name: name)
    }
  }

  /// Sound or an image; its first bytes decide.
  func mediaFile(_ reading: MediaFile.Reading) throws(MediaError) -> MediaFile {
    switch place {
    case .path(let path): try MediaFile.open(path: path, reading)
    case .handle(let handle): try MediaFile.open(descriptor: handle.fileDescriptor, name: name, reading)
    case .bytes(let bytes): try MediaFile.open(bytes: bytes, name: name, reading)
    }
  }

  /// - Parameter upright: whether an image that a camera stored turned is turned back.
  func image(upright: Bool) throws(MediaError) -> Image {
    switch place {
    case .path(let path): try ImageFile.open(path: path, upright: upright, transparency: transparency)
    case .handle(let handle):
      try ImageFile.open(
        descriptor: handle.fileDescriptor, name: name, upright: upright, transparency: transparency)
    case .bytes(let bytes): try ImageFile.open(bytes: bytes, name: name, upright: upright, transparency: transparency)
    }
  }

  func videoFile(_ cancellation: Cancellation) throws(MediaError) -> VideoFile {
    switch place {
    case .path(let path):
      return try VideoFile(path: path, transparency: transparency, isCancelled: { cancellation.isCancelled })
    case .handle, .bytes:
      guard case .video(let video) = try visualFile(cancellation) else {
        throw MediaError(.notImage, name, "no video; hand it over as an image")
      }
      return video
    }
  }

  /// An image or a video; its first bytes decide.
  func visualFile(_ cancellation: Cancellation) throws(MediaError) -> MediaFile {
    let isCancelled = { cancellation.isCancelled }
    switch place {
    case .path(let path):
      return try MediaFile.openVisual(path: path, transparency: transparency, isCancelled: isCancelled)
    case .handle(let handle):
      return try MediaFile.openVisual(
        descriptor: handle.fileDescriptor, name: name, transparency: transparency, isCancelled: isCancelled)
    case .bytes(let bytes):
      return try MediaFile.openVisual(bytes: bytes, name: name, transparency: transparency, isCancelled: isCancelled)
    }
  }
}
