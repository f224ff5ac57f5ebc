import Foundation
import MioLite

/// Where speech goes: a file, a stream, or a player.
protocol AudioSink: AnyObject {
  /// What to call the destination in the closing line.
  var destination: String { get }
  func write(_ samples: [Float]) throws
  func finish() throws
  /// Ends what cannot be completed, at once.
  func giveUp()
}

/// How speech leaves the program.
struct AudioDestination {
  var output: String?
  var isRaw = false
  var isPlayed = false
  /// Whether WAV keeps the samples as 32-bit floats.
  var keepsFloats = false

  /// Refuses, before any work, what could not be done with the result.
  func check() throws {
    if isRaw || output == "-" { try Output.refuseTerminal(for: "sound", or: " or --play") }
    guard let output, output != "-" else { return }
    try Output.refuseTerminal(output)
    if !isStreamed { try Output.check(output, suffix: Audio.Format.init(suffixOf:)) }
    if keepsFloats, try !isWave { throw Failure(.wrongInput, "--float is about .wav; \(output) has its own form") }
  }

  private var isWave: Bool {
    get throws {
      guard let output, output != "-", !isStreamed else { return true }
      return try Audio.Format(suffixOf: URL(fileURLWithPath: output)) == .wave16
    }
  }

  /// Whether the output is a pipe or a device that takes WAV as it is made.
  private var isStreamed: Bool {
    guard let output, OutputFile.isStream(URL(fileURLWithPath: output)) else { return false }
    return (try? Audio.Format(suffixOf: URL(fileURLWithPath: output))).map { $0 == .wave16 } ?? true
  }

  func open(sampleRateHz: Int, cancellation: Cancellation) throws -> any AudioSink {
    let wave: AudioPipeWriter.Format = keepsFloats ? .waveFloat : .wave16
    if isRaw || output == "-" {
      return try StreamSink(
        to: .standardOutput, name: "standard output", format: isRaw ? .raw16 : wave, sampleRateHz: sampleRateHz)
    }
    if let output {
      guard isStreamed else {
        // A pipe gets the whole file at its end; somebody must read it then, and waiting for that can be stopped now.
        let reader = OutputFile.isStream(URL(fileURLWithPath: output)) ? try Files.openStream(output, cancellation) : nil
        return try FileSink(path: output, keepsFloats: keepsFloats, sampleRateHz: sampleRateHz, reader: reader)
      }
      let handle = try Files.openStream(output, cancellation)
      return try StreamSink(to: handle, name: output, format: wave, sampleRateHz: sampleRateHz)
    }
    if let player = PlayerSink.find() {
      return PlayerSink(player, keepsFloats: keepsFloats, sampleRateHz: sampleRateHz, cancellation: cancellation)
    }
    if isPlayed {
      throw Failure(.failed, "no player found; install aplay (alsa-utils), paplay, ffplay or play (sox), or use -o FILE")
    }
    return try FileSink(path: Self.defaultFile, keepsFloats: keepsFloats, sampleRateHz: sampleRateHz)
  }

  /// Where speech goes that nothing plays.
  fileprivate static let defaultFile = "speech.wav"
}

/// A sound file, complete or not there at all.
final class FileSink: AudioSink {
  let destination: String
  private let writer: AudioFileWriter
  /// Keeps a pipe open until everything is there.
  private let reader: FileHandle?

  init(path: String, keepsFloats: Bool = false, sampleRateHz: Int, reader: FileHandle? = nil) throws {
    destination = path
    self.reader = reader
    writer = try AudioFileWriter(
      to: URL(fileURLWithPath: path), format: keepsFloats ? .waveFloat : nil, sampleRateHz: sampleRateHz)
  }

  func write(_ samples: [Float]) throws { try writer.write(samples) }

  func finish() throws {
    try writer.finish()
    noteClipping(writer.clippedSampleCount)
  }

  func giveUp() {}
}

/// Sound that leaves as it is made.
final class StreamSink: AudioSink {
  let destination: String
  private let stream: AudioPipeWriter

  init(to handle: FileHandle, name: String, format: AudioPipeWriter.Format, sampleRateHz: Int) throws {
    destination = name
    stream = try AudioPipeWriter(to: handle, name: name, format: format, sampleRateHz: sampleRateHz)
  }

  func write(_ samples: [Float]) throws { try stream.write(samples) }

  func finish() throws {
    try stream.finish()
    noteClipping(stream.clippedSampleCount)
  }

  func giveUp() { try? stream.finish() }
}

extension AudioSink {
  fileprivate func noteClipping(_ count: Int) {
    if count > 0 { Output.note("mio-lite: \(destination): \(count) samples were too loud and were clipped") }
  }
}

/// A player program that reads 16-bit PCM from its standard input; what it fails to play ends up in a file.
final class PlayerSink: AudioSink {
  struct Player: Sendable {
    let program: String
    let arguments: @Sendable (_ sampleRateHz: Int) -> [String]
  }

  private static let players = [
    Player(program: "aplay") { ["-q", "-t", "raw", "-f", "S16_LE", "-c", "1", "-r", "\($0)", "-"] },
    Player(program: "paplay") { ["--raw", "--format=s16le", "--channels=1", "--rate=\($0)"] },
    Player(program: "ffplay") {
      ["-loglevel", "error", "-nodisp", "-autoexit", "-f", "s16le", "-ar", "\($0)", "-ch_layout", "mono", "-i", "-"]
    },
    Player(program: "play") { ["-q", "-t", "raw", "-e", "signed", "-b", "16", "-c", "1", "-r", "\($0)", "-"] },
  ]

  private(set) var destination: String
  private let program: URL
  private let arguments: [String]
  private let sampleRateHz: Int
  private let cancellation: Cancellation
  private let process = Process()
  private let pipe = Pipe()
  private let complaints = Files.unnamedTemporary()
  private var stream: AudioPipeWriter?
  private var hasFailed = false
  /// What was said so far, in a file that has no name as long as the player plays.
  private let fallback: FileSink?

  /// The first player on the PATH.
  static func find() -> (Player, URL)? {
    for player in players {
      if let path = SystemProgram.path(of: player.program) { return (player, URL(fileURLWithPath: path)) }
    }
    return nil
  }

  init(_ player: (Player, URL), keepsFloats: Bool, sampleRateHz: Int, cancellation: Cancellation) {
    destination = player.0.program
    program = player.1
    arguments = player.0.arguments(sampleRateHz)
    self.sampleRateHz = sampleRateHz
    self.cancellation = cancellation
    fallback = try? FileSink(path: AudioDestination.defaultFile, keepsFloats: keepsFloats, sampleRateHz: sampleRateHz)
  }

  /// Starts the player with the first samples: a text that cannot be spoken should not open a sound device.
  func write(_ samples: [Float]) throws {
    try fallback?.write(samples)
    if hasFailed { return }
    do { try started().write(samples) } catch {
      try cancellation.check()
      try fail("it stopped reading")
    }
  }

  private func started() throws -> AudioPipeWriter {
    if let stream { return stream }
    process.executableURL = program
    process.arguments = arguments
    process.standardInput = pipe
    process.standardOutput = FileHandle.nullDevice
    process.standardError = complaints ?? .nullDevice
    try process.run()
    // Silent at once when asked to stop, whatever the player still holds.
    let player = process.processIdentifier
    cancellation.whenCancelled { [process] in if process.isRunning { kill(player, SIGKILL) } }
    let stream = try AudioPipeWriter(
      to: pipe.fileHandleForWriting, name: destination, format: .raw16, sampleRateHz: sampleRateHz)
    self.stream = stream
    return stream
  }

  func finish() throws {
    if stream != nil && !hasFailed {
      try pipe.fileHandleForWriting.close()
      process.waitUntilExit()
      try cancellation.check()
      if process.terminationReason != .exit || process.terminationStatus != 0 {
        try fail("it ended with status \(process.terminationStatus)")
      }
    }
    if hasFailed { try fallback?.finish() }
  }

  func giveUp() { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }

  /// The speech goes on into the file.
  private func fail(_ reason: String) throws {
    hasFailed = true
    if process.isRunning { process.terminate() }
    let words = Files.lastLine(of: complaints)
    let what = "\(destination) cannot play (\(words.isEmpty ? reason : words))"
    guard let fallback else { throw Failure(.failed, "\(what); use -o FILE") }
    Output.note("mio-lite: \(what); the speech goes to \(fallback.destination)")
    destination = fallback.destination
  }
}
