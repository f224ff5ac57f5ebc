#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A file that may hold a sound, an image or a video; what lies there decides.
package enum MediaFile {
  case sound(AudioFile)
  case image(Image)
  case video(VideoFile)

  /// How an image is taken, and who hears what is odd about a file.
  package struct Reading {
    package var isUpright: Bool
    package var transparency: Image.Transparency
    package var note: (String) -> Void

    package init(
      isUpright: Bool = false, transparency: Image.Transparency = .dropped, note: @escaping (String) -> Void = { _ in }
    ) {
      self.isUpright = isUpright
      self.transparency = transparency
      self.note = note
    }
  }

  /// Sound or an image; of an animation, the first frame.
  package static func open(path: String, _ reading: Reading = Reading()) throws(MediaError) -> MediaFile {
    try open(AudioInput.opening(path: path), name: path, reading)
  }

  /// Reads from a descriptor that stays the caller's; pipes are copied to a temporary file first.
  package static func open(
    descriptor: Int32, name: String, _ reading: Reading = Reading()
  ) throws(MediaError) -> MediaFile {
    try open(AudioInput.seekable(FileDescriptor(descriptor, owned: false), name: name), name: name, reading)
  }

  /// The same for a file in memory.
  package static func open(
    bytes: [UInt8], name: String, _ reading: Reading = Reading()
  ) throws(MediaError) -> MediaFile {
    let start = Array(bytes.prefix(512))
    if let refusal = ForeignImage.refusal(ofBytes: start, name) { throw refusal }
    if ImageFile.isImage(start) { return .image(try image(bytes, name: name, reading)) }
    return .sound(try AudioFile.open(bytes: bytes, name: name))
  }

  private static func open(_ input: AudioInput, name: String, _ reading: Reading) throws(MediaError) -> MediaFile {
    guard case .file(let descriptor) = input else { return .sound(try AudioFile(input, name: name)) }
    let start = descriptor.firstBytes
    if let refusal = ForeignImage.refusal(ofBytes: start, name) { throw refusal }
    guard ImageFile.isImage(start) else { return .sound(try AudioFile(input, name: name)) }
    return .image(try image(ImageFile.bytes(of: descriptor, name: name), name: name, reading))
  }

  private static func image(_ bytes: [UInt8], name: String, _ reading: Reading) throws(MediaError) -> Image {
    let image = try ImageFile.open(
      bytes: bytes, name: name, upright: reading.isUpright, transparency: reading.transparency)
    if !reading.isUpright, ImageOrientation(of: bytes) != .upright {
      reading.note("\(name): the camera stored this image turned, and so it is taken, as the reference does")
    }
    return image
  }

  /// An image or a video: a folder is one, an animation of several frames, and every file that is no image.
  ///
  /// - Parameters:
  ///   - path: '-' is standard input.
  ///   - isCancelled: asked between the frames of a video.
  package static func openVisual(
    path: String, transparency: Image.Transparency = .dropped, isCancelled: @escaping () -> Bool = { false }
  ) throws(MediaError) -> MediaFile {
    let name = path == "-" ? "standard input" : path
    var status = stat()
    if path != "-", unsafe path.withSystemPath({ unsafe stat($0, &status) }) == 0, status.st_mode & S_IFMT == S_IFDIR {
      return .video(try VideoFile(path: path, transparency: transparency, isCancelled: isCancelled))
    }
    let input =
      path == "-" ? try AudioInput.seekable(FileDescriptor(0, owned: false), name: name) : try AudioInput.opening(path: path)
    return try openVisual(input, name: name, transparency, isCancelled: isCancelled)
  }

  /// The same for a descriptor that stays the caller's.
  package static func openVisual(
    descriptor: Int32, name: String, transparency: Image.Transparency = .dropped, isCancelled: @escaping () -> Bool = { false }
  ) throws(MediaError) -> MediaFile {
    try openVisual(
      AudioInput.seekable(FileDescriptor(descriptor, owned: false), name: name), name: name, transparency,
      isCancelled: isCancelled)
  }

  /// The same for a file in memory.
  package static func openVisual(
    bytes: [UInt8], name: String, transparency: Image.Transparency = .dropped, isCancelled: @escaping () -> Bool = { false }
  ) throws(MediaError) -> MediaFile {
    let descriptor = try AudioInput.unnamedTemporaryFile()
    try descriptor.write(bytes, name: name)
    lseek(descriptor.value, 0, SEEK_SET)
    return try openVisual(.file(descriptor), name: name, transparency, isCancelled: isCancelled)
  }

  private static func openVisual(
    _ input: AudioInput, name: String, _ transparency: Image.Transparency, isCancelled: @escaping () -> Bool
  ) throws(MediaError) -> MediaFile {
    guard case .file(let descriptor) = input else { throw MediaError(.notImage, name, "not a file that can be read") }
    let start = descriptor.firstBytes
    guard ImageFile.isImage(start) else {
      if let refusal = ForeignImage.refusal(ofBytes: start, name) { throw refusal }
      if isText(start) {
        throw MediaError(.notImage, name, "neither an image nor a video; convert it to png, jpg, webp, gif or bmp")
      }
      return .video(
        try VideoFile(descriptor, name: name, transparency: transparency, isCancelled: isCancelled))
    }
    let bytes = try ImageFile.bytes(of: descriptor, name: name)
    if try ImageFile.isAnimated(bytes, name: name) {
      lseek(descriptor.value, 0, SEEK_SET)
      return .video(try VideoFile(descriptor, name: name, transparency: transparency, isCancelled: isCancelled))
    }
    return .image(try ImageFile.open(bytes: bytes, name: name, upright: true, transparency: transparency))
  }

  /// Whether a file starts with words, as no video does.
  private static func isText(_ start: [UInt8]) -> Bool {
    // Videos whose headers are words.
    if ["RIFF", "YUV4MPEG2 ", "nut/multimedia"].contains(where: { start.starts(with: Array($0.utf8)) }) { return false }
    return start.allSatisfy { $0 >= 32 && $0 < 127 || $0 == 9 || $0 == 10 || $0 == 13 }
  }
}
