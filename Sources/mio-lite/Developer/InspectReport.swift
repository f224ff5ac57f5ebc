import MioFormat
import MioLite

/// What `inspect` knows of a file, ready for JSON or for a chart.
struct InspectReport: Encodable {
  struct ComponentReport: Encodable {
    let name: String
    let required: Bool
    let bytes: Int
    let parameters: Int
    let config: [String: ConfigJSON]
    let blobs: [String: Int]
    let encodings: [String: Int]
  }

  struct TensorReport: Encodable {
    let component: String
    let name: String
    let encoding: String
    let shape: [Int]
    let offset: Int
    let bytes: Int
    let sha256: String
  }

  let file: String
  let bytes: Int
  let formatVersion: Int
  let identity: String
  let cacheBytesPerToken: [String: Int]
  let components: [ComponentReport]
  let tensors: [TensorReport]

  init(_ model: ModelFile) {
    file = PathText.shown(model.path)
    bytes = model.byteCount
    formatVersion = model.formatVersion
    identity = model.identity.description
    cacheBytesPerToken = [:]
    tensors = model.tensors.map {
      TensorReport(
        component: $0.component, name: $0.name, encoding: $0.encoding.name, shape: $0.shape, offset: $0.offset,
        bytes: $0.byteCount, sha256: $0.digest.description)
    }
    let tensors = self.tensors
    components = model.components.map { component in
      let own = tensors.filter { $0.component == component.name }
      let blobs = model.blobs.filter { $0.component == component.name }
      return ComponentReport(
        name: component.name, required: component.isRequired,
        bytes: own.reduce(0) { $0 + $1.bytes } + blobs.reduce(0) { $0 + $1.byteCount },
        parameters: own.reduce(0) { $0 + $1.shape.reduce(1, *) },
        config: Dictionary(uniqueKeysWithValues: component.config.entries.map { ($0.key, ConfigJSON(value: $0.value)) }),
        blobs: Dictionary(uniqueKeysWithValues: blobs.map { ($0.name, $0.contentByteCount) }),
        encodings: own.reduce(into: [:]) { $0[$1.encoding, default: 0] += $1.bytes })
    }
  }
}

/// A configuration value as JSON.
struct ConfigJSON: Encodable {
  let value: ConfigValue

  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch value {
    case .int(let value): try container.encode(value)
    case .float(let value): try container.encode(value)
    case .bool(let value): try container.encode(value)
    case .string(let value): try container.encode(value)
    case .ints(let value): try container.encode(value)
    case .floats(let value): try container.encode(value)
    case .strings(let value): try container.encode(value)
    }
  }

  var text: String {
    switch value {
    case .int(let value): "\(value)"
    case .float(let value): "\(value)"
    case .bool(let value): "\(value)"
    case .string(let value): value.contains("\n") || value.count > 60 ? "\(value.prefix(57))...".replacingNewlines : value
    case .ints(let value): list(value)
    case .floats(let value): list(value)
    case .strings(let value): list(value)
    }
  }

  /// The lines of a list of texts or numbers that belongs to a table.
  var column: [String]? {
    switch value {
    case .strings(let values): values.isEmpty ? nil : values
    case .ints(let values): (2...8).contains(values.count) ? values.map(String.init) : nil
    default: nil
    }
  }

  private func list(_ values: [some Any]) -> String {
    let shown = values.prefix(6).map { "\($0)" }.joined(separator: " ")
    return values.count > 6 ? "\(shown) ... (\(values.count))" : shown
  }
}

extension String {
  fileprivate var replacingNewlines: String { String(map { $0.isNewline ? " " : $0 }) }
}

// MARK: - The chart

extension InspectReport {
  /// The report for a person.
  func chart(listingTensors: Bool) -> String {
    var text = "\(file): \(ByteCount.text(bytes)), format version \(formatVersion)\nidentity \(identity)\n\n"
    let largest = components.map(\.bytes).max() ?? 1
    for component in components {
      let bar = String(repeating: "█", count: max(component.bytes > 0 ? 1 : 0, component.bytes * 30 / max(largest, 1)))
      text += "\(component.name.padded(18)) \(ByteCount.text(component.bytes).padded(10, right: true))  \(bar)\n"
      if component.parameters > 0 { text += "  \(grouped(component.parameters)) numbers: \(types(component))\n" }
      text += settings(component)
      for (name, size) in component.blobs.sorted(by: { $0.key < $1.key }) {
        text += "  \(name.padded(26)) \(ByteCount.text(size)), compressed\n"
      }
    }
    if !cacheBytesPerToken.isEmpty {
      let sizes = cacheBytesPerToken.sorted { $0.value < $1.value }.map { "\($0.key) \(ByteCount.text($0.value))" }
      text += "\ncache per token of context: \(sizes.joined(separator: ", "))\n"
    }
    if listingTensors {
      text += "\n"
      for tensor in tensors {
        let shape = tensor.shape.map(String.init).joined(separator: " x ")
        text += "\(tensor.component)/\(tensor.name)  \(tensor.encoding)  \(shape)  \(ByteCount.text(tensor.bytes))\n"
      }
    }
    return text
  }

  /// Single values line by line; lists of one family and length (`plan_tensors`, `plan_encodings`, ...) as a table.
  private func settings(_ component: ComponentReport) -> String {
    var text = ""
    var tables: [String: [(key: String, column: [String])]] = [:]
    for (key, value) in component.config.sorted(by: { $0.key < $1.key }) {
      if let column = value.column, let prefix = key.split(separator: "_").first {
        tables[String(prefix), default: []].append((key, column))
      } else {
        text += "  \(key.padded(26)) \(value.text)\n"
      }
    }
    for (prefix, columns) in tables.sorted(by: { $0.key < $1.key }) {
      text += "  \(prefix)\n"
      // The widest column stands last, so that its lines need not be filled up.
      let ordered = columns.sorted { ($0.column.map(\.count).max() ?? 0) < ($1.column.map(\.count).max() ?? 0) }
      for row in 0..<(columns.map(\.column.count).max() ?? 0) {
        let cells = ordered.map { _, column in
          (row < column.count ? column[row] : "").padded((column.map(\.count).max() ?? 0) + 2)
        }
        var line = "    " + cells.joined()
        while line.last == " " { line.removeLast() }
        text += line + "\n"
      }
    }
    return text
  }

  private func types(_ component: ComponentReport) -> String {
    component.encodings.sorted { $0.value > $1.value }
      .map { "\($0.key) \(ByteCount.text($0.value))" }.joined(separator: ", ")
  }

  private func grouped(_ number: Int) -> String {
    var digits = Array(String(number))
    var index = digits.count - 3
    while index > 0 {
      digits.insert(",", at: index)
      index -= 3
    }
    return String(digits)
  }
}

/// Sizes for people.
enum ByteCount {
  /// `3.4 GB`, `12 kB`: powers of 1000.
  static func text(_ bytes: Int) -> String {
    var value = Double(bytes)
    for unit in ["B", "kB", "MB", "GB"] {
      if value < 1000 || unit == "GB" {
        return unit == "B" ? "\(bytes) B" : "\((value * 10).rounded() / 10) \(unit)"
      }
      value /= 1000
    }
    return "\(bytes) B"
  }
}

extension String {
  /// The text, filled up with spaces to `width`.
  func padded(_ width: Int, right: Bool = false) -> String {
    let fill = String(repeating: " ", count: max(0, width - count))
    return right ? fill + self : self + fill
  }
}
