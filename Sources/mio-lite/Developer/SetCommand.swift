import ArgumentParser
import MioConverter

/// `set F.mio KEY=VALUE... -o G.mio`: changes settings of a packed file.
struct SetCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "set", abstract: "Change the settings of a model file, as the checkpoint's authors would.",
    discussion: """
      The settings are those under mio_lite in generation_config.json, for example speech_level=-20 or text_normalization=en; \
      KEY= removes one. The weights stay as they are, byte for byte.
      """)

  @Argument(help: "The packed model.", completion: .file(extensions: ["mio"]))
  var model: String

  @Argument(help: "KEY=VALUE, or KEY= to remove it.")
  var changes: [String]

  @Option(name: .shortAndLong, help: "The file to write.", completion: .file(extensions: ["mio"]))
  var output: String

  func run() throws { try Resetting.run(input: model, output: output, changes: changes) }
}
