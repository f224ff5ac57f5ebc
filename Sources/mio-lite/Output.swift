import Foundation

/// Where results and notes go: results to standard output, everything else to standard error.
enum Output {
  /// Writes `bytes` to standard output, whole, or throws.
  static func write(_ bytes: some Sequence<UInt8>) throws {
    try writeAll(Array(bytes), to: STDOUT_FILENO)
  }

  /// Writes text to standard output as it is.
  static func write(_ text: String) throws {
    try write(text.utf8)
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
    try? writeAll(Array((text + "\n").utf8), to: STDERR_FILENO)
  }

  /// Standard output is written without a buffer, so there is nothing to flush but Swift's own `print`.
  static func flush() throws {
    if fflush(nil) != 0 { throw Failure(.failed, "standard output: \(unsafe String(cString: strerror(errno)))") }
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
