import Foundation
import MioTestSupport
import Testing

/// Requests to stop in the middle of work: the documented status, and nothing half-written.
@Suite struct InterruptTests {
  private static let layerCount = 2000
  private static let requests: [(signal: Int32, status: Int32)] = [(SIGINT, 130), (SIGTERM, 143), (SIGHUP, 129)]

  /// Starts the program, sends it `request` once it has a file of `folder` open, and returns how it ended.
  ///
  /// Waits with its thread: a suspended task might be resumed by the busy test pool after the work is done.
  private func stop(
    _ arguments: [String], program: String = Program.path, with request: Int32, in folder: TemporaryFolder
  ) throws -> (status: Int32, notes: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.environment = ["PATH": "/nonexistent"]
    let notes = Pipe()
    process.standardError = notes
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    // Places are tried out before the work, for a moment; a file that stays open is the one that is written.
    func isWriting() -> Bool {
      guard hasOpened(fileOf: folder, process.processIdentifier) else { return false }
      usleep(30_000)
      return hasOpened(fileOf: folder, process.processIdentifier)
    }
    while !isWriting() && process.isRunning { usleep(1000) }
    #expect(process.isRunning, "the work ended before it could be stopped; give it more")
    kill(process.processIdentifier, request)
    let text = String(decoding: notes.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationReason == (request == SIGKILL ? .uncaughtSignal : .exit), "\(text)")
    return (process.terminationStatus, text)
  }

  /// What is being written may not have a name yet; the system still says in which folder it lies.
  private func hasOpened(fileOf folder: TemporaryFolder, _ process: Int32) -> Bool {
    let files = FileManager.default
    let descriptors = "/proc/\(process)/fd"
    return (try? files.contentsOfDirectory(atPath: descriptors))?.contains { name in
      (try? files.destinationOfSymbolicLink(atPath: "\(descriptors)/\(name)"))?.contains(folder.url.lastPathComponent) == true
    } == true
  }

  @Test(arguments: requests) func `speech that is stopped leaves no file`(_ request: (signal: Int32, status: Int32)) throws {
    let folder = try TemporaryFolder()
    let text = String(repeating: "This is a long text that takes a while. ", count: 2000)
    let end = try stop(["tts", text, "-o", folder.path("a.wav"), "--seed", "1", "-q"], with: request.signal, in: folder)
    #expect(end.status == request.status, "\(end.notes)")
    #expect(end.notes == "mio-lite: interrupted\n")
    #expect(folder.contents.isEmpty)
  }

  @Test(arguments: requests) func `a conversion that is stopped leaves no file`(_ request: (signal: Int32, status: Int32))
    throws
  {
    let (checkpoint, folder) = (try TemporaryFolder(), try TemporaryFolder())
    try enlarge(Goldens.speech("tiny-mio"), to: checkpoint)
    let end = try stop(
      ["convert", checkpoint.url.path, "-o", folder.path("a.mio"), "-t", "1", "-q"], with: request.signal, in: folder)
    #expect(end.status == request.status, "\(end.notes)")
    #expect(folder.contents.isEmpty)
  }

  @Test(.enabled(if: TemporaryFolder.hasUnnamedFiles)) func `a program that is killed leaves no file`() throws {
    let folder = try TemporaryFolder()
    let text = String(repeating: "This is a long text that takes a while. ", count: 2000)
    let end = try stop(["tts", text, "-o", folder.path("a.wav"), "--seed", "1", "-q"], with: SIGKILL, in: folder)
    #expect(end.status == SIGKILL)
    #expect(folder.contents.isEmpty)
  }

  @Test func `what is ignored from the start stays ignored`() throws {
    let folder = try TemporaryFolder()
    let end = try stop(
      [
        Program.path, "tts", "one two three four five six seven eight nine ten", "-o", folder.path("a.wav"), "--seed", "1",
        "-q",
      ],
      program: "/usr/bin/nohup", with: SIGHUP, in: folder)
    #expect(end.status == 0, "\(end.notes)")
    #expect(folder.contents == ["a.wav"])
  }

  @Test(.needsTerminal) func `a terminal that is closed ends the work, and nothing is left`() throws {
    let folder = try TemporaryFolder()
    let text = String(repeating: "This is a long text that takes a while. ", count: 2000)
    var call = PseudoTerminal.Call(["tts", text, "-o", folder.path("a.wav"), "--seed", "1"])
    call.keys = [.init(after: "%", hangup: true)]
    let result = try PseudoTerminal.run(call)
    #expect(result.missed == 0, "\(result.raw)")
    #expect(result.status == 129, "\(result.raw)")
    #expect(folder.contents.isEmpty)
  }

  @Test(.needsTerminal) func `under nohup the work outlives its terminal`() throws {
    let folder = try TemporaryFolder()
    let text = String(repeating: "This is a text that takes a while. ", count: 8)
    // What nohup does, but for the outputs: it would turn them away from the terminal, which is to be lost here.
    let script = "trap '' HUP; exec \"$@\""
    var call = PseudoTerminal.Call([])
    call.arguments = ["/bin/sh", "-c", script, "sh", Program.path, "tts", text, "-o", folder.path("a.wav"), "--seed", "1"]
    call.keys = [.init(after: "%", hangup: true)]
    let result = try PseudoTerminal.run(call)
    #expect(result.missed == 0, "\(result.raw)")
    #expect(result.status == 0, "\(result.raw)")
    #expect(folder.contents == ["a.wav"])
  }

  /// The checkpoint with 2000 times its first layer, all weights zero, which takes seconds to pack and no space on the disk.
  private func enlarge(_ checkpoint: URL, to folder: TemporaryFolder) throws {
    let files = FileManager.default
    var shapes: [String: (type: Any, shape: [Int])] = [:]
    for name in try files.contentsOfDirectory(atPath: checkpoint.path) where name != "model.safetensors.index.json" {
      let file = checkpoint.appendingPathComponent(name)
      if name.hasSuffix(".safetensors") {
        for (tensor, entry) in try header(of: file) {
          guard let entry = entry as? [String: Any], let shape = entry["shape"] as? [Int] else { continue }
          shapes[tensor] = (entry["dtype"] as Any, shape)
        }
      } else if name == "config.json" {
        var config = try #require(JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any])
        config["num_hidden_layers"] = Self.layerCount
        try JSONSerialization.data(withJSONObject: config).write(to: folder.url.appendingPathComponent(name))
      } else {
        try files.createSymbolicLink(at: folder.url.appendingPathComponent(name), withDestinationURL: file)
      }
    }
    let first = "model.layers.0."
    let names =
      shapes.keys.filter { !$0.hasPrefix("model.layers.") }
      + shapes.keys.filter { $0.hasPrefix(first) }.flatMap { name in
        (0..<Self.layerCount).map { "model.layers.\($0)." + name.dropFirst(first.count) }
      }
    var (header, end) = ([String: Any](), 0)
    for name in names {
      let parts = name.split(separator: ".")
      let (type, shape) = try #require(shapes[name] ?? shapes[first + parts.dropFirst(3).joined(separator: ".")])
      let begin = end
      end += 2 * shape.reduce(1, *)
      header[name] = ["dtype": type, "shape": shape, "data_offsets": [begin, end]]
    }
    let text = try JSONSerialization.data(withJSONObject: header)
    let length = Data((0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) })
    let weights = folder.url.appendingPathComponent("model.safetensors")
    try (length + text).write(to: weights)
    try FileHandle(forUpdating: weights).truncate(atOffset: UInt64(8 + text.count + end))
  }

  private func header(of file: URL) throws -> [String: Any] {
    let handle = try FileHandle(forReadingFrom: file)
    let prefix = try handle.read(upToCount: 8) ?? Data()
    let text = try handle.read(upToCount: prefix.reversed().reduce(0) { $0 << 8 | Int($1) }) ?? Data()
    return try #require(JSONSerialization.jsonObject(with: text) as? [String: Any])
  }
}
