import Foundation
import MioTestSupport
import Synchronization

/// Runs the built `mio-lite` as a person or a script would.
enum Program {
  struct Result {
    let status: Int32
    let output: [UInt8]
    let notes: String

    var text: String { String(decoding: output, as: UTF8.self) }

    /// Standard output as a JSON object.
    var json: [String: Any] {
      get throws {
        let object = try JSONSerialization.jsonObject(with: Data(output))
        guard let object = object as? [String: Any] else { throw CocoaError(.coderReadCorrupt) }
        return object
      }
    }
  }

  /// The program lies beside the test bundle; `MIO_PROGRAM` names another build of it, as scripts/sanitize does.
  private static let url: URL = {
    // Jobs in the background of a script ignore these, and what they start does, too.
    for request in [SIGINT, SIGQUIT, SIGTERM, SIGHUP] { signal(request, SIG_DFL) }
    // A program that ends before it has read its input is no end of the tests.
    signal(SIGPIPE, SIG_IGN)
    return built
  }()

  private static let built =
    ProcessInfo.processInfo.environment["MIO_PROGRAM"].map { URL(fileURLWithPath: $0) }
    ?? URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
    .deletingLastPathComponent().appendingPathComponent("mio-lite")

  /// Where the program lies.
  static var path: String { url.path }

  /// - Parameters:
  ///   - input: what standard input gives; closed at once if nil.
  ///   - program: another program.
  static func run(
    _ arguments: [String], input: [UInt8]? = nil, program: String? = nil, environment: [String: String] = [:],
    in folder: URL? = nil
  ) throws -> Result {
    let process = Process()
    process.executableURL = program.map { URL(fileURLWithPath: $0) } ?? url
    process.arguments = arguments
    process.currentDirectoryURL = folder
    // No player, so that `tts` never makes a sound here; no model of the person who runs the tests.
    process.environment = ["PATH": "/nonexistent"].merging(environment) { $1 }
    let (stdin, stdout, stderr) = (Pipe(), Pipe(), Pipe())
    process.standardInput = stdin
    process.standardOutput = stdout
    process.standardError = stderr
    try process.run()
    // All three pipes at once: a full pipe would stop the program.
    let queue = DispatchQueue(label: "program", attributes: .concurrent)
    let group = DispatchGroup()
    let output = Mutex(Data())
    let notes = Mutex(Data())
    queue.async(group: group) {
      let data = stdout.fileHandleForReading.readDataToEndOfFile()
      output.withLock { $0 = data }
    }
    queue.async(group: group) {
      let data = stderr.fileHandleForReading.readDataToEndOfFile()
      notes.withLock { $0 = data }
    }
    queue.async(group: group) {
      if let input { try? stdin.fileHandleForWriting.write(contentsOf: Data(input)) }
      try? stdin.fileHandleForWriting.close()
    }
    group.wait()
    process.waitUntilExit()
    return Result(
      status: process.terminationReason == .uncaughtSignal ? -process.terminationStatus : process.terminationStatus,
      output: output.withLock { Array($0) }, notes: notes.withLock { String(decoding: $0, as: UTF8.self) })
  }
}

extension TemporaryFolder {
  func bytes(_ name: String) throws -> [UInt8] { try Array(Data(contentsOf: url.appendingPathComponent(name))) }
}

/// The small checkpoint, packed once for all tests of this target.
enum PackedModel {
  private static let folder = Swift.Result { try TemporaryFolder() }
  private static let f32 = Swift.Result { try pack("f32") }
  private static let q4 = Swift.Result { try pack("q4") }
  private static let all = Swift.Result { try packAll() }

  /// The model with the checkpoint's own numbers.
  static var exact: String { get throws { try f32.get() } }
  /// The model as `convert` packs it by default.
  static var standard: String { get throws { try q4.get() } }

  /// Language, speech and image: both sets of goldens in one checkpoint, with its own numbers.
  static var whole: String { get throws { try all.get() } }

  private static func packAll() throws -> String {
    let checkpoint = try folder.get().url.appendingPathComponent("whole")
    try FileManager.default.createDirectory(at: checkpoint, withIntermediateDirectories: true)
    for set in [Goldens.speech("tiny-mio"), Goldens.image("tiny-mio")] {
      for part in try FileManager.default.contentsOfDirectory(atPath: set.path) {
        try FileManager.default.createSymbolicLink(
          atPath: checkpoint.appendingPathComponent(part).path,
          withDestinationPath: set.appendingPathComponent(part).path)
      }
    }
    return try pack("f32", checkpoint, name: "whole")
  }

  private static func pack(
    _ quantization: String, _ checkpoint: URL = Goldens.speech("tiny-mio"), name: String? = nil
  ) throws -> String {
    let path = try folder.get().path("\(name ?? quantization).mio")
    let result = try Program.run(["convert", checkpoint.path, "-o", path, "--quantize", quantization, "-q"])
    guard result.status == 0 else { throw CocoaError(.fileWriteUnknown, userInfo: ["notes": result.notes]) }
    return path
  }
}
