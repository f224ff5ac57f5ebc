import Foundation
import MioLite
import Synchronization

/// Sound that is still being made, from a pipe.
///
/// A thread of its own takes what comes, so that a recorder never waits while words are being found.
final class LiveSound: Sendable {
  private struct State {
    var bytes: [UInt8] = []
    var isAtEnd = false
    var stream: PCMStream
    /// Samples that came with the header.
    var early: [Float] = []
  }

  /// What is not yet written down; an hour of the usual 16 kHz.
  private static let limit = 3600 * 32_000
  /// A tenth of a second of the usual rate.
  private static let least = 3200
  private let state: Mutex<State>
  private let arrival = DispatchSemaphore(value: 0)
  private let handle: FileHandle
  private let name: String

  /// - Parameter handle: kept open as long as this is; its samples are 16-bit and of one channel at `sampleRateHz`, unless a WAV header
  ///   says otherwise.
  init(_ handle: FileHandle, sampleRateHz: Int, name: String) {
    self.handle = handle
    self.name = name
    state = Mutex(State(stream: PCMStream(sampleRateHz: sampleRateHz, channelCount: 1, name: name)))
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

  /// Waits until samples per second are known.
  func sampleRateHz() throws -> Int {
    while true {
      let samples = try wait()
      let rate = state.withLock { state in
        state.early += samples
        return state.stream.sampleRateHz
      }
      if let rate { return rate }
    }
  }

  /// What came since the last call, a tenth of a second of the usual rate at least, channels mixed; none at the end.
  func next() throws -> [Float] {
    let early = state.withLock { state in
      defer { state.early = [] }
      return state.early
    }
    return early.isEmpty ? try wait() : early
  }

  private func wait() throws -> [Float] {
    while true {
      if let samples = try taken() { return samples }
      arrival.wait()
    }
  }

  /// Samples of what came; nil if it was too little.
  private func taken() throws -> [Float]? {
    try state.withLock { state in
      guard state.bytes.count >= Self.least || state.isAtEnd else { return nil }
      if state.bytes.count > Self.limit {
        throw Failure(.failed, "\(name): speech comes faster than it is written down; record it, and transcribe the file")
      }
      let bytes = state.bytes
      state.bytes = []
      let samples = try state.stream.samples(of: bytes)
      if state.isAtEnd { return try samples + state.stream.finish() }
      return samples.isEmpty ? nil : samples
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
    sound = LiveSound(pipe.fileHandleForReading, sampleRateHz: Self.sampleRateHz, name: name)
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
