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
      #expect(throws: MediaError.self) { try AudioFile.open(bytes: bytes, name: "sound") }
    }
  }
}
