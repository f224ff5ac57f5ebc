import ArgumentParser
import MioLite

/// How transparent images are seen, by commands that look at images.
struct SeeingFlags: ParsableArguments {
  @Option(help: "Transparent images: on white, or dropped, as the reference does (black, mostly).")
  var transparency: Image.Transparency = .white

  /// Where a medium is read from; '-' is standard input.
  func source(_ path: String) -> MediaSource {
    var source = Input.source(path)
    source.transparency = transparency
    return source
  }
}

extension Image.Transparency: ExpressibleByArgument {}
