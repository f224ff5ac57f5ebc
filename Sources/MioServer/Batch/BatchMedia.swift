import Foundation
import MioLite

/// Puts sound and images of answers into files of their own, under the names of their rows.
struct BatchMedia: Sendable {
  private let folder: String

  /// - Throws: ``APIError`` if the folder cannot be made.
  init(_ folder: String) throws {
    self.folder = folder
    do {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    } catch {
      throw APIError(.internalServerError, "\(folder): the folder cannot be made: \(error.localizedDescription)")
    }
  }

  /// Saves bytes; returns the file's name within the folder.
  func save(_ bytes: [UInt8], of row: BatchRow, _ suffix: String) throws -> String {
    let name = Self.name(row) + suffix
    try OutputFile.write(bytes, to: URL(fileURLWithPath: folder).appendingPathComponent(name))
    return name
  }

  /// An answer in whose place of media there are names of files.
  func extract(_ body: [UInt8], of row: BatchRow) throws -> [UInt8] {
    guard let object = try? JSONSerialization.jsonObject(with: Data(body)) else { return body }
    var count = 0
    let changed = try replace(object, row, &count)
    if count == 0 { return body }
    return Array(try JSONSerialization.data(withJSONObject: changed, options: [.sortedKeys, .withoutEscapingSlashes]))
  }

  private func replace(_ value: Any, _ row: BatchRow, _ count: inout Int) throws -> Any {
    if let list = value as? [Any] { return try list.map { try replace($0, row, &count) } }
    guard var object = value as? [String: Any] else { return value }
    for (key, member) in object.sorted(by: { $0.key < $1.key }) {
      guard let text = member as? String, let media = Self.media(key, text, in: object) else {
        object[key] = try replace(member, row, &count)
        continue
      }
      count += 1
      object[key] = nil
      object["file"] = try save(media.bytes, of: row, (count > 1 ? "-\(count)" : "") + media.suffix)
    }
    return object
  }

  /// The bytes that a member holds, where it holds some.
  private static func media(_ key: String, _ text: String, in object: [String: Any]) -> (bytes: [UInt8], suffix: String)? {
    let encoded: Substring
    switch key {
    case "b64_json": encoded = Substring(text)
    case "data" where object["transcript"] != nil: encoded = Substring(text)
    case "url" where text.hasPrefix("data:"): encoded = text[text.index(after: text.firstIndex(of: ",") ?? text.startIndex)...]
    default: return nil
    }
    guard let bytes = Data(base64Encoded: String(encoded)).map(Array.init) else { return nil }
    let kinds: [(start: [UInt8], suffix: String)] = [
      (Array("\u{89}PNG".unicodeScalars.map { UInt8($0.value) }), ".png"), ([0xFF, 0xD8], ".jpg"), (Array("RIFF".utf8), ".wav"),
      (Array("fLaC".utf8), ".flac"), (Array("OggS".utf8), ".opus"), ([0xFF], ".mp3"),
    ]
    return (bytes, kinds.first { bytes.starts(with: $0.start) }?.suffix ?? ".bin")
  }

  /// A name that any file system takes, of the row's id.
  private static func name(_ row: BatchRow) -> String {
    let kept = row.customID.utf8.map { byte -> String in
      let isPlain =
        (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || "._-".utf8.contains(byte)
      return isPlain ? String(UnicodeScalar(byte)) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
    }.joined()
    let name = kept.hasPrefix(".") ? "%2E" + kept.dropFirst() : kept
    return name.utf8.count <= 150 ? name : name.prefix(120) + "-" + row.key.text
  }
}
