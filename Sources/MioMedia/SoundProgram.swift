import MioFiles

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Sound in containers that libsndfile does not know, decoded by ffmpeg, if it is installed, to a temporary file.
package enum SoundProgram {
  /// Seconds without a sample after which the program is ended, and bytes that it may write.
  private static let (patience, limit) = (60, 4 << 30)

  /// Containers and streams that hold their sound themselves: no playlists, which could name other files.
  private static let formats = """
    3g2,3gp,aac,ac3,aiff,amr,ape,asf,avi,caf,dts,eac3,flac,flv,m4a,m4v,matroska,mj2,mov,mp3,mp4,mpeg,mpegts,ogg,tta,wav,webm,wv
    """

  /// What the beginning of a file says it is; nil if it is not known to hold sound.
  static func kind(of start: [UInt8]) -> String? {
    func holds(_ text: String, at offset: Int = 0) -> Bool {
      start.count >= offset + text.utf8.count && start[offset..<(offset + text.utf8.count)].elementsEqual(text.utf8)
    }
    if holds("ftyp", at: 4) { return "an MP4 (m4a, mp4, mov or 3gp)" }
    if start.starts(with: [0x1A, 0x45, 0xDF, 0xA3]) { return "a Matroska or WebM file" }
    if holds("#!AMR") { return "an AMR file" }
    if start.count > 1, start[0] == 0xFF, start[1] & 0xF6 == 0xF0 || start[1] & 0xE0 == 0xE0 { return "an AAC or MPEG stream" }
    if start.starts(with: [0x0B, 0x77]) { return "an AC-3 file" }
    if start.starts(with: [0x7F, 0xFE, 0x80, 0x01]) { return "a DTS file" }
    if start.starts(with: [0x30, 0x26, 0xB2, 0x75]) { return "a WMA or ASF file" }
    if start.starts(with: [0, 0, 1, 0xBA]) || start.first == 0x47 && start.count > 188 && start[188] == 0x47 {
      return "an MPEG file"
    }
    for (mark, name) in [
      ("OggS", "an Ogg file of another codec"), ("wvpk", "a WavPack file"), ("MAC ", "a Monkey's Audio file"),
      ("TTA1", "a TTA file"),
      ("FLV", "an FLV file"), ("ADIF", "an AAC file"), ("caff", "a CAF file of another codec"),
    ] where holds(mark) { return name }
    return holds("RIFF") && holds("AVI ", at: 8) ? "an AVI file" : nil
  }

  /// Whether a file begins as those do that hold sound; Ogg and MPEG may hold a film, too, of which the start tells nothing.
  package static func isSound(_ start: [UInt8]) -> Bool {
    func holds(_ text: String, at offset: Int = 0) -> Bool {
      start.count >= offset + text.utf8.count && start[offset..<(offset + text.utf8.count)].elementsEqual(text.utf8)
    }
    let isMPEGLayer = start.count > 1 && start[0] == 0xFF && start[1] & 0xE0 == 0xE0
    return holds("RIFF") && holds("WAVE", at: 8) || holds("FORM") && holds("AIF", at: 8) || isMPEGLayer
      || ["RF64", "fLaC", "OggS", "ID3", ".snd", "#!AMR", "caff", "wvpk", "MAC "].contains { holds($0) }
  }

  /// The first sound of a file as RIFF WAVE.
  static func decoded(_ input: AudioInput, _ kind: String, name: String) throws(MediaError) -> AudioInput {
    guard let program = SystemProgram.path(of: "ffmpeg") else {
      throw MediaError(
        .missingProgram, name,
        "\(kind) is not supported here; it is read by ffmpeg, which is not installed (apt-get install ffmpeg); or convert it "
          + "to wav or flac")
    }
    let child = try ChildProgram(program, arguments, input: descriptor(of: input, name: name), name: name)
    let target = try AudioInput.unnamedTemporaryFile()
    var (total, waited) = (0, ContinuousClock.now)
    while true {
      if .now - waited > .seconds(patience) {
        throw MediaError(.readFailed, name, "ffmpeg gave no sound for too long and was ended; convert the file first")
      }
      guard let block = try child.read(milliseconds: 200) else { continue }
      if block.isEmpty { break }
      waited = .now
      total += block.count
      if total > limit { throw MediaError(.tooLong, name, "more than \(limit >> 30) GiB of sound; cut it into parts") }
      try target.write(block, name: "sound of \(name)")
    }
    guard total > 64 else {
      let complaints = child.readComplaints()
      if complaints.contains("matches no streams") {
        throw MediaError(.notAudio, name, "\(kind) without sound; pictures are read by commands that look")
      }
      let reason = VideoProgram.lastLine(complaints)
      throw MediaError(
        .notAudio, name, "\(kind) in which ffmpeg finds no sound" + (reason.isEmpty ? "" : " (\(reason))"))
    }
    lseek(target.value, 0, SEEK_SET)
    return .file(target)
  }

  private static func descriptor(of input: AudioInput, name: String) throws(MediaError) -> FileDescriptor {
    switch input {
    case .file(let descriptor): return descriptor
    case .memory:
      let descriptor = try AudioInput.unnamedTemporaryFile()
      try descriptor.write(input.bytes(input.byteCount, at: 0), name: name)
      return descriptor
    }
  }

  /// The child sees the file as descriptor 3; opening it anew by that name starts at its beginning.
  private static let arguments = [
    "ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "error", "-protocol_whitelist", "file,pipe", "-format_whitelist",
    formats, "-i",
    "file:/proc/self/fd/3", "-map", "0:a:0", "-vn", "-sn", "-dn", "-f", "wav", "-c:a", "pcm_f32le", "pipe:1",
  ]
}
