import Foundation
import MioLite
import Synchronization

/// Sound that is still being made: 16-bit samples from a pipe, as a WAV file without an end or with nothing before them.
///
/// A thread of its own takes what comes, so that a recorder never waits while words are being found.
final class LiveSound: Sendable {
  private struct State {
    var bytes: [UInt8] = []
    var isAtEnd = false
  }

  /// What is not yet written down; an hour of the usual 16 kHz.
  private static let limit = 3600 * 32_000
  private let state = Mutex(State())
  private let arrival = DispatchSemaphore(value: 0)
  private let handle: FileHandle
  private let name: String

  /// - Parameter handle: kept open as long as this is.
  init(_ handle: FileHandle, name: String) {
    self.handle = handle
    self.name = name
    Thread.detachNewThread { [self] in take() }
  }

  private func take() {
    var isWanted = true
    while isWanted, let block = try? handle.read(upToCount: 1 << 12), !block.isEmpty {
      isWanted = state.withLock { state in
        state.bytes += block
        return state.bytes.count <= Self.limit
      }
      arrival.signal()
    }
    end()
  }

  /// Nothing more is wanted: what came is still given.
  func end() {
    state.withLock { $0.isAtEnd = true }
    arrival.signal()
  }

  /// Waits until there are `count` bytes and takes them; fewer at the end.
  private func wait(for count: Int) -> [UInt8] {
    while true {
      let taken: [UInt8]? = state.withLock { state in
        guard state.bytes.count >= count || state.isAtEnd else { return nil }
        defer { state.bytes.removeFirst(min(count, state.bytes.count)) }
        return Array(state.bytes.prefix(count))
      }
      if let taken { return taken }
      arrival.wait()
    }
  }

  struct Format {
    var sampleRateHz: Int
    var channelCount: Int
  }

  /// Reads what stands before the samples, if anything does.
  ///
  /// - Parameter plain: what samples are that nothing stands before.
  func format(plain: Format) throws -> Format {
    let start = wait(for: 12)
    guard start.count == 12, start.starts(with: Array("RIFF".utf8)), start[8...].elementsEqual(Array("WAVE".utf8)) else {
      state.withLock { $0.bytes = start + $0.bytes }
      return plain
    }
    var format: Format?
    while true {
      let head = wait(for: 8)
      guard head.count == 8 else { throw broken("ends before its samples") }
      let size = Int(Self.number(head[4...]))
      if head.starts(with: Array("data".utf8)) { break }
      guard size < 1 << 20 else { throw broken("has a header of \(size) bytes") }
      let chunk = wait(for: size + size % 2)
      if head.starts(with: Array("fmt ".utf8)), chunk.count >= 16 { format = try parsed(chunk) }
    }
    guard let format else { throw broken("does not say what its samples are") }
    return format
  }

  private func parsed(_ chunk: [UInt8]) throws -> Format {
    let (kind, channels, rate, bits) = (
      Self.number(chunk[0..<2]), Int(Self.number(chunk[2..<4])), Int(Self.number(chunk[4..<8])), Self.number(chunk[14..<16])
    )
    guard kind == 1 || kind == 0xFFFE, bits == 16, (1...64).contains(channels) else {
      throw broken("has no 16-bit samples; 'ffmpeg -i - -f wav -c:a pcm_s16le -' makes them of anything")
    }
    return Format(sampleRateHz: rate, channelCount: channels)
  }

  private func broken(_ what: String) -> Failure { Failure(.wrongInput, "\(name): the WAV stream \(what)") }

  private static func number(_ bytes: ArraySlice<UInt8>) -> UInt32 { bytes.reversed().reduce(0) { $0 << 8 | UInt32($1) } }

  /// What came since the last call, a tenth of a second at least, channels mixed; none at the end.
  func next(_ format: Format) throws -> [Float] {
    let (rest, isAtEnd) = state.withLock { ($0.bytes.count, $0.isAtEnd) }
    if rest > Self.limit, isAtEnd {
      throw Failure(.failed, "\(name): speech comes faster than it is written down; record it, and transcribe the file")
    }
    let frame = 2 * format.channelCount
    let least = frame * max(1, format.sampleRateHz / 10)
    let bytes = wait(for: max(least, rest / frame * frame))
    return stride(from: 0, to: bytes.count - frame + 1, by: frame).map { start in
      let sum = stride(from: start, to: start + frame, by: 2).reduce(Float(0)) { sum, at in
        sum + Float(Int16(bitPattern: UInt16(bytes[at]) | UInt16(bytes[at + 1]) << 8))
      }
      return sum / Float(32_768 * format.channelCount)
    }
  }
}

/// A program that records from the microphone, to its standard output.
struct Recorder {
  static let sampleRateHz = 16_000

  private static let recorders: [(program: String, arguments: [String])] = [
    ("arecord", ["-q", "-t", "raw", "-f", "S16_LE", "-c", "1", "-r", "\(sampleRateHz)"]),
    ("parecord", ["--raw", "--format=s16le", "--channels=1", "--rate=\(sampleRateHz)"]),
    ("rec", ["-q", "-t", "raw", "-e", "signed", "-b", "16", "-c", "1", "-r", "\(sampleRateHz)", "-"]),
    (
      "ffmpeg", ["-loglevel", "error", "-f", "alsa", "-i", "default", "-f", "s16le", "-ac", "1", "-ar", "\(sampleRateHz)", "-"]
    ),
  ]

  let name: String
  let sound: LiveSound
  private let process = Process()
  private let complaints = Files.unnamedTemporary()

  /// Starts the first recorder that there is.
  init() throws {
    let found = Self.recorders.lazy.compactMap { recorder in
      SystemProgram.path(of: recorder.program).map { (recorder.program, $0, recorder.arguments) }
    }.first
    guard let (name, path, arguments) = found else {
      throw Failure(
        .failed,
        "no recorder found; install arecord (alsa-utils), parecord, rec (sox) or ffmpeg, or pipe sound into 'asr --live'")
    }
    self.name = name
    let pipe = Pipe()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = pipe
    process.standardError = complaints ?? .nullDevice
    try process.run()
    sound = LiveSound(pipe.fileHandleForReading, name: name)
  }

  /// Ends the recording; what was heard is still given.
  func stop() {
    if process.isRunning { process.terminate() }
    sound.end()
  }

  /// - Throws: if the recorder ended by itself, with what it complained about.
  func check() throws {
    process.waitUntilExit()
    guard process.terminationReason == .exit, process.terminationStatus != 0 else { return }
    let words = Files.lastLine(of: complaints)
    throw Failure(.failed, "\(name) cannot record (\(words.isEmpty ? "status \(process.terminationStatus)" : words))")
  }
}
