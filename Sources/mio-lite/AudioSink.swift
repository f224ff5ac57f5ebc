import Foundation
import MioLite

/// Where speech goes: a file, a stream on standard output, or a player.
protocol AudioSink: AnyObject {
  /// What to call the destination in the closing line.
  var destination: String { get }
  func write(_ samples: [Float]) throws
  func finish() throws
}

enum AudioSinks {
  /// The sink that the options of `tts` ask for.
  static func make(output: String?, raw: Bool, play: Bool, sampleRateHz: Int) throws -> any AudioSink {
    if raw { return try StreamSink(format: .raw16, sampleRateHz: sampleRateHz) }
    if output == "-" { return try StreamSink(format: .wave16, sampleRateHz: sampleRateHz) }
    if let output { return try FileSink(path: output, sampleRateHz: sampleRateHz) }
    if let player = PlayerSink.find() { return PlayerSink(player, sampleRateHz: sampleRateHz) }
    if play {
      throw Failure(.failed, "no player found; install aplay (alsa-utils), paplay, ffplay or play (sox), or use -o FILE")
    }
    return try FileSink(path: "speech.wav", sampleRateHz: sampleRateHz)
  }
}

/// A sound file, complete or not there at all.
final class FileSink: AudioSink {
  let destination: String
  private let writer: AudioFileWriter

  init(path: String, sampleRateHz: Int) throws {
    destination = path
    writer = try AudioFileWriter(to: URL(fileURLWithPath: path), sampleRateHz: sampleRateHz)
  }

  func write(_ samples: [Float]) throws { try writer.write(samples) }

  func finish() throws {
    try writer.finish()
    if writer.clippedSampleCount > 0 {
      Output.note("mio-lite: \(destination): \(writer.clippedSampleCount) samples were too loud and were clipped")
    }
  }
}

/// Sound on standard output, as it is made.
final class StreamSink: AudioSink {
  let destination = "standard output"
  private let stream: AudioPipeWriter

  init(format: AudioPipeWriter.Format, sampleRateHz: Int) throws {
    stream = try AudioPipeWriter(
      to: .standardOutput, name: "standard output", format: format, sampleRateHz: sampleRateHz)
  }

  func write(_ samples: [Float]) throws { try stream.write(samples) }
  func finish() throws {}
}

/// A player program that reads 16-bit PCM from its standard input.
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

  let destination: String
  private let program: URL
  private let arguments: [String]
  private let sampleRateHz: Int
  private let process = Process()
  private let pipe = Pipe()
  private var stream: AudioPipeWriter?

  /// The first player on the PATH.
  static func find() -> (Player, URL)? {
    let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    for player in players {
      for folder in folders {
        let path = "\(folder)/\(player.program)"
        if FileManager.default.isExecutableFile(atPath: path) { return (player, URL(fileURLWithPath: path)) }
      }
    }
    return nil
  }

  init(_ player: (Player, URL), sampleRateHz: Int) {
    destination = player.0.program
    program = player.1
    arguments = player.0.arguments(sampleRateHz)
    self.sampleRateHz = sampleRateHz
  }

  /// Starts the player with the first samples: a text that cannot be spoken should not open a sound device.
  func write(_ samples: [Float]) throws { try started().write(samples) }

  private func started() throws -> AudioPipeWriter {
    if let stream { return stream }
    process.executableURL = program
    process.arguments = arguments
    process.standardInput = pipe
    do {
      try process.run()
    } catch {
      throw Failure(.failed, "\(program.path): cannot be started (\(error.localizedDescription)); use -o FILE")
    }
    let stream = try AudioPipeWriter(
      to: pipe.fileHandleForWriting, name: destination, format: .raw16, sampleRateHz: sampleRateHz)
    self.stream = stream
    return stream
  }

  func finish() throws {
    guard stream != nil else { return }
    try pipe.fileHandleForWriting.close()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw Failure(.failed, "\(destination) failed with status \(process.terminationStatus); use -o FILE")
    }
  }
}
