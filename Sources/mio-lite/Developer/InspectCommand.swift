import ArgumentParser
import Foundation
import MioFormat
import MioLite

/// `inspect [FILE ...]`: what is in files.
struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Show what is in model files: components, types, bytes, provenance; and how an image was made.")

  @OptionGroup var models: ModelFiles

  @Flag(help: "List every tensor.")
  var tensors = false

  @Flag(help: "Print JSON, a value for every file.")
  var json = false

  func run() throws {
    var failures = Failures()
    let paths = try models.paths()
    var isFirst = true
    for path in paths {
      try failures.collecting(of: paths.count) {
        if let report = try? ImageReport(path: path) {
          if json { return try Output.json(report, pretty: true) }
          return try Output.write(report.text)
        }
        let report = InspectReport(try ModelFile.open(path: path))
        if json { return try Output.json(report, pretty: true) }
        try Output.write((isFirst ? "" : "\n") + report.chart(listingTensors: tensors))
        isFirst = false
      }
    }
    try failures.check()
  }
}

/// The model files that a command looks into.
struct ModelFiles: ParsableArguments {
  @Argument(
    help: "Model files. Without one: $MIO_MODEL, then the model shipped with mio-lite.", completion: .file(extensions: ["mio"]))
  var files: [String] = []

  @Option(name: .shortAndLong, help: "A model file, as other commands take it.", completion: .file(extensions: ["mio"]))
  var model: String?

  func paths() throws -> [String] {
    let named = (model.map { [$0] } ?? []) + files
    return named.isEmpty ? [try ModelLocation.path(given: nil)] : named
  }
}
