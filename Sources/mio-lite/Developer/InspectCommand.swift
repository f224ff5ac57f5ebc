import ArgumentParser
import MioFormat

/// `inspect F.mio`: what is in the file.
struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect", abstract: "Show what is in a model file: components, types, bytes, provenance.")

  @Argument(help: "The model file.", completion: .file(extensions: ["mio"]))
  var file: String

  @Flag(help: "List every tensor.")
  var tensors = false

  @Flag(help: "Print JSON.")
  var json = false

  func run() throws {
    let report = InspectReport(try ModelFile.open(path: file))
    if json {
      try Output.json(report, pretty: true)
    } else {
      try Output.write(report.chart(listingTensors: tensors))
    }
  }
}
