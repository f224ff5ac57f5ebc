import ArgumentParser
import Foundation
import MioLite

/// Media that belong to what is said, in the order in which they stand on the command line.
struct MediaFlags: ParsableArguments {
  @Option(
    name: [.customLong("audio"), .customLong("speech")], help: "A sound file; may be repeated.", completion: .file())
  var audio: [String] = []

  @Option(help: "An image; may be repeated.", completion: .file())
  var image: [String] = []

  @Option(help: "A video, an animated gif or webp, or a folder of frames; may be repeated.", completion: .file())
  var video: [String] = []

  @Option(help: "Words between media, as the answers of examples are; may be repeated.")
  var text: [String] = []

  @OptionGroup var seeing: SeeingFlags

  /// What was given, in its order.
  ///
  /// The parser keeps the order within each option only, so the order of the options is looked up in `arguments`.
  ///
  /// - Throws: ``Failure`` for words that are not UTF-8.
  func parts(arguments: [String] = CommandLine.arguments) throws -> [InputPart] {
    var queues: [String: [InputPart]] = [
      "audio": audio.map { .audioFile(Input.source($0)) }, "image": image.map { .imageFile(seeing.source($0)) },
      "video": video.map { .videoFile(seeing.source($0)) }, "text": try text.map { .text(try Input.checked($0)) },
    ]
    var parts: [InputPart] = []
    for argument in arguments.prefix(while: { $0 != "--" }) where argument.hasPrefix("--") {
      let name = argument.dropFirst(2).prefix { $0 != "=" }
      let kind = name == "speech" ? "audio" : String(name)
      if let part = queues[kind]?.first {
        queues[kind]?.removeFirst()
        parts.append(part)
      }
    }
    return parts + ["image", "video", "audio", "text"].flatMap { queues[$0] ?? [] }
  }
}
