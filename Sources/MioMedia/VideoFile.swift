import MioFiles

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Key frames of a video: what the model sees of it.
///
/// A video is an animated GIF or WebP, a folder of images (in the order of their names, numbers by value), or any file that
/// ffmpeg reads if it is installed, animated PNGs among them. Frames are counted as they are decoded; what a file says about their number is not
/// believed.
package struct VideoFile {
  /// Which frames stand for the video.
  package enum Selection: String, CaseIterable, Sendable {
    /// The middle of every scene; evenly spaced frames where there is one scene only.
    case automatic
    /// Every n-th frame, n a tenth of all frames: 10 to 19 of them.
    case uniform
  }

  package struct Frame: Sendable {
    /// Position in the video, from 0.
    package let index: Int
    package let image: Image
  }

  /// Most frames of a video.
  package static let frameLimit = 1_000_000
  /// Most pixels of all key frames together, as the caller keeps them: 1.2 GB.
  package static let pixelLimit = 400_000_000
  /// Key frames that are taken if the caller does not say how many: what fits a context beside words.
  package static let maxKeyFrames = 20

  private enum Source {
    case folder([String])
    case gif([UInt8])
    case webP([UInt8])
    case program(FileDescriptor)
  }

  private let source: Source
  private let name: String
  private let transparency: Image.Transparency
  private let isCancelled: () -> Bool

  /// - Parameters:
  ///   - transparency: of its frames.
  ///   - isCancelled: asked between frames.
  package init(
    path: String, transparency: Image.Transparency = .dropped, isCancelled: @escaping () -> Bool = { false }
  ) throws(MediaError) {
    if let entries = Self.images(inFolder: path) {
      guard !entries.isEmpty else {
        throw MediaError(.empty, path, "the folder has no images; name a folder of png, jpg, webp, gif or bmp files")
      }
      self.init(.folder(entries), path, transparency, isCancelled)
      return
    }
    let descriptor = FileDescriptor.opening(path: path)
    guard let descriptor else { throw MediaError(.cannotOpen, path, "cannot open: \(systemErrorText())") }
    try self.init(
      AudioInput.seekableFile(descriptor, name: path), name: path, transparency: transparency, isCancelled: isCancelled)
  }

  /// - Parameter descriptor: a regular file.
  init(
    _ descriptor: FileDescriptor, name: String, transparency: Image.Transparency = .dropped,
    isCancelled: @escaping () -> Bool
  ) throws(MediaError) {
    if descriptor.regularFileLength == 0 { throw MediaError(.empty, name, "the file is empty; export it again") }
    let start = descriptor.firstBytes
    // ffmpeg would show one tile of many, and a still image is no film.
    if let refusal = ForeignImage.refusal(ofBytes: start, name) { throw refusal }
    let source: Source
    if GIFReader.isGIF(start) {
      source = .gif(try ImageFile.bytes(of: descriptor, name: name))
    } else if ImageFile.isImage(start) {
      let bytes = try ImageFile.bytes(of: descriptor, name: name)
      guard try ImageFile.isAnimated(bytes, name: name) else {
        throw MediaError(.notImage, name, "this is an image, not a video; hand it over as an image")
      }
      lseek(descriptor.value, 0, SEEK_SET)
      source = ImageFile.isWebP(bytes) ? .webP(bytes) : .program(descriptor)
    } else {
      source = .program(descriptor)
    }
    self.init(source, name, transparency, isCancelled)
  }

  /// Whether a file starts as films of the common kinds do.
  static func isKnownVideo(_ start: [UInt8]) -> Bool {
    func has(_ text: String, at offset: Int) -> Bool { start.dropFirst(offset).starts(with: Array(text.utf8)) }
    let marks: [[UInt8]] = [
      [0x1A, 0x45, 0xDF, 0xA3], [0x30, 0x26, 0xB2, 0x75], [0, 0, 1, 0xBA], [0, 0, 1, 0xB3], Array("FLV".utf8),
      Array("YUV4MPEG2 ".utf8), Array("nut/multimedia".utf8),
    ]
    return has("ftyp", at: 4) || has("RIFF", at: 0) && has("AVI ", at: 8) || marks.contains { start.starts(with: $0) }
  }

  private init(
    _ source: Source, _ name: String, _ transparency: Image.Transparency, _ isCancelled: @escaping () -> Bool
  ) {
    self.source = source
    self.name = name
    self.transparency = transparency
    self.isCancelled = isCancelled
  }

  /// The key frames, in the order of time.
  ///
  /// The video is read twice, frame by frame, so that memory does not grow with its length.
  ///
  /// - Parameters:
  ///   - pixelLimit: most pixels of all frames together, once scaled.
  ///   - scaled: applied to each frame as it comes, so that one alone is held at its full size.
  ///   - note: hears, in words, what of the video could not be read where the rest could.
  package func keyFrames(
    _ selection: Selection = .automatic, most: Int = maxKeyFrames, pixelLimit: Int = Self.pixelLimit,
    scaled: (Image) -> Image = { $0 }, note: (String) -> Void = { _ in }
  ) throws(MediaError) -> [Frame] {
    precondition(most >= 1, "a video needs a frame")
    if case .folder(let paths) = source, selection == .automatic, paths.count < 20 {
      // So few images are somebody's choice already.
      return try frames(Self.thinned(Array(paths.indices), to: most), pixelLimit, scaled)
    }
    var detector = SceneDetector()
    var count = 0
    let damage = try forEach { _, image in
      count += 1
      if selection == .automatic { detector.push(image) }
      return true
    }
    guard count > 0 else { throw MediaError(.empty, name, "no frame can be read from it; export the video again") }
    if let damage {
      note(
        "\(name): \(damage); the \(count == 1 ? "one frame" : "\(count) frames") that can be read \(count == 1 ? "is" : "are") used"
      )
    }
    var chosen = detector.middles(of: count)
    if chosen.isEmpty { chosen = Array(stride(from: 0, to: count, by: max(1, count / 10))) }
    return try frames(Self.thinned(chosen, to: most), pixelLimit, scaled)
  }

  /// At most `most` of the numbers, evenly spaced.
  static func thinned(_ numbers: [Int], to most: Int) -> [Int] {
    guard numbers.count > most else { return numbers }
    return (0..<most).map { numbers[(2 * $0 + 1) * numbers.count / (2 * most)] }
  }

  private func frames(
    _ chosen: [Int], _ pixelLimit: Int, _ scaled: (Image) -> Image
  ) throws(MediaError) -> [Frame] {
    var frames: [Frame] = []
    var pixels = 0
    func keep(_ index: Int, _ image: Image) throws(MediaError) {
      let image = scaled(image)
      pixels += image.width * image.height
      guard pixels <= pixelLimit else {
        throw MediaError(
          .tooLarge, name,
          "its frames have more than \(pixelLimit) pixels together; take fewer of them, or scale the video down first")
      }
      frames.append(Frame(index: index, image: image))
    }
    if case .folder(let paths) = source {
      for index in chosen { try keep(index, ImageFile.open(path: paths[index], upright: true, transparency: transparency)) }
      return frames
    }
    var rest = chosen[...]
    try forEach { index, image throws(MediaError) in
      if index == rest.first {
        try keep(index, image)
        rest = rest.dropFirst()
      }
      return !rest.isEmpty
    }
    return frames
  }

  /// Hands over every frame until `body` returns false.
  ///
  /// - Returns: what is wrong behind the last frame, if anything is.
  @discardableResult
  private func forEach(_ body: (Int, Image) throws(MediaError) -> Bool) throws(MediaError) -> String? {
    var index = 0
    func step(_ image: Image) throws(MediaError) -> Bool {
      if isCancelled() { throw MediaError(.cancelled, name, "cancelled") }
      guard index < Self.frameLimit else {
        throw MediaError(.tooLong, name, "more than \(Self.frameLimit) frames; cut the video into parts")
      }
      defer { index += 1 }
      return try body(index, image)
    }
    switch source {
    case .folder(let paths):
      for path in paths {
        if try !step(ImageFile.open(path: path, upright: true, transparency: transparency)) { break }
      }
      return nil
    case .gif(let bytes):
      var reader = try GIFReader(bytes, name: name, transparency: transparency)
      while let frame = try reader.next() { if try !step(frame.image) { return nil } }
      return reader.damage?.message
    case .webP(let bytes):
      let reader = try WebPAnimation(bytes, name: name, transparency: transparency)
      while let frame = try reader.next() { if try !step(frame) { return nil } }
      return reader.damage?.message
    case .program(let descriptor):
      return try VideoProgram.decode(descriptor, name: name, transparency: transparency, isCancelled: isCancelled, body: step)
    }
  }

  /// The images of a folder in order; nil if it is no folder.
  private static func images(inFolder path: String) -> [String]? {
    guard let folder = unsafe path.withSystemPath({ unsafe opendir($0) }) else { return nil }
    defer { unsafe closedir(folder) }
    var names: [String] = []
    while let entry = unsafe readdir(folder) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
        unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) {
          unsafe PathText.text(UnsafeBufferPointer(start: $0, count: strlen($0)).map { UInt8(bitPattern: $0) })
        }
      }
      if !name.hasPrefix(".") { names.append(name) }
    }
    let paths = names.sorted { order($0) < order($1) }.map { path.hasSuffix("/") ? path + $0 : path + "/" + $0 }
    return paths.filter { isRegular($0) }.filter {
      FileDescriptor.opening(path: $0).map { ImageFile.isImage($0.firstBytes) } ?? false
    }
  }

  /// Whether opening the file cannot wait for anybody, as opening a named pipe would.
  private static func isRegular(_ path: String) -> Bool {
    var status = stat()
    return unsafe path.withSystemPath { unsafe stat($0, &status) } == 0 && status.st_mode & S_IFMT == S_IFREG
  }

  /// A name with its numbers made equally long, so that frame_10 follows frame_9.
  private static func order(_ name: String) -> SortKey {
    var text = ""
    var digits = ""
    for character in name + "\0" {
      if character.isASCII, character.isNumber {
        digits.append(character)
        continue
      }
      if !digits.isEmpty {
        let number = digits.drop { $0 == "0" }
        text += String(repeating: "0", count: max(0, 20 - number.count)) + number
        digits = ""
      }
      text.append(character)
    }
    return SortKey(text: text, name: name)
  }

  private struct SortKey: Comparable {
    let text: String
    let name: String

    static func < (a: SortKey, b: SortKey) -> Bool { (a.text, a.name) < (b.text, b.name) }
  }
}

extension FileDescriptor {
  /// The bytes at the current position, which stays where it is; none of a pipe.
  var firstBytes: [UInt8] {
    let start = lseek(value, 0, SEEK_CUR)
    return unsafe [UInt8](unsafeUninitializedCapacity: 512) { buffer, used in
      used = unsafe max(0, pread(value, buffer.baseAddress!, buffer.count, max(0, start)))
    }
  }
}
