import ArgumentParser

@main
struct MioLiteCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mio-lite", abstract: "Text, speech and pictures in and out of one file, on an ordinary CPU.")
}
