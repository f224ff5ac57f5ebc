import Foundation
import MioFiles

/// Where results and notes go: results to standard output, everything else to standard error.
enum Output {
  /// Writes `bytes` to standard output, whole, or throws.
  static func write(_ bytes: some Sequence<UInt8>) throws {
    try writeAll(Array(bytes), to: STDOUT_FILENO)
  }

  /// Writes a whole file, or nothing.
  static func write(_ bytes: [UInt8], to path: String) throws {
    do throws(AtomicFileError) {
      try AtomicFile.write(bytes, to: path)
    } catch {
      throw Failure(.failed, "\(path): \(error.message)")
    }
  }

  /// Writes text to standard output: as it is to files and pipes, without control characters to a terminal.
  static func write(_ text: String) throws {
    try writeAll(text, to: STDOUT_FILENO)
  }

  /// Writes a line to standard output.
  static func line(_ text: String) throws {
    try write(text + "\n")
  }

  /// Writes a value as JSON: sorted keys, one line unless `pretty`.
  static func json(_ value: some Encodable, pretty: Bool = false) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = pretty ? [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
      : [.sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    try write(encoder.encode(value))
    try write("\n")
  }

  /// A value as JSON for a file: sorted keys, one to a line.
  static func readableJSON(_ value: some Encodable) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return try Array(encoder.encode(value)) + [10]
  }

  /// Writes a line to standard error; a closed standard error is no reason to stop.
  static func note(_ text: String) {
    try? writeAll(text + "\n", to: STDERR_FILENO)
  }

  /// Standard output is written without a buffer, so there is nothing to flush but Swift's own `print`.
  static func flush() throws {
    if fflush(nil) != 0 { throw Failure(.failed, "standard output: \(unsafe String(cString: strerror(errno)))") }
  }

  private static func writeAll(_ text: String, to descriptor: Int32) throws {
    try writeAll(Array((isatty(descriptor) == 1 ? text.withoutTerminalControls : text).utf8), to: descriptor)
  }

  private static func writeAll(_ bytes: [UInt8], to descriptor: Int32) throws {
    var offset = 0
    while offset < bytes.count {
      let written = unsafe bytes.withUnsafeBytes { unsafe Foundation.write(descriptor, $0.baseAddress! + offset, $0.count - offset) }
      if written > 0 {
        offset += written
      } else if errno != EINTR {
        throw Failure(.failed, "standard output: \(unsafe String(cString: strerror(errno)))")
      }
    }
  }
}

extension String {
  /// The text with a replacement character for every control character but line feed and tab.
  ///
  /// Words of a model and names in a file come from strangers; a terminal would take an escape sequence in them as an order
  /// to move its cursor, change its title or type for the user.
  var withoutTerminalControls: String {
    guard unicodeScalars.contains(where: \.isTerminalControl) else { return self }
    return String(String.UnicodeScalarView(unicodeScalars.map { $0.isTerminalControl ? "\u{FFFD}" : $0 }))
  }
}

extension Unicode.Scalar {
  fileprivate var isTerminalControl: Bool { properties.generalCategory == .control && self != "\n" && self != "\t" }
}
