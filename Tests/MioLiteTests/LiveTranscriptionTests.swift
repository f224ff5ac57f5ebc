import Foundation
import MioLite
import MioTestSupport
import Synchronization
import Testing

/// Sound that is written down while it is being made.
@Suite struct LiveTranscriptionTests {
  private let folder: TemporaryFolder
  /// Three words with pauses of a second and a half behind each, 16-bit at 16 kHz.
  private let sound: [UInt8]

  init() throws {
    folder = try TemporaryFolder()
    sound = try ["hello", "good morning", "seven"].flatMap { text in
      try Program.run(["tts", text, "--seed", "1", "-q", "--raw"]).output + Array(repeating: UInt8(0), count: 48_000)
    }
  }

  @Test func `words come at the first pause, while the sound goes on`() throws {
    let process = Process()
    let (input, output) = (Pipe(), Pipe())
    process.executableURL = URL(fileURLWithPath: Program.path)
    process.arguments = ["asr", "--live", "-q"]
    (process.standardInput, process.standardOutput) = (input, output)
    try process.run()
    // Two words and the pause behind the first; nobody has said yet that this is all.
    try input.fileHandleForWriting.write(contentsOf: Data(sound[..<(sound.count / 2)]))
    #expect(try output.fileHandleForReading.read(upToCount: 6) == Data("hello\n".utf8))
    try input.fileHandleForWriting.write(contentsOf: Data(sound[(sound.count / 2)...]))
    try input.fileHandleForWriting.close()
    #expect(try output.fileHandleForReading.readToEnd() == Data("good morning\nseven\n".utf8))
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
  }

  @Test func `a WAV stream says what it is`() throws {
    // Both channels at 8 kHz, with a chunk of notes and no length, as a recorder writes it.
    let samples = stride(from: 0, to: sound.count - 3, by: 4).flatMap { sound[$0..<($0 + 2)] + sound[$0..<($0 + 2)] }
    let header: [UInt8] =
      Array("RIFF".utf8) + [255, 255, 255, 255] + Array("WAVEfmt ".utf8) + [
        16, 0, 0, 0, 1, 0, 2, 0, 64, 31, 0, 0, 0, 125, 0, 0, 4, 0,
      ]
      + [16, 0] + Array("LIST".utf8) + [3, 0, 0, 0, 1, 2, 3, 0] + Array("data".utf8) + [255, 255, 255, 255]
    let result = try Program.run(["asr", "--live", "--format", "tsv"], input: header + samples)
    #expect(result.status == 0, "\(result.notes)")
    let lines = result.text.split(separator: "\n").map { $0.split(separator: "\t") }
    #expect(lines.count == 4 && lines[0] == ["start", "end", "text"], "\(result.text)")
    var wrong = header
    wrong[34] = 24
    let refused = try Program.run(["asr", "--live"], input: wrong + samples)
    #expect(refused.status == 2 && refused.notes.contains("16-bit") && refused.notes.contains("ffmpeg"), "\(refused.notes)")
    for end in [20, 43] {
      #expect(try Program.run(["asr", "--live"], input: Array(header[..<end])).status != 0)
    }
  }

  @Test func `a stream gives the same samples in pieces of any size`() throws {
    let header: [UInt8] =
      Array("RIFF".utf8) + [0, 0, 0, 0] + Array("WAVEfmt ".utf8) + [
        16, 0, 0, 0, 1, 0, 2, 0, 64, 31, 0, 0, 0, 125, 0, 0, 4, 0, 16, 0,
      ]
      + Array("data".utf8) + [0, 0, 0, 0]
    // Frames of 16384 and -16384, 32767 and 1, and half a frame.
    let frames: [UInt8] = [0, 64, 0, 192, 255, 127, 1, 0, 7, 0]
    for width in [1, 2, 3, 7, 50, 100] {
      var (named, bare) = (
        PCMStream(sampleRateHz: 16_000, channelCount: 1, name: "a"), PCMStream(sampleRateHz: 16_000, channelCount: 2, name: "b")
      )
      #expect(named.sampleRateHz == nil)
      var heard: [[Float]] = [[], []]
      for start in stride(from: 0, to: header.count + frames.count, by: width) {
        heard[0] += try named.samples(of: Array((header + frames)[start..<min(start + width, header.count + frames.count)]))
      }
      for start in stride(from: 0, to: frames.count, by: width) {
        heard[1] += try bare.samples(of: Array(frames[start..<min(start + width, frames.count)]))
      }
      heard[0] += try named.finish()
      heard[1] += try bare.finish()
      #expect(heard == [[0, 0.5], [0, 0.5]])
      #expect(named.sampleRateHz == 8000 && bare.sampleRateHz == 16_000)
    }
    var none = PCMStream(sampleRateHz: 16_000, channelCount: 1, name: "none")
    #expect(try none.finish().isEmpty && none.finish().isEmpty)
    for (at, value) in [(22, UInt8(0)), (22, 65), (20, 3), (34, 24), (24, 0), (19, 9), (12, 0)] {
      var damaged = header + frames
      damaged[at] = value
      // A rate of 31 * 256 is one.
      if at == 24 { damaged[25] = 0 }
      var stream = PCMStream(sampleRateHz: 16_000, channelCount: 1, name: "damaged")
      let error = #expect(throws: MioError.self, "byte \(at)") { _ = try stream.samples(of: damaged) + stream.finish() }
      #expect(error?.message.hasPrefix("damaged: ") == true, "\(String(describing: error))")
    }
  }

  @Test func `the microphone is a program's, and Ctrl-C ends the sound, not the words`() throws {
    try Data(sound).write(to: folder.url.appendingPathComponent("sound.raw"))
    let script = "#!/bin/sh\ncat \(folder.path("sound.raw"))\nexec sleep 60\n"
    try Data(script.utf8).write(to: folder.url.appendingPathComponent("arecord"))
    chmod(folder.path("arecord"), 0o755)
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: Program.path)
    process.arguments = ["asr", "--mic", "-q"]
    process.environment = ["PATH": "\(folder.url.path):/usr/bin:/bin"]
    process.standardOutput = output
    try process.run()
    #expect(try output.fileHandleForReading.read(upToCount: 6) == Data("hello\n".utf8))
    kill(process.processIdentifier, SIGINT)
    let rest = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
    #expect("good morning\nseven\n".hasPrefix(rest), "\(rest)")
    process.waitUntilExit()
    #expect(process.terminationReason == .exit && process.terminationStatus == 0)
  }

  @Test func `a microphone that cannot be had is told`() throws {
    let none = try Program.run(["asr", "--mic"])
    #expect(none.status == 1 && none.notes.contains("arecord") && none.notes.contains("--live"), "\(none.notes)")
    let script = "#!/bin/sh\necho 'no such device' >&2\nexit 1\n"
    try Data(script.utf8).write(to: folder.url.appendingPathComponent("parecord"))
    chmod(folder.path("parecord"), 0o755)
    let broken = try Program.run(["asr", "--mic"], environment: ["PATH": "\(folder.url.path):/usr/bin:/bin"])
    #expect(broken.status == 1 && broken.notes.contains("no such device"), "\(broken.notes)")
    for arguments in [["--mic", "a.wav"], ["--mic", "--live"], ["--live", "a.wav"]] {
      #expect(try Program.run(["asr"] + arguments).status == 2)
    }
  }

  @Test func `a program may bring its own sound, with an offset`() async throws {
    let model = try Model(path: TestServer.demo)
    let samples = stride(from: 0, to: sound.count - 1, by: 2).map { at in
      Float(Int16(bitPattern: UInt16(sound[at]) | UInt16(sound[at + 1]) << 8)) / 32_768 + 0.05
    }
    let position = Mutex(0)
    let heard = DispatchSemaphore(value: 0)
    @Sendable func next() -> [Float] {
      let block = position.withLock { position in
        defer { position = min(position + 1600, samples.count) }
        return position..<min(position + 1600, samples.count)
      }
      // The second half is not spoken before the first word was read.
      if block.contains(samples.count / 2) { heard.wait() }
      return Array(samples[block])
    }
    var texts: [String] = []
    for try await segment in model.transcription(ofSoundAt: 16_000, next: next) {
      heard.signal()
      texts.append(segment.text)
    }
    #expect(texts == ["hello", "good morning", "seven"])
    await #expect(throws: MioError.self) { for try await _ in model.transcription(ofSoundAt: 3, next: { [] }) {} }
    await #expect(throws: MioError.self) { for try await _ in model.transcription(ofSoundAt: 16_000, next: { [] }) {} }
    struct Torn: Error {}
    await #expect(throws: MioError.self) {
      for try await _ in model.transcription(ofSoundAt: 16_000, next: { throw Torn() }) {}
    }
  }
}
