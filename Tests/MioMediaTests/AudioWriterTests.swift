import Foundation
import MioMedia
import MioTestSupport
import Testing

@Suite struct AudioWriterTests {
  static let tone: [Float] = (0..<20_000).map { Float(0.4 * sin(Double($0) * 0.1) + 0.2 * sin(Double($0) * 0.037)) }

  /// The largest 16-bit sample.
  static let fullScale: Float = 32_767 / 32_768

  static func write(
    _ samples: [Float], to path: String, format: AudioFormat? = nil, block: Int = 777
  ) throws -> AudioWriter {
    let writer = try AudioWriter(path: path, format: format, sampleRateHz: 16_000)
    for start in stride(from: 0, to: samples.count, by: block) {
      try writer.write(Array(samples[start..<min(start + block, samples.count)]))
    }
    try writer.finish()
    return writer
  }

  static func read(_ path: String) throws -> [Float] { try AudioFileTests.readAll(AudioFile.open(path: path)) }

  @Test func `writes the reference's wav but for the true sample count`() throws {
    let goldens = try GoldenTensors(Goldens.speech("expected/wav_output.safetensors"))
    let folder = try TemporaryFolder()
    _ = try Self.write(try goldens.floats("wave"), to: folder.path("out.wav"), format: .waveFloat)
    var expected = try Data(contentsOf: Goldens.speech("expected/audio/reference_output.wav"))
    expected.replaceSubrange(46..<50, with: [0x80, 0x07, 0, 0])  // 1920 in place of 1
    #expect(try Data(contentsOf: URL(fileURLWithPath: folder.path("out.wav"))) == expected)
  }

  @Test func `keeps float samples beyond full scale`() throws {
    let folder = try TemporaryFolder()
    let samples: [Float] = [0, 1.5, -3, 1e-20, -1]
    let writer = try Self.write(samples, to: folder.path("loud.wav"), format: .waveFloat)
    #expect(try Self.read(folder.path("loud.wav")) == samples)
    #expect(writer.clippedSampleCount == 0)
  }

  @Test(arguments: [AudioFormat.wave16, .flac])
  func `gives back 16-bit samples to half a step`(format: AudioFormat) throws {
    let folder = try TemporaryFolder()
    let path = folder.path(format == .flac ? "out.flac" : "out.wav")
    let writer = try Self.write(Self.tone + [1, -1, 0.999_99], to: path, format: format)
    let read = try Self.read(path)
    #expect(largestDifference(Array(read.dropLast(3)), Self.tone) <= 0.5 / 32_768)
    #expect(Array(read.suffix(3)) == [Self.fullScale, -1, Self.fullScale])
    #expect(writer.clippedSampleCount == 0)
  }

  @Test(arguments: [AudioFormat.wave16, .flac])
  func `cuts off and counts samples beyond full scale`(format: AudioFormat) throws {
    let folder = try TemporaryFolder()
    let path = folder.path("out.x")
    let writer = try Self.write([0.5, 1.25, -7, .nan, .infinity, -0.5], to: path, format: format)
    #expect(try Self.read(path) == [0.5, Self.fullScale, -1, 0, Self.fullScale, -0.5])
    #expect(writer.clippedSampleCount == 4)
  }

  @Test(arguments: ["out.ogg", "out.opus"]) func `writes lossy formats that sound alike`(name: String) throws {
    let folder = try TemporaryFolder()
    _ = try Self.write(Self.tone, to: folder.path(name))
    let file = try AudioFile.open(path: folder.path(name))
    var source = AudioSource(file, sampleRateHz: 16_000)
    let read = try source.readAll(maximumSamples: 1 << 20)
    #expect(abs(read.count - Self.tone.count) <= 960)
    let energy = { (x: [Float]) in x.reduce(0) { $0 + Double($1) * Double($1) } }
    #expect(abs(energy(read) / energy(Self.tone) - 1) < 0.05)
  }

  @Test(arguments: ["a.wav", "a.flac", "a.ogg", "a.opus"])
  func `gives the same bytes for the same samples`(name: String) throws {
    let folder = try TemporaryFolder()
    for copy in ["first-", "second-"] { _ = try Self.write(Self.tone, to: folder.path(copy + name)) }
    let bytes = { try Data(contentsOf: URL(fileURLWithPath: folder.path($0 + name))) }
    #expect(try bytes("first-") == bytes("second-"))
  }

  @Test func `leaves nothing behind without finish, and never touches an older file before it`() throws {
    let folder = try TemporaryFolder()
    _ = try Self.write([0.5], to: folder.path("old.wav"))
    let before = try Data(contentsOf: URL(fileURLWithPath: folder.path("old.wav")))
    for name in ["old.wav", "new.flac", "new.ogg"] {
      let writer = try AudioWriter(path: folder.path(name), sampleRateHz: 16_000)
      try writer.write(Self.tone)
    }
    #expect(folder.contents == ["old.wav"])
    #expect(try Data(contentsOf: URL(fileURLWithPath: folder.path("old.wav"))) == before)
  }

  @Test func `writes through a symbolic link`() throws {
    let folder = try TemporaryFolder()
    _ = try Self.write([0.5], to: folder.path("real.wav"))
    try FileManager.default.createSymbolicLink(
      atPath: folder.path("link.wav"), withDestinationPath: folder.path("real.wav"))
    _ = try Self.write([0.25, 0.125], to: folder.path("link.wav"))
    #expect(try Self.read(folder.path("real.wav")) == [0.25, 0.125])
    #expect(folder.contents == ["link.wav", "real.wav"])
  }

  @Test(arguments: [
    ("speech", MediaError.Code.unknownFormat), ("speech.mid", .unknownFormat), ("a.wav/b.txt", .unknownFormat),
    ("missing/speech.wav", .writeFailed), ("/dev/null", .unknownFormat), (".", .unknownFormat),
  ]) func `refuses targets that cannot be written`(name: String, code: MediaError.Code) throws {
    let folder = try TemporaryFolder()
    let path = name.hasPrefix("/") ? name : folder.path(name)
    let error = #expect(throws: MediaError.self) { try AudioWriter(path: path, sampleRateHz: 16_000) }
    #expect(error?.code == code)
    #expect(folder.contents.isEmpty)
  }

  @Test(arguments: AudioFormat.allCases) func `writes to a device, which stays one`(format: AudioFormat) throws {
    _ = try Self.write(Self.tone, to: "/dev/null", format: format)
    var status = stat()
    #expect(unsafe stat("/dev/null", &status) == 0 && status.st_mode & S_IFMT == S_IFCHR)
  }

  @Test func `a suffix of .wav means 16 bits`() throws {
    let folder = try TemporaryFolder()
    _ = try Self.write([0.5, -0.25], to: folder.path("a.wav"))
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: folder.path("a.wav"))))
    #expect(bytes.count == 48 && bytes[20] == 1 && bytes[34] == 16)
  }

  @Test(arguments: [AudioStream.Format.wave16, .waveFloat])
  func `the header of a stream into a file becomes that of the file`(format: AudioStream.Format) throws {
    let folder = try TemporaryFolder()
    let before = Array("before".utf8)
    try Data(before).write(to: folder.url.appendingPathComponent("out"))
    let handle = try #require(FileHandle(forUpdatingAtPath: folder.path("out")))
    try handle.seekToEnd()
    let stream = try AudioStream(descriptor: handle.fileDescriptor, name: "out", format: format, sampleRateHz: 16_000)
    try stream.write(Self.tone)
    try stream.finish()
    _ = try Self.write(Self.tone, to: folder.path("a.wav"), format: format == .wave16 ? .wave16 : .waveFloat)
    let whole = [UInt8](try Data(contentsOf: URL(fileURLWithPath: folder.path("a.wav"))))
    #expect(try [UInt8](Data(contentsOf: URL(fileURLWithPath: folder.path("out")))) == before + whole)
  }

  @Test func `the header of a stream stays where it cannot be put right`() throws {
    let folder = try TemporaryFolder()
    let growing = unsafe open(folder.path("out"), O_WRONLY | O_CREAT | O_APPEND, 0o600)
    defer { close(growing) }
    let stream = try AudioStream(descriptor: growing, name: "out", format: .wave16, sampleRateHz: 16_000)
    try stream.write([0.5])
    try stream.finish()
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: folder.path("out"))))
    #expect(bytes.count == 46 && bytes[4..<8].allSatisfy { $0 == 255 })
  }

  @Test func `reports a full disk and leaves nothing`() throws {
    guard FileManager.default.isWritableFile(atPath: "/dev/full") else { return }
    let full = try #require(FileHandle(forWritingAtPath: "/dev/full"))
    let error = #expect(throws: MediaError.self) {
      try AudioStream(descriptor: full.fileDescriptor, name: "out", format: .wave16, sampleRateHz: 16_000)
    }
    #expect(error?.code == .writeFailed)
  }

  @Test(arguments: [AudioStream.Format.raw16, .wave16, .waveFloat])
  func `streams to a descriptor`(format: AudioStream.Format) throws {
    let folder = try TemporaryFolder()
    try Data().write(to: folder.url.appendingPathComponent("out"))
    let handle = try #require(FileHandle(forWritingAtPath: folder.path("out")))
    let stream = try AudioStream(descriptor: handle.fileDescriptor, name: "out", format: format, sampleRateHz: 16_000)
    try stream.write([0.5, -2])
    try stream.write([0.25])
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: folder.path("out"))))
    if format == .raw16 {
      #expect(bytes == [0, 0x40, 0, 0x80, 0, 0x20])
    } else {
      let read = try AudioFileTests.readAll(AudioFile.open(bytes: bytes, name: "out"))
      #expect(read == [0.5, format == .waveFloat ? -2 : -1, 0.25])
    }
    #expect(stream.clippedSampleCount == (format == .waveFloat ? 0 : 1))
  }
}
