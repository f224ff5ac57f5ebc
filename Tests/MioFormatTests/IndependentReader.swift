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
    guard let interpreter else { return [] }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: interpreter)
    process.arguments = [Specification.root.appendingPathComponent("reader/mio_reader.py").path, "--json"] + files
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let text = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return try text.split(separator: 10).map { try JSONDecoder().decode(Result.self, from: $0) }
  }
}
