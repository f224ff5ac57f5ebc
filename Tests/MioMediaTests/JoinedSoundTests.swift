import Foundation
import MioMedia
import MioTestSupport
import Testing

/// Sound files that are not what their headers say: joined, streamed, cut off.
@Suite struct JoinedSoundTests {
  private static let samples = (0..<20_000).map { Float(0.3 * sin(Double($0) * 0.05)) }

  private func encoded(_ suffix: String, rate: Int = 16_000) throws -> [UInt8] {
    let folder = try TemporaryFolder()
    let path = folder.path("a." + suffix)
    let writer = try AudioWriter(path: path, sampleRateHz: rate)
    try writer.write(Self.samples)
    try writer.finish()
    return try Array(Data(contentsOf: URL(fileURLWithPath: path)))
  }

  private func read(_ bytes: [UInt8]) throws -> (count: Int, shortfall: String?) {
    let file = try AudioFile.open(bytes: bytes, name: "sound")
    var source = AudioSource(file, sampleRateHz: file.sampleRateHz)
    let samples = try source.readAll(maximumSamples: 1 << 24)
    return (samples.count, file.shortfall)
  }

  private func big(_ value: Int, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * (count - 1 - $0))) }
  }

  private func little(_ value: Int, _ count: Int) -> [UInt8] { big(value, count).reversed() }

  private func wave(riff: Int, data: Int, form: String = "RIFF", extra: [UInt8] = []) -> [UInt8] {
    let format = Array("fmt ".utf8) + little(16, 4) + little(1, 2) + little(1, 2) + little(16_000, 4) + little(32_000, 4)
    return Array(form.utf8) + little(riff, 4) + Array("WAVE".utf8) + extra + format + little(2, 2) + little(16, 2)
      + Array("data".utf8) + little(data, 4) + (0..<2000).map { UInt8($0 & 0x3F) }
  }

  @Test(arguments: ["flac", "ogg", "opus", "wav"]) func `recordings that were joined are read to the end`(suffix: String) throws
  {
    let one = try encoded(suffix)
    let single = try read(one)
    #expect(single.shortfall == nil)
    for count in [2, 3] {
      let joined = try read((0..<count).flatMap { _ in one })
      #expect(joined.count == count * single.count && joined.shortfall == nil, "\(joined)")
    }
  }

  private func au() -> [UInt8] {
    Array(".snd".utf8) + big(24, 4) + big(2000, 4) + big(3, 4) + big(16_000, 4) + big(1, 4)
      + (0..<2000).map { UInt8($0 & 0x3F) }
  }

  private func aiff() -> [UInt8] {
    let common =
      Array("COMM".utf8) + big(18, 4) + big(1, 2) + big(1000, 4) + big(16, 2) + big(0x400C_FA00, 4)
      + [UInt8](repeating: 0, count: 6)
    let sound = Array("SSND".utf8) + big(2008, 4) + big(0, 8) + (0..<2000).map { UInt8($0 & 0x3F) }
    return Array("FORM".utf8) + big(4 + common.count + sound.count, 4) + Array("AIFF".utf8) + common + sound
  }

  /// Sony's 64-bit form, whose sizes include the 24 bytes of their own header.
  private func wave64() -> [UInt8] {
    func name(_ text: String) -> [UInt8] {
      Array(text.utf8) + [0xF3, 0xAC, 0xD3, 0x11, 0x8C, 0xD1, 0x00, 0xC0, 0x4F, 0x8E, 0xDB, 0x8A]
    }
    let riff = Array("riff".utf8) + [0x2E, 0x91, 0xCF, 0x11, 0xA5, 0xD6, 0x28, 0xDB, 0x04, 0xC1, 0, 0]
    let format =
      name("fmt ") + little(40, 8) + little(1, 2) + little(1, 2) + little(16_000, 4) + little(32_000, 4) + little(2, 2)
      + little(16, 2)
    let data = name("data") + little(2024, 8) + (0..<2000).map { UInt8($0 & 0x3F) }
    return riff + little(40 + format.count + data.count, 8) + name("wave") + format + data
  }

  /// Frames of silence behind one that says how many there are, as encoders write them: MPEG 1, layer III, mono, 44,100 Hz.
  private func mp3(frames: Int = 40) -> [UInt8] {
    let header: [UInt8] = [0xFF, 0xFB, 0x90, 0xC4]
    let silence = header + [UInt8](repeating: 0, count: 413)
    let info = Array("Info".utf8) + big(3, 4) + big(frames, 4) + big(417 * (frames + 1), 4)
    return header + [UInt8](repeating: 0, count: 17) + info + [UInt8](repeating: 0, count: 413 - 17 - info.count)
      + (0..<frames).flatMap { _ in silence }
  }

  /// Without a frame that states the length, the first bit rate would be taken for that of all.
  @Test(arguments: [0, 10 + 40]) func `MP3 of a varying rate is read to its end`(tag: Int) throws {
    // 320 and 32 kb/s at 44,100 Hz.
    let frames = [(UInt8(0xE0), 1044), (UInt8(0x10), 104)].map { bits, length in
      [0xFF, 0xFB, bits, 0xC4] + [UInt8](repeating: 0, count: length - 4)
    }
    let notes =
      tag == 0 ? [] : Array("ID3".utf8) + [4, 0, 0, 0, 0, 0, UInt8(tag - 10)] + [UInt8](repeating: 0, count: tag - 10)
    let bytes = notes + (0..<100).flatMap { frames[$0 < 10 ? 0 : 1] }
    let read = try read(bytes)
    #expect(abs(read.count - 100 * 1152) <= 1152 && read.shortfall == nil, "\(read)")
  }

  /// Damage, or the notes and pictures of the second of two files that were joined.
  @Test(arguments: [1, 421, 5000, 300_000]) func `MP3 goes on behind what is no sound`(length: Int) throws {
    let one = mp3(frames: 30)
    // What looks like a frame now and then is none unless another one follows.
    let noise = (0..<length).map { [7, UInt8($0 >> 3 & 127), 1, 0xFF, 0xFB, 0x90, 0xC4][$0 % 7] }
    let bare = Array(one.dropFirst(417))
    for (kind, start) in [("stated", one), ("bare", bare)] {
      for (end, rest) in [("sound", bare), ("nothing", [])] {
        let read = try read(start + noise + rest)
        let frames = rest.isEmpty ? 30 : 60
        #expect(abs(read.count - frames * 1152) <= 2 * 1152, "\(kind), then \(end): \(read)")
        #expect(read.shortfall?.contains("\(length) bytes") == true, "\(kind), then \(end): \(read)")
      }
    }
  }

  @Test func `recordings in forms that are not written here are joined, too`() throws {
    let noted = wave(riff: 2036 + 12, data: 2000) + Array("LIST".utf8) + little(4, 4) + Array("note".utf8)
    for (kind, one) in [("au", au()), ("aiff", aiff()), ("w64", wave64()), ("wav with notes", noted), ("mp3", mp3())] {
      let single = try read(one)
      #expect(single.count >= 1000 && single.shortfall == nil, "\(kind): \(single)")
      let joined = try read(one + one + one)
      #expect(joined.count == 3 * single.count && joined.shortfall == nil, "\(kind): \(joined)")
    }
  }

  @Test func `what is cut off of them is said`() throws {
    for (kind, one) in [("au", au()), ("aiff", aiff()), ("w64", wave64()), ("mp3", mp3())] {
      let whole = try read(one)
      let cut = try read(Array(one.dropLast(900)))
      #expect(cut.count > 0 && cut.count < whole.count && cut.shortfall?.contains("cut off") == true, "\(kind): \(cut)")
      let second = try read(one + one.dropLast(900))
      #expect(second.count > whole.count && second.count < 2 * whole.count, "\(kind): \(second)")
      if kind != "mp3" { #expect(second.shortfall?.contains("cut off") == true, "\(kind): \(second)") }
    }
  }

  @Test func `a joined recording of another rate is left out, with a note`() throws {
    let joined = try read(encoded("flac") + encoded("flac", rate: 8_000))
    #expect(joined.count == 20_000)
    #expect(joined.shortfall?.contains("another rate") == true)
  }

  @Test func `a recording is listened to from its beginning again`() throws {
    let one = try encoded("flac")
    let file = try AudioFile.open(bytes: one + one, name: "sound")
    #expect(try file.prepareForListening().isEmpty)
    var source = AudioSource(file, sampleRateHz: 16_000)
    #expect(try source.readAll(maximumSamples: 1 << 20).count == 40_000)
  }

  @Test(arguments: [0, 0xFFFF_FFFF, 0x7FFF_FFFF]) func `a stream of waves is read to the end`(size: Int) throws {
    let read = try read(wave(riff: size, data: size))
    #expect(read.count == 1000 && read.shortfall == nil, "\(read)")
  }

  @Test(arguments: [0, 8, 100, 100_000, 0xFFFF_FFFF]) func `a wrong size of the whole is no fault of the sound`(riff: Int)
    throws
  {
    let read = try read(wave(riff: riff, data: 2000))
    #expect(read.count == 1000 && read.shortfall == nil, "\(read)")
  }

  @Test func `files that were cut off say so`() throws {
    let long = little(2036 + 8000, 8) + little(10_000, 8) + little(5000, 8) + little(0, 4)
    let common =
      Array("COMM".utf8) + big(18, 4) + big(1, 2) + big(5000, 4) + big(16, 2) + big(0x400C_FA00, 4)
      + [UInt8](repeating: 0, count: 6)
    let cut: [(String, [UInt8])] = [
      ("wav", wave(riff: 10_036, data: 10_000)),
      ("rf64", wave(riff: 0xFFFF_FFFF, data: 0xFFFF_FFFF, form: "RF64", extra: Array("ds64".utf8) + little(28, 4) + long)),
      (
        "au",
        Array(".snd".utf8) + big(24, 4) + big(10_000, 4) + big(3, 4) + big(16_000, 4) + big(1, 4)
          + [UInt8](repeating: 1, count: 2000)
      ),
      (
        "aiff",
        Array("FORM".utf8) + big(10_046, 4) + Array("AIFF".utf8) + common + Array("SSND".utf8) + big(10_008, 4) + big(0, 8)
          + [UInt8](repeating: 1, count: 2000)
      ),
      ("ogg", try Array(encoded("ogg").dropLast(40))), ("opus", try Array(encoded("opus").dropLast(40))),
    ]
    for (kind, bytes) in cut {
      // A short Ogg file has a single page of sound.
      guard kind.hasPrefix("o") == false || (try? read(bytes)) != nil else { continue }
      let read = try read(bytes)
      #expect(read.count > 0 && read.shortfall != nil, "\(kind): \(read)")
    }
  }

  @Test func `every cut of a header gives an error or sound`() throws {
    for whole in [try encoded("ogg"), wave(riff: 0, data: 0), try encoded("flac") + encoded("flac")] {
      for count in stride(from: 1, to: min(whole.count, 3000), by: 7) { _ = try? read(Array(whole.prefix(count))) }
    }
  }

  @Test func `what ffmpeg would read is named`() {
    for start in [
      [0, 0, 0, 24] + Array("ftypM4A ".utf8), [0x1A, 0x45, 0xDF, 0xA3], Array("#!AMR\n".utf8), [0xFF, 0xF1, 0x50, 0x80],
    ] {
      let bytes = start + [UInt8](repeating: 0, count: 300)
      // Where ffmpeg is installed, it may find sound in zeros, too.
      do { _ = try AudioFile.open(bytes: bytes, name: "sound") } catch { #expect(error.message.contains("ffmpeg")) }
    }
  }
}
