import Foundation
import MioLite

/// Where results and notes go: results to standard output, everything else to standard error.
enum Output {
  /// Writes `bytes` to standard output, whole, or throws.
  static func write(_ bytes: some Sequence<UInt8>) throws { try Terminal.shared.write(Array(bytes)) }

  /// Writes a whole file, or nothing.
  static func write(_ bytes: [UInt8], to path: String) throws {
    try OutputFile.write(bytes, to: URL(fileURLWithPath: path))
  }

  /// Writes a whole file, or to standard output if the path is '-'.
  static func write(_ bytes: [UInt8], toFileOrOutput path: String) throws {
    if path == "-" { try write(bytes) } else { try write(bytes, to: path) }
  }

  /// Refuses, before any work, a file that could not be written, and a suffix that `format` does not know.
  static func check<Format>(_ path: String, suffix format: (URL) throws -> Format) throws {
    let url = URL(fileURLWithPath: path)
    _ = try format(url)
    try refuseTerminal(path)
    try OutputFile.check(url)
  }

  /// Refuses to show a person the bytes of a medium.
  static func refuseTerminal(for what: String, or other: String = "") throws {
    if isatty(STDOUT_FILENO) == 1 {
      throw Failure(
        .wrongInput, "standard output is a terminal, which cannot take \(what); send it to a program, or use -o FILE\(other)")
    }
  }

  /// Refuses a path that leads to a terminal.
  static func refuseTerminal(_ path: String) throws {
    if Files.isTerminal(path) { throw Failure(.wrongInput, "\(path): is a terminal, which cannot take media; name a file") }
  }

  /// Refuses, before any work, a place where an image cannot go; '-' is standard output.
  static func checkImage(_ path: String) throws {
    if path == "-" { return try refuseTerminal(for: "an image") }
    try check(path) { try imageFormat($0) }
  }

  /// Writes an image in the form that the suffix names; '-' and names of pipes and devices without one mean PNG.
  static func write(_ image: Image, to path: String, origin: ImageOrigin) throws {
    if path == "-" { return try write(image.encoded(origin: origin)) }
    let url = URL(fileURLWithPath: path)
    try image.write(to: url, format: imageFormat(url), origin: origin)
  }

  private static func imageFormat(_ url: URL) throws -> Image.Format {
    do { return try Image.Format(suffixOf: url) } catch {
      if OutputFile.isStream(url) { return .png }
      throw error
    }
  }

  /// Writes text to standard output: as it is to files and pipes, without control characters to a terminal.
  static func write(_ text: String) throws { try Terminal.shared.write(text) }

  /// Writes a line to standard output.
  static func line(_ text: String) throws { try write(text + "\n") }

  /// Writes a value as JSON: sorted keys, one line unless `pretty`.
  static func json(_ value: some Encodable, pretty: Bool = false) throws {
    try line(jsonText(value, pretty: pretty))
  }

  static func jsonText(_ value: some Encodable, pretty: Bool = false) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting =
      pretty
      ? [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
      : [.sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }

  /// A value as JSON for a file: sorted keys, one to a line.
  static func readableJSON(_ value: some Encodable) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return try Array(encoder.encode(value)) + [10]
  }

  /// Writes a line to standard error; a closed standard error is no reason to stop.
  static func note(_ text: String) { Terminal.shared.note(text) }

  /// Standard output is written without a buffer, so there is nothing to flush but Swift's own `print`.
  static func flush() throws {
    if fflush(nil) != 0 { throw Failure(.failed, "standard output: \(unsafe String(cString: strerror(errno)))") }
  }
}
