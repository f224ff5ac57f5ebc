import Foundation

/// The reader in Python that lies beside the specification.
enum IndependentReader {
  struct Result: Decodable {
    var file: String
    var error: String?
    var stage: String
    var description: FileDescription?
  }

  /// `python3` on the PATH, or nil.
  static let interpreter: String? = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    .map { "\($0)/python3" }.first { FileManager.default.isExecutableFile(atPath: $0) }

  /// What it finds in `files`, all of their bytes checked.
  static func read(_ files: [String]) throws -> [Result] {
    let text = try run(["--json"] + files).output
    return try text.split(separator: 10).map { try JSONDecoder().decode(Result.self, from: $0) }
  }

  /// Runs the program.
  static func run(_ arguments: [String]) throws -> (status: Int32, output: Data, errors: String) {
    guard let interpreter else { return (0, Data(), "") }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: interpreter)
    process.arguments = [Specification.root.appendingPathComponent("reader/mio_reader.py").path] + arguments
    let (output, errors) = (Pipe(), Pipe())
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    let text = output.fileHandleForReading.readDataToEndOfFile()
    let messages = errors.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, text, String(decoding: messages, as: UTF8.self))
  }
}
