import MioFiles

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Decodes videos with ffmpeg, if it is installed.
///
/// The program is run without a shell; it reads the open file itself, never a name or an address, and formats that lead to
/// other files are refused; it may take so long and no longer, and what it writes is checked frame by frame before memory
/// is taken for it.
enum VideoProgram {
  /// Seconds without a frame after which the program is ended.
  private static let patience = 60
  /// Seconds after which it is ended in any case.
  private static let longestRun = 3600

  /// Containers and streams that hold their frames themselves: no playlists, which could name other files.
  private static let formats = """
    3g2,3gp,apng,asf,avi,dv,flv,gif,h261,h263,h264,hevc,ivf,m4a,m4v,matroska,mj2,mjpeg,mov,mp4,mpeg,mpegts,mpegvideo,mxf,nut,\
    ogg,rm,swf,vc1,webm,webp_pipe,yuv4mpegpipe
    """

  /// Hands over every frame until `body` returns false.
  ///
  /// - Parameter transparency: what becomes of it; where it is dropped, the program drops it.
  /// - Returns: what the program complained about beside the frames, in words.
  static func decode(
    _ file: FileDescriptor, name: String, transparency: Image.Transparency = .dropped,
    isCancelled: @escaping () -> Bool, body: (Image) throws(MediaError) -> Bool
  ) throws(MediaError) -> String? {
    guard let program = SystemProgram.path(of: "ffmpeg") else {
      let what = ImageFile.isImage(file.firstBytes) ? "animated PNGs" : "videos"
      throw MediaError(
        .missingProgram, name,
        "\(what) are read by ffmpeg, which is not installed (apt-get install ffmpeg); a folder of frames and an animated gif "
          + "are read without it")
    }
    // Old versions know the first name of the option alone, new ones may know the second alone.
    for option in ["-vsync", "-fps_mode"] {
      let child = try ChildProgram(program, arguments(option, transparency), input: file, name: name)
      var reader = FrameReader(child, name: name, isCancelled: isCancelled, patience: patience, longestRun: longestRun)
      var count = 0
      while let image = try reader.next() {
        count += 1
        if try !body(image) { return nil }
      }
      let complaints = child.readComplaints()
      if count > 0 { return damage(file, complaints, reader.isCutOff, child.exitStatus()) }
      if option == "-vsync", complaints.contains("vsync") { continue }
      if complaints.contains("matches no streams") {
        throw MediaError(.malformed, name, "there is no moving picture in it; sound is read by commands that listen")
      }
      if SoundProgram.isSound(file.firstBytes) {
        throw MediaError(.malformed, name, "a sound file, which has no frames; it is read by commands that listen")
      }
      let reason = Self.lastLine(complaints)
      throw MediaError(
        .malformed, name, "ffmpeg finds no frame in it" + (reason.isEmpty ? "" : " (\(reason))") + "; is it a video?")
    }
    return nil
  }

  private static func damage(_ file: FileDescriptor, _ complaints: String, _ isCutOff: Bool, _ status: Int32?) -> String? {
    let reason = lastLine(complaints)
    guard !reason.isEmpty || isCutOff || (status ?? 0) != 0 else { return isShortAVI(file) ? "the video is cut off" : nil }
    return "the video is damaged" + (reason.isEmpty ? "" : " (ffmpeg: \(reason))")
  }

  /// - Parameter option: the one that says that no frame is to be left out or doubled.
  private static func arguments(_ option: String, _ transparency: Image.Transparency) -> [String] {
    // V leaves out cover art. The child sees the file as descriptor 3. Opening it anew by that name starts at its beginning.
    [
      "ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "error", "-protocol_whitelist", "file,pipe", "-format_whitelist",
      formats, "-i", "file:/proc/self/fd/3", "-map", "0:V:0", "-an", "-sn", "-dn", option, "passthrough", "-f", "image2pipe",
      "-c:v",
    ] + (transparency == .dropped ? ["ppm", "-pix_fmt", "rgb24"] : ["pam", "-pix_fmt", "rgba"]) + ["pipe:1"]
  }

  /// Whether an AVI states more bytes than it has, about which ffmpeg is silent.
  private static func isShortAVI(_ file: FileDescriptor) -> Bool {
    lseek(file.value, 0, SEEK_SET)
    let start = file.firstBytes
    guard start.count >= 12, start.starts(with: Array("RIFF".utf8)), let length = file.regularFileLength else { return false }
    return start[4..<8].reversed().reduce(0) { $0 << 8 | Int($1) } + 8 > length
  }

  /// The last complaint, in printable characters, without the part of ffmpeg that has it, which differs from run to run.
  static func lastLine(_ complaints: String) -> String {
    var line = complaints.split(whereSeparator: \.isNewline).last ?? ""
    while line.hasPrefix("["), let end = line.firstIndex(of: "]") { line = line[end...].dropFirst().drop { $0 == " " } }
    return String(line.filter { $0.isASCII && !($0.asciiValue ?? 0 < 32) }.prefix(120))
  }
}

/// Reads images one after the other: `P6 width height 255` and pixels, or `P7` with lines of names and pixels with alpha, which
/// is shown on white.
private struct FrameReader {
  private let child: ChildProgram
  private let name: String
  private let isCancelled: () -> Bool
  private let patience: Int
  private let end: ContinuousClock.Instant
  private var bytes: [UInt8] = []
  private var position = 0
  /// Whether the program ended within a frame.
  private(set) var isCutOff = false

  init(_ child: ChildProgram, name: String, isCancelled: @escaping () -> Bool, patience: Int, longestRun: Int) {
    self.child = child
    self.name = name
    self.isCancelled = isCancelled
    self.patience = patience
    end = .now + .seconds(longestRun)
  }

  mutating func next() throws(MediaError) -> Image? {
    guard let first = try byte() else { return nil }
    guard first == UInt8(ascii: "P"), let kind = try byte() else { throw garbled }
    let header: Header
    switch kind {
    case UInt8(ascii: "6"): header = Header(width: try number(), height: try number(), depth: 3, limit: try number())
    case UInt8(ascii: "7"): header = try namedHeader()
    default: throw garbled
    }
    guard header.limit == 255, [3, 4].contains(header.depth) else { throw garbled }
    let (width, height) = (header.width, header.height)
    try ImageFile.check(width, height, name: name)
    let count = header.depth * width * height
    var pixels: [UInt8] = []
    pixels.reserveCapacity(count)
    while pixels.count < count {
      // A program that is ended within a frame has none to give.
      guard try fill() else {
        isCutOff = true
        return nil
      }
      let part = min(count - pixels.count, bytes.count - position)
      pixels += bytes[position..<position + part]
      position += part
    }
    let rgb =
      header.depth == 3
      ? pixels : unsafe pixels.withUnsafeBufferPointer { unsafe ImageFile.threeChannels($0, channels: 4, .white) { $0 } }
    return Image(width: width, height: height, rgb: rgb)
  }

  private struct Header {
    var (width, height, depth, limit) = (0, 0, 0, 0)
  }

  /// The lines of a header with names, `P7` aside.
  private mutating func namedHeader() throws(MediaError) -> Header {
    var header = Header()
    for _ in 0..<20 {
      let words = try line().split(separator: " ")
      guard let first = words.first else { continue }
      if first == "ENDHDR" { return header }
      guard words.count == 2, let value = Int(words[1]), (0...1_000_000).contains(value) else { continue }
      switch first {
      case "WIDTH": header.width = value
      case "HEIGHT": header.height = value
      case "DEPTH": header.depth = value
      case "MAXVAL": header.limit = value
      default: break
      }
    }
    throw garbled
  }

  private mutating func line() throws(MediaError) -> String {
    var bytes: [UInt8] = []
    while let next = try byte(), next != 10 {
      bytes.append(next)
      if bytes.count > 100 { throw garbled }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  private var garbled: MediaError { MediaError(.malformed, name, "ffmpeg wrote something else than frames") }

  /// A number and the one white space behind it.
  private mutating func number() throws(MediaError) -> Int {
    var value: Int?
    while let next = try byte() {
      if (48...57).contains(next) {
        value = (value ?? 0) * 10 + Int(next) - 48
        if value ?? 0 > 1_000_000 { throw garbled }
      } else if let value {
        return value
      }
    }
    throw garbled
  }

  private mutating func byte() throws(MediaError) -> UInt8? {
    guard try fill() else { return nil }
    position += 1
    return bytes[position - 1]
  }

  /// Makes sure that there is a byte; false at the end.
  private mutating func fill() throws(MediaError) -> Bool {
    if position < bytes.count { return true }
    let started = ContinuousClock.now
    while true {
      if isCancelled() { throw MediaError(.cancelled, name, "cancelled") }
      if .now - started > .seconds(patience) || .now > end {
        throw MediaError(.readFailed, name, "ffmpeg gave no frame for too long and was ended; convert the video first")
      }
      guard let block = try child.read(milliseconds: 200) else { continue }
      bytes = block
      position = 0
      return !block.isEmpty
    }
  }
}
