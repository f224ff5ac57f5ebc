import ArgumentParser
import MioFormat
import MioKernels

/// `verify F.mio`: checks every byte.
struct VerifyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Check every byte of a model file; report the first fault.")

  @Argument(help: "The model file.", completion: .file(extensions: ["mio"]))
  var file: String

  @Option(name: .shortAndLong, help: "Threads (default: the physical cores this process may use).")
  var threads: Int?

  @OptionGroup var common: CommonOptions

  func run() async throws {
    let model = try ModelFile.open(path: file)
    try await Interrupts.during { cancellation in
      let bar = ProgressBar("verify", quiet: common.quiet)
      defer { bar.finish() }
      try model.verify(threads: threads ?? Processors.usableCoreCount) { checked, total in
        bar.update(Double(checked) / Double(max(total, 1)))
        return !cancellation.isCancelled
      }
    }
    if !common.quiet { try Output.line("\(file): all \(model.byteCount) bytes are as written") }
  }
}
