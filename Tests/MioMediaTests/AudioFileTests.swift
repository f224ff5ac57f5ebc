import Foundation
import MioMedia
import MioTestSupport
import Testing

@Suite struct AudioFileTests {
  static let files = [
    "mono16k_pcm16.wav", "stereo44k_pcm16.wav", "mono22k_pcm24.wav", "mono8k_pcm8.wav", "mono48k_pcm32.wav",
    "mono16k_float.wav", "stereo16k_double.wav", "mono16k_extensible.wav", "mono16k_pcm16.flac",
    "stereo44k_pcm16.flac", "mono22k_pcm24.flac",
  ]

  static func path(_ name: String) -> String { Goldens.speech("expected/audio/\(name)").path }

  static func readAll(_ file: AudioFile, block: Int = 1000) throws -> [Float] {
    var samples: [Float] = []
    while case let next = try file.read(maximumFrames: block), !next.isEmpty { samples += next }
    return samples
  }

  /// The oracle's samples [frames, channels], mixed down to the mean.
  static func expected(_ name: String) throws -> [Float] {
    let goldens = try GoldenTensors(Goldens.speech("expected/audio_samples.safetensors"))
    let (channels, values) = (try goldens.shape(name)[1], try goldens.floats(name))
    return stride(from: 0, to: values.count, by: channels).map { start in
      values[start..<(start + channels)].reduce(0, +) / Float(channels)
    }
  }

  @Test(arguments: files) func `reads the samples the reference reads`(name: String) throws {
    let file = try AudioFile.open(path: Self.path(name))
    let expected = try Self.expected(name)
    #expect(file.statedFrameCount == expected.count)
    #expect(try Self.readAll(file) == expected)
    #expect(file.framesRead == expected.count)
    #expect(file.shortfall == nil)
  }

  @Test(arguments: files) func `reads memory and pipes like files`(name: String) throws {
    let expected = try Self.expected(name)
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: Self.path(name))))
    #expect(try Self.readAll(AudioFile.open(bytes: bytes, name: name), block: 77) == expected)
    let pipe = Pipe()
    let writer = Thread {
      pipe.fileHandleForWriting.write(Data(bytes))
      try? pipe.fileHandleForWriting.close()
    }
    writer.start()
    let file = try AudioFile.open(descriptor: pipe.fileHandleForReading.fileDescriptor, name: "standard input")
    #expect(try Self.readAll(file, block: 100_000) == expected)
  }

  @Test func `gives the same samples for any block length`() throws {
    let whole = try Self.readAll(AudioFile.open(path: Self.path("stereo44k_pcm16.flac")), block: 1 << 20)
    for block in [1, 7, 4096] {
      #expect(try Self.readAll(AudioFile.open(path: Self.path("stereo44k_pcm16.flac")), block: block) == whole)
    }
  }

  @Test func `mixes eight channels down to their mean`() throws {
    let samples = (0..<40).map { Float($0) / 64 }
    let bytes = WaveBytes.make(channels: 8, rate: 16_000, floats: samples)
    let file = try AudioFile.open(bytes: bytes, name: "eight.wav")
    #expect(file.channelCount == 8)
    let expected = (0..<5).map { frame in samples[(frame * 8)..<(frame * 8 + 8)].reduce(0, +) / 8 }
    #expect(try Self.readAll(file) == expected)
  }

  @Test func `reads a single sample`() throws {
    let bytes = WaveBytes.make(channels: 1, rate: 16_000, floats: [0.25])
    #expect(try Self.readAll(AudioFile.open(bytes: bytes, name: "one.wav")) == [0.25])
  }

  @Test(arguments: [0, 1, 999, 768_001, Int(Int32.max)])
  func `refuses rates that cannot be converted`(rate: Int) throws {
    let bytes = WaveBytes.make(channels: 1, rate: rate, floats: [0.25, 0.5])
    let error = #expect(throws: MediaError.self) { try AudioFile.open(bytes: bytes, name: "odd.wav") }
    #expect(error?.code == .unsupportedRate || (rate == 0 && error?.code == .malformed))
  }

  @Test func `refuses a header without channels`() throws {
    let bytes = WaveBytes.make(channels: 0, rate: 16_000, floats: [0.25, 0.5])
    let error = #expect(throws: MediaError.self) { try AudioFile.open(bytes: bytes, name: "none.wav") }
    #expect(error?.code == .malformed)
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity, 1e30])
  func `names the first sample that is no sound`(bad: Float) throws {
    var samples = [Float](repeating: 0.1, count: 300)
    samples[123] = bad
    let file = try AudioFile.open(bytes: WaveBytes.make(channels: 2, rate: 16_000, floats: samples), name: "bad.wav")
    let error = #expect(throws: MediaError.self) { try Self.readAll(file, block: 50) }
    #expect(error?.code == .badSample)
    #expect(error?.message.contains("sample 61 of channel 2") == true)
  }

  @Test func `names empty files, folders and files that are missing`() throws {
    let folder = try TemporaryFolder()
    try Data().write(to: folder.url.appendingPathComponent("empty.wav"))
    func code(_ path: String) -> MediaError.Code? {
      #expect(throws: MediaError.self) { try AudioFile.open(path: path) }?.code
    }
    #expect(code(folder.path("empty.wav")) == .empty)
    #expect(code(folder.path("missing.wav")) == .cannotOpen)
    #expect(code(folder.url.path) == .cannotOpen)
    let error = #expect(throws: MediaError.self) { try AudioFile.open(bytes: [], name: "nothing") }
    #expect(error?.code == .empty)
  }

  @Test func `names a file without samples`() throws {
    let bytes = WaveBytes.make(channels: 1, rate: 16_000, floats: [])
    let error = #expect(throws: MediaError.self) {
      try Self.readAll(AudioFile.open(bytes: bytes, name: "silent.wav"))
    }
    #expect(error?.code == .empty)
  }

  @Test(arguments: [
    ("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n", "git lfs pull"),
    ("<!DOCTYPE html><html>404", "web page"), ("PK\u{3}\u{4}" + String(repeating: "x", count: 60), "zip archive"),
  ]) func `what came instead of sound is named`(text: String, says: String) {
    let error = #expect(throws: MediaError.self) { try AudioFile.open(bytes: Array(text.utf8), name: "a.wav") }
    #expect(error?.code == .notAudio && error?.message.contains(says) == true, "\(error as Any)")
  }

  @Test func `refuses what is no sound`() throws {
    for bytes in [Array("# A readme, not a recording\n".utf8), [0], [UInt8](repeating: 0, count: 5000)] {
      let error = #expect(throws: MediaError.self) { try AudioFile.open(bytes: bytes, name: "notes.txt") }
      #expect(error?.code == .notAudio)
    }
  }

  @Test(arguments: ["mono16k_pcm16.wav", "mono16k_pcm16.flac", "stereo16k_double.wav"])
  func `reads what is there of a file cut anywhere, or says why not`(name: String) throws {
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: Self.path(name))))
    let expected = try Self.expected(name)
    for length in stride(from: 1, to: bytes.count, by: 97) {
      do {
        let samples = try Self.readAll(AudioFile.open(bytes: Array(bytes[..<length]), name: name))
        #expect(!samples.isEmpty && samples.count <= expected.count)
        #expect(samples == Array(expected[..<samples.count]))
      } catch let error as MediaError {
        #expect([.empty, .notAudio, .malformed].contains(error.code), "\(length) bytes: \(error)")
      }
    }
  }

  @Test func `says how much of a cut recording could be read`() throws {
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: Self.path("mono16k_pcm16.flac"))))
    let file = try AudioFile.open(bytes: Array(bytes[..<7500]), name: "cut.flac")
    let count = try Self.readAll(file).count
    #expect(count < 5003)
    #expect(file.shortfall?.hasPrefix("\(count) of 5003 samples") == true)
  }

  @Test func `says that the end of a WAVE file is missing, which libsndfile does not`() throws {
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: Self.path("mono16k_pcm16.wav"))))
    func shortfall(_ bytes: [UInt8]) throws -> String? {
      let folder = try TemporaryFolder()
      try Data(bytes).write(to: folder.url.appendingPathComponent("cut.wav"))
      let (file, memory) = (try AudioFile.open(path: folder.path("cut.wav")), try AudioFile.open(bytes: bytes, name: "cut.wav"))
      let count = try Self.readAll(file).count
      #expect(try Self.readAll(memory).count == count)
      #expect(file.shortfall == memory.shortfall)
      #expect(file.shortfall.map { $0.contains("\(count) samples") } ?? true)
      return file.shortfall
    }
    #expect(try shortfall(bytes) == nil)
    #expect(try shortfall(Array(bytes[..<6000]))?.hasPrefix("the file is cut off: 6000 of \(bytes.count) bytes") == true)
    var stream = Array(bytes[..<6000])
    stream.replaceSubrange(4..<8, with: [0xFF, 0xFF, 0xFF, 0xFF])
    #expect(try shortfall(stream) == nil)
  }

  @Test func `survives headers with flipped bytes`() throws {
    for name in ["mono16k_pcm16.wav", "mono16k_pcm16.flac", "mono16k_extensible.wav"] {
      let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: Self.path(name))))
      for index in 0..<60 {
        for value in [UInt8](arrayLiteral: 0, 1, 0x7F, 0x80, 0xFF) {
          var broken = bytes
          broken[index] = value
          _ = try? Self.readAll(AudioFile.open(bytes: broken, name: name))
        }
      }
    }
  }
}

/// Writes small RIFF WAVE files with any header, right or wrong.
enum WaveBytes {
  static func make(channels: Int, rate: Int, floats: [Float]) -> [UInt8] {
    func le(_ value: Int, _ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
    let data = floats.flatMap { le(Int($0.bitPattern), 4) }
    return Array("RIFF".utf8) + le(36 + data.count, 4) + Array("WAVEfmt ".utf8) + le(16, 4) + le(3, 2) + le(channels, 2)
      + le(rate, 4) + le(rate * channels * 4, 4) + le(channels * 4, 2) + le(32, 2) + Array("data".utf8)
      + le(data.count, 4) + data
  }
}
