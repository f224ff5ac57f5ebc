/// What becomes of the keys of one kind of configuration file.
///
/// A key is used, or it is inert: it cannot change what mio-lite computes, either whatever it says or as long as it says
/// one of a few things. Every other key is refused, so that no setting is passed over in silence.
package struct SettingsTable: Sendable {
  /// A key that changes nothing.
  package struct Inert: Sendable {
    package let keys: [String]
    /// The values with which that holds; nil if it holds with every value.
    package let values: [JSON]?
    package let reason: String

    init(_ keys: [String], _ reason: String, only values: [JSON]? = nil) {
      self.keys = keys
      self.values = values
      self.reason = reason
    }
  }

  /// The file as documents name it.
  package let file: String
  /// Keys that are read; what they may say is checked where they are read.
  package let used: [String]
  package let inert: [Inert]
  /// Why keys that are not listed change nothing, if they do not; nil refuses them.
  package let others: String?

  init(_ file: String, used: [String], inert: [Inert], others: String? = nil) {
    self.file = file
    self.used = used
    self.inert = inert
    self.others = others
  }

  /// The tables of all configuration files that are read.
  package static let all = [
    language, generation, tokenizer, addedToken, speech, unet, imageDecoder, schedule, textEncoder,
  ]
}

extension SettingsReader {
  /// Refuses every key that was not read and is not known to change nothing.
  ///
  /// An empty list, an empty object and null say nothing, whatever the key.
  mutating func finish(_ table: SettingsTable) {
    for key in keys where !used.contains(key) && !ignored.contains(key) {
      let value = value(key)
      if value.isEmpty || table.used.contains(key) { continue }
      if let entry = table.inert.first(where: { $0.keys.contains(key) }) {
        guard let values = entry.values, !values.contains(where: { $0.isEqual(to: value) }) else { continue }
        let supported = values.map(\.text).joined(separator: " or ")
        refuse(key, "\(value.text) is not supported\(values.isEmpty ? "" : ", only \(supported)"): \(entry.reason)")
      } else if table.others == nil {
        refuse(
          key,
          "this setting is not known, and it may change what the model computes; if it does not, convert with "
            + "--ignore-setting \(key)")
      }
    }
  }
}

extension JSON {
  /// Whether the value says nothing.
  var isEmpty: Bool {
    switch self {
    case .null: true
    case .array(let values): values.isEmpty
    case .object(let object): object.keys.isEmpty
    default: false
    }
  }

  /// Equal, a whole number to the same number with a fraction of zero.
  func isEqual(to other: JSON) -> Bool {
    if let number = double, let another = other.double { return number == another }
    return self == other
  }

  /// The value in a message: whole if it is short.
  var text: String {
    switch self {
    case .null: "null"
    case .bool(let value): value ? "true" : "false"
    case .integer(let value): "\(value)"
    case .number(let value): "\(value)"
    case .string(let value): value.count <= 60 ? JSON.quoted(value) : "a long text"
    case .array(let values): values.isEmpty ? "[]" : "a list of \(values.count)"
    case .object(let object): object.keys.isEmpty ? "{}" : "an object of \(object.keys.count) members"
    }
  }
}

extension Conversion {
  /// Every table as Markdown: what becomes of each key of each configuration file.
  package static var settingsTables: String {
    SettingsTable.all.map { table in
      var lines = ["### \(table.file)", "", "| keys | what becomes of them |", "| --- | --- |"]
      func row(_ keys: [String], _ text: String) {
        lines.append("| " + keys.map { "`\($0)`" }.joined(separator: ", ") + " | \(text) |")
      }
      row(table.used, "used")
      for entry in table.inert {
        guard let values = entry.values else {
          row(entry.keys, "inert: \(entry.reason)")
          continue
        }
        row(entry.keys, "inert if \(values.map { "`\($0.text)`" }.joined(separator: " or ")), else refused: \(entry.reason)")
      }
      lines.append("| every other key | \(table.others.map { "inert: \($0)" } ?? "refused") |")
      return lines.joined(separator: "\n") + "\n"
    }.joined(separator: "\n")
  }
}
