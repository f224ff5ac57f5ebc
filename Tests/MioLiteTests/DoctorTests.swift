import Foundation
import MioLite
import MioTestSupport
import Testing

/// What `doctor` says, and what it keeps.
@Suite struct DoctorTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private struct Report: Decodable {
    struct Part: Decodable {
      let path: String
      let test: String?
      let problem: String?
      let abilities: [String]
    }
    struct Tried: Decodable {
      let choice: String
      let seconds: Double
    }
    let machine: Machine
    let measurements: [Tried]
    let faultyVariants: [String]
    let model: Part
  }

  private func doctor(_ arguments: [String] = [], environment: [String: String] = [:]) throws -> Program.Result {
    try Program.run(
      ["doctor"] + arguments, environment: ["XDG_CACHE_HOME": folder.path("cache")].merging(environment) { $1 })
  }

  private func report(_ arguments: [String] = [], environment: [String: String] = [:]) throws -> Report {
    let result = try doctor(["--json"] + arguments, environment: environment)
    #expect(result.status == 0, "\(result.notes)")
    return try JSONDecoder().decode(Report.self, from: Data(result.output))
  }

  private struct Advice: Decodable {
    struct Trial: Decodable {
      let workers: Int
      let threads: Int
      let tokensPerSecond: Double
    }
    struct Workers: Decodable {
      let coreCount: Int
      let nodes: [String]
      let sharedByteCount: Int
      let trials: [Trial]
    }
    let workers: Workers
  }

  @Test func `tries how many workers should share a batch`() throws {
    let result = try doctor(["--workers", "--json"])
    #expect(result.status == 0, "\(result.notes)")
    let advice = try JSONDecoder().decode(Advice.self, from: Data(result.output)).workers
    #expect(advice.coreCount >= 1 && !advice.nodes.isEmpty && advice.sharedByteCount > 1_000_000)
    #expect(advice.trials.contains { $0.workers == 1 && $0.threads == advice.coreCount })
    #expect(advice.trials.allSatisfy { $0.workers * $0.threads <= advice.coreCount && $0.tokensPerSecond > 0 })
    let text = try doctor(["--workers"]).text
    #expect(text.contains("advice") && text.contains("mio-lite batch IN.jsonl"), "\(text)")
  }

  @Test func `finds the shipped model and lets it speak`() throws {
    let found = try report()
    #expect(found.faultyVariants.isEmpty && found.model.problem == nil && found.measurements.isEmpty)
    #expect(found.model.abilities == ["text", "speech"])
    #expect(found.model.test?.hasPrefix("spoke") == true)
    #expect(found.machine.variants.contains(found.machine.variant) && found.machine.coreCount >= 1)
    #expect(found.machine.origin == .standard)
    let text = try doctor()
    #expect(text.status == 0 && text.text.contains("give the same bits"))
  }

  @Test func `keeps what it measured, for the same number of threads`() throws {
    let measured = try report(["--measure", "-t", "1"])
    #expect(measured.machine.origin == .measured && !measured.measurements.isEmpty)
    #expect(measured.measurements.allSatisfy { $0.seconds > 0 })
    #expect(try report(["-t", "1"]).machine == measured.machine)
    #expect(try report(["-t", "2"]).machine.origin == .standard)
    #expect(try report(["-t", "1"], environment: ["MIO_STREAMING": "4:8"]).machine.streaming == "4:8")
    #expect(try report(["-t", "1"], environment: ["MIO_ISA": "portable"]).machine.origin == .environment)
    #expect(folder.contents == ["cache"])
  }

  @Test(arguments: ["", "[", "[{\"key\": 1}]", "\u{0}\u{1}", "[]"]) func `a spoilt file counts for nothing`(_ text: String)
    throws
  {
    try FileManager.default.createDirectory(atPath: folder.path("cache/mio-lite"), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: URL(fileURLWithPath: folder.path("cache/mio-lite/kernels.json")))
    #expect(try report().machine.origin == .standard)
  }

  @Test func `says what is wrong with a model, and ends with 1`() throws {
    try Data("no model".utf8).write(to: URL(fileURLWithPath: folder.path("a.mio")))
    let result = try doctor(["-m", folder.path("a.mio")])
    #expect(result.status == 1 && result.text.contains("FAILED"))
    let nowhere = try doctor(["--measure"], environment: ["XDG_CACHE_HOME": "/dev/null/x"])
    #expect(nowhere.status == 1 && nowhere.notes.contains("cannot be kept"))
  }

  @Test func `is there for programs, too`() throws {
    setenv("XDG_CACHE_HOME", folder.path("own"), 1)
    defer { unsetenv("XDG_CACHE_HOME") }
    let (machine, measurements) = try Machine.measure(threads: 1)
    #expect(machine == Machine.current(threads: 1) && machine.origin == .measured && !measurements.isEmpty)
    #expect(Machine.faultyVariants().isEmpty)
    #expect(try JSONDecoder().decode(Machine.self, from: JSONEncoder().encode(machine)) == machine)
  }
}
