import Foundation
import MioTestSupport
import Testing

/// Runs the built program on a pseudo-terminal and tells what a person would have seen, as `Tests/Terminals/screen.py` does
/// it with the terminal emulator pyte.
enum PseudoTerminal {
  /// A Python that has the emulator; nil without one. `scripts/setup --tests` installs it.
  static let interpreter: String? = {
    let folders = ["/usr/bin"] + (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init)
    return folders.map { "\($0)/python3" }.first { path in
      FileManager.default.isExecutableFile(atPath: path)
        && (try? Program.run(["-c", "import pyte"], program: path))?.status == 0
    }
  }()

  /// What a person does when something has appeared.
  struct Key: Encodable {
    /// A regular expression, looked for in what came since the last key.
    var after: String
    var type: String?
    var signal: Int32?
    var resize: [Int]?
    var hangup: Bool?
  }

  enum End: String, Encodable {
    case terminal, file
  }

  struct Call: Encodable {
    var arguments: [String]
    var environment = ["TERM": "xterm-256color", "PATH": "/nonexistent"]
    var columns = 80
    var rows = 24
    var input = End.terminal
    var output = End.terminal
    var errors = End.terminal
    var keys: [Key] = []
    var given: String?
    var directory: String?
    var seconds = 60.0

    init(_ arguments: [String]) { self.arguments = [Program.path] + arguments }
  }

  struct Result: Decodable {
    let status: Int32
    let lines: [String]
    let raw: String
    let output: String
    let errors: String
    let overflows: Int
    let maxBars: Int
    let missed: Int

    /// The lines as if the terminal were as wide as anyone could want.
    func text(columns: Int) -> String {
      lines.reduce(into: "") { $0 += $1.count == columns ? $1 : $1 + "\n" }
    }

    /// Nothing of a progress line is left, and none ever needed more than its line.
    var barsBehave: Bool {
      overflows == 0 && maxBars <= 1 && !lines.contains { $0.contains(/\[#*\.*\] \d+ %/) }
    }
  }

  static func run(_ call: Call) throws -> Result {
    let script = Goldens.root.deletingLastPathComponent().appendingPathComponent("Terminals/screen.py").path
    let job = try JSONEncoder().encode(call)
    let interpreter = try #require(Self.interpreter)
    let result = try Program.run([script], input: Array(job), program: interpreter)
    try #require(result.status == 0, "\(result.notes)")
    return try JSONDecoder().decode(Result.self, from: Data(result.output))
  }
}

extension Trait where Self == ConditionTrait {
  /// Only where a terminal can be emulated.
  static var needsTerminal: Self {
    .enabled(if: PseudoTerminal.interpreter != nil, "needs python3 with pyte: scripts/setup --tests installs it")
  }
}
