import ArgumentParser
import Foundation
import MioLite
import MioLiteDemo

/// `doctor`: what mio-lite finds on this machine, and whether it works.
struct DoctorCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor", abstract: "Say what mio-lite finds on this machine, and test it in seconds.",
    discussion: """
      Lists the processor and the kernels chosen for it, memory, the model, and the optional programs. Tests the kernels of every
      instruction set against their definition, and the model with a few words. --measure finds the fastest kernels and keeps the
      choice in the user's cache folder; the first large model does so by itself. No result of a model depends on the choice.
      --workers tries how many processes should share a batch on this machine, each with how many threads.
      """)

  @Flag(help: "Measure which kernels are the fastest here, and keep the choice.")
  var measure = false

  @Flag(help: "Try how many workers of how many threads answer most of a batch.")
  var workers = false

  @Flag(help: "Print JSON.")
  var json = false

  @OptionGroup var model: ModelOptions
  @OptionGroup var common: CommonOptions

  struct Report: Encodable {
    struct ModelReport: Encodable {
      var path: String
      var found: String
      var byteCount: Int?
      var abilities: [String] = []
      var about: String?
      /// Of the test.
      var test: String?
      var problem: String?
    }
    struct Program: Encodable {
      let name: String
      let path: String?
      let use: String
    }

    var version: String
    var machine: Machine
    var measurements: [Machine.Measurement]
    var faultyVariants: [String]
    var model: ModelReport
    var programs: [Program]
    var workers: WorkerAdvice?

    var isSound: Bool { faultyVariants.isEmpty && model.problem == nil }
  }

  func run() async throws {
    var measurements: [Machine.Measurement] = []
    if measure { measurements = try Machine.measure(threads: model.threads).measurements }
    var report = Report(
      version: Version.number, machine: .current(threads: model.threads), measurements: measurements,
      faultyVariants: Machine.faultyVariants(), model: try await modelReport(), programs: Self.programs())
    if workers, report.model.problem == nil {
      report.workers = try await WorkerAdvice(path: report.model.path, options: model.options)
    }
    if json { try Output.json(report, pretty: true) } else { try Output.write(text(report)) }
    if !report.isSound { throw Failure(.failed, "something is not as it should be; see above") }
  }

  // MARK: - The model

  private func modelReport() async throws -> Report.ModelReport {
    let environment = ProcessInfo.processInfo.environment["MIO_MODEL"] ?? ""
    let found = model.model != nil ? "-m" : !environment.isEmpty ? "$MIO_MODEL" : "shipped"
    var report = Report.ModelReport(path: try model.path(), found: found)
    do {
      let opened = try model.open()
      report.byteCount = try? FileManager.default.attributesOfItem(atPath: report.path)[.size] as? Int
      report.abilities = Model.Ability.allCases.filter { (try? opened.require($0)) != nil }.map(\.rawValue)
      report.about = opened.about
      report.test = try await test(opened)
    } catch let error as CancellationError {
      throw error
    } catch {
      report.problem = "\(error)"
    }
    return report
  }

  /// A few words by the model.
  private func test(_ opened: Model) async throws -> String {
    let start = Date()
    func seconds() -> String { String(format: "%.2f s", -start.timeIntervalSinceNow) }
    if opened.hasSpeech {
      let audio = try await opened.speak("hello", options: SpeechOptions(sampling: Sampling(maxTokens: 400, seed: 1)))
      return String(format: "spoke %.2f s in ", audio.duration) + seconds()
    }
    guard let tokenizer = opened.tokenizer, opened.hasText else { return "opened in " + seconds() }
    let options = GenerationOptions(sampling: Sampling(maxTokens: 4, greedy: true))
    var count = 0
    for try await _ in opened.generate(from: try tokenizer.encode("hello"), options: options) { count += 1 }
    return "wrote \(count) tokens in " + seconds()
  }

  // MARK: - Programs

  private static func programs() -> [Report.Program] {
    [
      ("ffmpeg", "videos, and sound that libsndfile does not read"), ("aplay", "--play"), ("paplay", "--play"),
      ("ffplay", "--play"), ("play", "--play"), ("arecord", "--mic"), ("parecord", "--mic"), ("rec", "--mic"),
    ]
    .map { Report.Program(name: $0.0, path: SystemProgram.path(of: $0.0), use: $0.1) }
  }

  // MARK: - For people

  private func text(_ report: Report) -> String {
    let machine = report.machine
    var rows = [
      ("mio-lite", report.version),
      ("processor", "\(machine.processor), \(machine.coreCount) core\(machine.coreCount == 1 ? "" : "s")"),
      ("memory", String(format: "%.1f GB", Double(machine.memoryByteCount) * 1e-9)),
      ("kernels", Self.kernels(machine)),
      (
        "kernel test",
        report.faultyVariants.isEmpty
          ? "\(machine.variants.joined(separator: ", ")) give the same bits"
          : "WRONG RESULTS by \(report.faultyVariants.joined(separator: ", ")); report this with the processor's name"
      ),
      ("model", "\(report.model.path) (\(report.model.found))"),
    ]
    if let about = report.model.about { rows.append(("", about)) }
    if let byteCount = report.model.byteCount {
      let abilities = report.model.abilities.isEmpty ? "nothing" : report.model.abilities.joined(separator: ", ")
      rows.append(("", String(format: "%.1f MB; can do: ", Double(byteCount) * 1e-6) + abilities))
    }
    rows.append(("model test", report.model.problem.map { "FAILED: \($0)" } ?? report.model.test ?? ""))
    for program in report.programs.filter({ $0.path != nil }) {
      rows.append((program.name, "\(program.path ?? "") (\(program.use))"))
    }
    if report.programs[0].path == nil { rows.append(("ffmpeg", "not found: videos and m4a need it (apt-get install ffmpeg)")) }
    if report.programs.dropFirst().allSatisfy({ $0.path == nil }) {
      rows.append(("player", "none found: speech goes to files (apt-get install alsa-utils)"))
    }
    rows += report.measurements.map { measurement in
      let pace = measurement.gigabytesPerSecond > 0 ? String(format: ", %.1f GB/s", measurement.gigabytesPerSecond) : ""
      return (measurement.work, measurement.choice + String(format: ": %.2f ms", 1e3 * measurement.seconds) + pace)
    }
    rows += report.workers?.rows(model: model.model) ?? []
    return rows.map { $0.0.padding(toLength: 13, withPad: " ", startingAt: 0) + $0.1 + "\n" }.joined()
  }

  private static func kernels(_ machine: Machine) -> String {
    let why =
      switch machine.origin {
      case .environment: "as MIO_ISA and MIO_STREAMING say"
      case .measured: "measured on this machine, \(machine.choicePath ?? "")"
      case .standard: "what this processor is known for; --measure finds the fastest"
      }
    let one = machine.tokenVariant == machine.variant ? "" : ", one token at a time \(machine.tokenVariant)"
    return "\(machine.variant)\(one), weights read \(machine.streaming) (\(why))"
  }
}
