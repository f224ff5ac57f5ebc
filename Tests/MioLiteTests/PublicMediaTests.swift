import Foundation
import MioLite
import MioTestSupport
import Testing

/// Sound, images and videos without a model.
@Suite struct PublicMediaTests {
  private let folder: TemporaryFolder
  private let sound = Goldens.speech("expected/audio/reference_output.wav")
  private let photo = Goldens.image("images/rgba.png")

  init() throws { folder = try TemporaryFolder() }

  private func url(_ name: String) -> URL { folder.url.appendingPathComponent(name) }

  @Test func `reads and writes sound`() throws {
    let audio = try Audio(contentsOf: sound)
    #expect(audio.sampleRateHz == 16_000 && abs(audio.duration - Double(audio.samples.count) / 16_000) < 1e-9)
    #expect(try Audio(bytes: Array(Data(contentsOf: sound))) == audio)
    try audio.write(to: url("a.wav"), format: .waveFloat)
    #expect(try Audio(contentsOf: url("a.wav")) == audio)
    #expect(try audio.encoded(as: .waveFloat) == Array(Data(contentsOf: url("a.wav"))))
    for format in Audio.Format.allCases {
      let again = try Audio(bytes: audio.encoded(as: format))
      #expect(abs(again.duration - audio.duration) < 0.1, "\(format)")
    }
    let halved = try audio.resampled(to: 8000)
    #expect(halved.sampleRateHz == 8000 && abs(halved.duration - audio.duration) < 0.01)
    #expect(throws: MioError.self) { try audio.resampled(to: 3) }
    #expect(throws: MioError.self) { try Audio(bytes: [1, 2, 3]) }
    #expect(throws: MioError.self) { try Audio(contentsOf: url("none.wav")) }
    #expect(throws: MioError.self) { try audio.write(to: url("a.xyz")) }
    #expect(throws: MioError.self) { try audio.write(to: url("none/a.wav")) }
    #expect(throws: MioError.self) { try AudioFileWriter(to: url("b.wav"), sampleRateHz: 0) }
  }

  @Test func `writes sound while it is made`() throws {
    let writer = try AudioFileWriter(to: url("a.flac"), sampleRateHz: 16_000)
    try writer.write([0, 0.5, 2])
    #expect(!FileManager.default.fileExists(atPath: url("a.flac").path))
    try writer.finish()
    #expect(writer.clippedSampleCount == 1)
    #expect(try Audio(contentsOf: url("a.flac")).samples.count == 3)
    let pipe = Pipe()
    let sender = try AudioPipeWriter(to: pipe.fileHandleForWriting, name: "pipe", format: .raw16, sampleRateHz: 16_000)
    try sender.write([0, 1, -3])
    try pipe.fileHandleForWriting.close()
    #expect(try pipe.fileHandleForReading.readToEnd()?.count == 6 && sender.clippedSampleCount == 1)
  }

  @Test func `reads and writes images`() throws {
    let image = try Image(contentsOf: photo)
    #expect(try Image(bytes: Array(Data(contentsOf: photo))) == image)
    #expect(try Image(MediaSource(contentsOf: photo), upright: false).rgb == image.rgb)
    try image.write(to: url("a.png"), origin: ImageOrigin(prompt: "a ball", options: ImageOptions(steps: 4)))
    #expect(try Image(contentsOf: url("a.png")) == image)
    #expect(try String(decoding: Data(contentsOf: url("a.png")), as: UTF8.self).contains("a ball"))
    #expect(try image.encoded(as: .jpeg).starts(with: [0xFF, 0xD8]) && image.encoded().starts(with: [0x89]))
    try image.write(to: url("b"), format: .jpeg)
    #expect(try Image(contentsOf: url("b")).width == image.width)
    #expect(image.resized(width: 7, height: 5).rgb.count == 105)
    #expect(try Image.Format(suffixOf: url("x.JPG")) == .jpeg)
    #expect(throws: MioError.self) { try Image.Format(suffixOf: url("x.bmp")) }
    #expect(throws: MioError.self) { try Image(bytes: [1, 2]) }
    #expect(throws: MioError.self) { try image.write(to: url("none/a.png")) }
    #expect(throws: MioError.self) { try image.write(to: url("a.txt")) }
  }

  @Test func `reads and writes videos`() async throws {
    let (red, blue) = (
      Image(width: 2, height: 1, rgb: [255, 0, 0, 255, 0, 0]), Image(width: 2, height: 1, rgb: [0, 0, 255, 0, 0, 255])
    )
    var encoder = GIFEncoder(millisecondsPerFrame: 100, comment: "two frames")
    #expect(encoder.finish().isEmpty)
    try encoder.add(red)
    try encoder.add(blue)
    #expect(throws: MioError.self) { try encoder.add(red.resized(width: 3, height: 1)) }
    try OutputFile.write(encoder.finish(), to: url("a.gif"))
    #expect(try await Video(contentsOf: url("a.gif"), selection: .uniform).frames == [red, blue])
    #expect(try await Video(MediaSource(bytes: encoder.finish(), name: "gif"), selection: .uniform).frames == [red, blue])
    #expect(try await Video(contentsOf: url("a.gif"), maxFrames: 1, selection: .uniform).frames.count == 1)
    await #expect(throws: MioError.self) { try await Video(contentsOf: url("none.gif")) }
    await #expect(throws: MioError.self) { try await Video(contentsOf: url("a.gif"), maxFrames: 0) }
    #expect(throws: MioError.self) { try OutputFile.write([1], to: url("none/a")) }
  }
}
