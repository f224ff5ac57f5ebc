import ArgumentParser
import MioFormat
import MioKernels
import MioLite

/// `verify [F.mio ...]`: checks every byte.
struct VerifyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Check every byte of model files; report the first fault of each.")

  @OptionGroup var models: ModelFiles

  @Option(name: .shortAndLong, help: "Threads (default: the physical cores this process may use).")
  var threads: Int?

  @OptionGroup var common: CommonOptions

  func run() async throws {
    var failures = Failures()
    let paths = try models.paths()
    for path in paths { try await failures.collecting(of: paths.count) { try await verify(path) } }
    try failures.check()
  }

  private func verify(_ path: String) async throws {
    let model = try ModelFile.open(path: path)
    try await Interrupts.during { cancellation in
      let bar = ProgressBar("verify", quiet: common.quiet)
      defer { bar.finish() }
      try model.verify(threads: threads ?? Processors.usableCoreCount) { checked, total in
        bar.update(Double(checked) / Double(max(total, 1)))
        return !cancellation.isCancelled
      }
    }
    if !common.quiet { try Output.line("\(PathText.shown(path)): all \(model.byteCount) bytes are as written") }
  }
}
