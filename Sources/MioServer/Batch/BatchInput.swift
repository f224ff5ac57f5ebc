import Foundation

/// One request of a batch.
struct BatchRow: Sendable {
  let customID: String
  let url: String
  /// The request as JSON.
  let body: [UInt8]
  /// Stands for the id where it is too long.
  var key: BatchKey { BatchKey(customID) }
}

/// A number for an id, so long that two ids never share one.
struct BatchKey: Hashable, Sendable {
  private let high: UInt64
  private let low: UInt64

  init(_ id: String) {
    // FNV-1a of 64 bits from two beginnings, the second mixed once more.
    var (a, b): (UInt64, UInt64) = (0xCBF2_9CE4_8422_2325, 0x9E37_79B9_7F4A_7C15)
    for byte in id.utf8 {
      a = (a ^ UInt64(byte)) &* 0x100_0000_01B3
      b = (b ^ UInt64(byte)) &* 0x100_0000_01B3
      b ^= b >> 29
    }
    (high, low) = (a, b)
  }

  /// A seed that depends on the id and on the seed of the whole, not on the place of the row.
  func seed(_ whole: UInt64) -> UInt64 {
    var mixed = (high ^ whole) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ mixed >> 31 ^ low) &* 0x94D0_49BB_1331_11EB
    // Of 53 bits, so that every program reads it from JSON as it is.
    return (mixed ^ mixed >> 30) >> 11
  }

  var text: String { String(high, radix: 36) + String(low, radix: 36) }
}

/// A file of requests, a line each, read as it is worked on: its length does not matter.
final class BatchInput {
  private let name: String
  private let handle: FileHandle
  private var buffer: [UInt8] = []
  private var position = 0
  private var isAtEnd = false
  private(set) var line = 0

  private static let blockSize = 1 << 20
  private static let maxLine = 1 << 28

  /// - Parameter handle: a regular file.
  init(_ handle: FileHandle, name: String) {
    self.handle = handle
    self.name = name
  }

  /// The next line that is not empty; nil at the end.
  func nextLine() throws -> [UInt8]? {
    while true {
      if let end = buffer[position...].firstIndex(of: 10) {
        defer { position = end + 1 }
        line += 1
        let bytes = Array(buffer[position..<end])
        if bytes.contains(where: { $0 > 32 }) { return bytes }
      } else if isAtEnd {
        defer { position = buffer.count }
        let bytes = Array(buffer[position...])
        line += bytes.isEmpty ? 0 : 1
        return bytes.contains { $0 > 32 } ? bytes : nil
      } else {
        buffer.removeFirst(position)
        position = 0
        guard buffer.count <= Self.maxLine else { throw failure("the line has more than \(Self.maxLine) bytes") }
        let more = try handle.read(upToCount: Self.blockSize) ?? Data()
        isAtEnd = more.isEmpty
        buffer += more
      }
    }
  }

  /// The next request; nil at the end.
  func next() throws -> BatchRow? {
    guard let bytes = try nextLine() else { return nil }
    guard let object = try? JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any] else {
      throw failure("this is no JSON object")
    }
    guard let id = object["custom_id"] as? String, !id.isEmpty else { throw failure("'custom_id' is missing or no text") }
    guard let url = object["url"] as? String else { throw failure("'url' is missing, /v1/chat/completions for instance") }
    if let method = object["method"] as? String, method != "POST" { throw failure("'method' must be POST") }
    guard let body = object["body"] as? [String: Any] else { throw failure("'body' is missing or no object") }
    return BatchRow(
      customID: id, url: url, body: Array(try JSONSerialization.data(withJSONObject: body, options: .sortedKeys)))
  }

  /// Reads everything once: how many rows there are, and that no id comes twice.
  func check() throws -> Int {
    var seen: [BatchKey: Int] = [:]
    while let row = try next() {
      if let first = seen.updateValue(line, forKey: row.key) {
        throw failure("custom_id '\(row.customID.prefix(80))' stands in line \(first), too; ids must differ")
      }
    }
    let count = seen.count
    try rewind()
    return count
  }

  private func rewind() throws {
    try handle.seek(toOffset: 0)
    (buffer, position, isAtEnd, line) = ([], 0, false, 0)
  }

  private func failure(_ what: String) -> APIError { APIError(.badRequest, "\(name), line \(line): \(what)") }
}
