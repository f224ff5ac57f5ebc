/// One value of a component's configuration.
package enum ConfigValue: Hashable, Sendable {
  case int(Int)
  case float(Double)
  case bool(Bool)
  case string(String)
  case ints([Int])
  case floats([Double])
  case strings([String])

  /// The type's number in the file.
  var typeCode: UInt8 {
    switch self {
    case .int: 1
    case .float: 2
    case .bool: 3
    case .string: 4
    case .ints: 5
    case .floats: 6
    case .strings: 7
    }
  }

  package var typeName: String {
    switch self {
    case .int: "integer"
    case .float: "number"
    case .bool: "true or false"
    case .string: "text"
    case .ints: "list of integers"
    case .floats: "list of numbers"
    case .strings: "list of texts"
    }
  }
}

/// The configuration of a component: typed values by key, in the order of the keys' bytes.
package struct ConfigTable: Hashable, Sendable {
  package let entries: [(key: String, value: ConfigValue)]

  /// Sorts the pairs by key. Equal keys are refused when the table is written.
  package init(_ pairs: [(String, ConfigValue)] = []) {
    entries = pairs.map { (key: $0.0, value: $0.1) }
      .sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
  }

  package static func == (left: ConfigTable, right: ConfigTable) -> Bool {
    left.entries.elementsEqual(right.entries) { $0.key == $1.key && $0.value == $1.value }
  }

  package func hash(into hasher: inout Hasher) {
    for entry in entries {
      hasher.combine(entry.key)
      hasher.combine(entry.value)
    }
  }

  package subscript(key: String) -> ConfigValue? { entries.first { $0.key == key }?.value }
}

// MARK: - Typed access

extension ConfigTable {
  package func intIfPresent(_ key: String) throws(ModelFileError) -> Int? {
    guard let value = self[key] else { return nil }
    guard case .int(let result) = value else { throw wrongType(key, "integer", value) }
    return result
  }

  /// A number; an integer is taken as one, too.
  package func floatIfPresent(_ key: String) throws(ModelFileError) -> Double? {
    switch self[key] {
    case nil: return nil
    case .float(let result): return result
    case .int(let result): return Double(result)
    case let value?: throw wrongType(key, "number", value)
    }
  }

  package func boolIfPresent(_ key: String) throws(ModelFileError) -> Bool? {
    guard let value = self[key] else { return nil }
    guard case .bool(let result) = value else { throw wrongType(key, "true or false", value) }
    return result
  }

  package func stringIfPresent(_ key: String) throws(ModelFileError) -> String? {
    guard let value = self[key] else { return nil }
    guard case .string(let result) = value else { throw wrongType(key, "text", value) }
    return result
  }

  package func intsIfPresent(_ key: String) throws(ModelFileError) -> [Int]? {
    guard let value = self[key] else { return nil }
    guard case .ints(let result) = value else { throw wrongType(key, "list of integers", value) }
    return result
  }

  package func floatsIfPresent(_ key: String) throws(ModelFileError) -> [Double]? {
    guard let value = self[key] else { return nil }
    guard case .floats(let result) = value else { throw wrongType(key, "list of numbers", value) }
    return result
  }

  package func stringsIfPresent(_ key: String) throws(ModelFileError) -> [String]? {
    guard let value = self[key] else { return nil }
    guard case .strings(let result) = value else { throw wrongType(key, "list of texts", value) }
    return result
  }

  package func int(_ key: String) throws(ModelFileError) -> Int { try present(key, try intIfPresent(key)) }
  package func float(_ key: String) throws(ModelFileError) -> Double { try present(key, try floatIfPresent(key)) }
  package func bool(_ key: String) throws(ModelFileError) -> Bool { try present(key, try boolIfPresent(key)) }
  package func string(_ key: String) throws(ModelFileError) -> String { try present(key, try stringIfPresent(key)) }
  package func ints(_ key: String) throws(ModelFileError) -> [Int] { try present(key, try intsIfPresent(key)) }
  package func floats(_ key: String) throws(ModelFileError) -> [Double] { try present(key, try floatsIfPresent(key)) }
  package func strings(_ key: String) throws(ModelFileError) -> [String] { try present(key, try stringsIfPresent(key)) }

  private func present<Value>(_ key: String, _ value: Value?) throws(ModelFileError) -> Value {
    guard let value else {
      throw ModelFileError(.missingConfig, "the configuration lacks this key; convert the checkpoint again", item: key)
    }
    return value
  }

  private func wrongType(_ key: String, _ expected: String, _ value: ConfigValue) -> ModelFileError {
    ModelFileError(
      .wrongConfigType, "the configuration has another type here; convert the checkpoint again", item: key,
      expected: expected, found: value.typeName)
  }
}

// MARK: - Bytes

extension ConfigTable {
  init(parsing reader: inout ByteReader) throws(ModelFileError) {
    let count = Int(try reader.integer(UInt16.self, "number of configuration entries"))
    try checkLimit(count, FormatLimits.configEntryCount, "configuration entries", at: reader.filePosition - 2)
    var pairs: [(String, ConfigValue)] = []
    pairs.reserveCapacity(count)
    for _ in 0..<count {
      let start = reader.filePosition
      let length = Int(try reader.byte("length of a configuration key"))
      let key = try reader.name(length, "configuration key")
      if let previous = pairs.last?.0, !previous.utf8.lexicographicallyPrecedes(key.utf8) {
        throw ModelFileError(
          previous == key ? .duplicateName : .unsorted, "configuration keys must be in ascending order, each once",
          item: key, byteRange: start..<reader.filePosition)
      }
      do {
        pairs.append((key, try ConfigValue(parsing: &reader)))
      } catch {
        throw error.located(item: key)
      }
    }
    self.init(pairs)
  }

  func encode(into bytes: inout [UInt8]) {
    bytes.append(littleEndian: UInt16(entries.count))
    for entry in entries {
      bytes.append(UInt8(entry.key.utf8.count))
      bytes += entry.key.utf8
      entry.value.encode(into: &bytes)
    }
  }
}

extension ConfigValue {
  fileprivate init(parsing reader: inout ByteReader) throws(ModelFileError) {
    let start = reader.filePosition
    switch try reader.byte("type of a configuration value") {
    case 1: self = .int(try Self.int(&reader))
    case 2: self = .float(try Self.float(&reader))
    case 3:
      let value = try reader.byte("configuration value")
      guard value <= 1 else {
        throw ModelFileError(
          .invalidConfig, "a truth value must be 0 or 1", byteRange: start + 1..<(start + 2), found: "\(value)")
      }
      self = .bool(value == 1)
    case 4: self = .string(try Self.text(&reader))
    case 5: self = .ints(try Self.list(&reader, elementByteCount: 8, Self.int))
    case 6: self = .floats(try Self.list(&reader, elementByteCount: 8, Self.float))
    case 7: self = .strings(try Self.list(&reader, elementByteCount: 4, Self.text))
    case let type:
      throw ModelFileError(
        .invalidConfig, "unknown type of configuration value", byteRange: start..<(start + 1), expected: "1 to 7",
        found: "\(type)")
    }
  }

  private static func int(_ reader: inout ByteReader) throws(ModelFileError) -> Int {
    Int(Int64(bitPattern: try reader.integer(UInt64.self, "configuration value")))
  }

  private static func float(_ reader: inout ByteReader) throws(ModelFileError) -> Double {
    let start = reader.filePosition
    let value = Double(bitPattern: try reader.integer(UInt64.self, "configuration value"))
    guard value.isFinite else {
      throw ModelFileError(
        .invalidConfig, "a configuration number must be finite", byteRange: start..<(start + 8), found: "\(value)")
    }
    return value
  }

  private static func text(_ reader: inout ByteReader) throws(ModelFileError) -> String {
    let start = reader.filePosition
    let count = Int(try reader.integer(UInt32.self, "length of a configuration text"))
    try checkLimit(count, FormatLimits.configTextByteCount, "bytes in a configuration text", at: start)
    return try reader.text(count, "configuration text")
  }

  private static func list<Element>(
    _ reader: inout ByteReader, elementByteCount: Int,
    _ element: (inout ByteReader) throws(ModelFileError) -> Element
  ) throws(ModelFileError) -> [Element] {
    let start = reader.filePosition
    let count = Int(try reader.integer(UInt32.self, "length of a configuration list"))
    try checkLimit(count, FormatLimits.configListCount, "elements in a configuration list", at: start)
    guard count * elementByteCount <= reader.remaining else {
      throw ModelFileError(
        .malformedDirectory, "a configuration list reaches beyond its section", byteRange: start..<(start + 4))
    }
    var result: [Element] = []
    result.reserveCapacity(count)
    for _ in 0..<count { result.append(try element(&reader)) }
    return result
  }

  fileprivate func encode(into bytes: inout [UInt8]) {
    bytes.append(typeCode)
    switch self {
    case .int(let value): bytes.append(littleEndian: UInt64(bitPattern: Int64(value)))
    case .float(let value): bytes.append(littleEndian: value.bitPattern)
    case .bool(let value): bytes.append(value ? 1 : 0)
    case .string(let value): Self.encode(value, into: &bytes)
    case .ints(let values):
      bytes.append(littleEndian: UInt32(values.count))
      for value in values { bytes.append(littleEndian: UInt64(bitPattern: Int64(value))) }
    case .floats(let values):
      bytes.append(littleEndian: UInt32(values.count))
      for value in values { bytes.append(littleEndian: value.bitPattern) }
    case .strings(let values):
      bytes.append(littleEndian: UInt32(values.count))
      for value in values { Self.encode(value, into: &bytes) }
    }
  }

  private static func encode(_ text: String, into bytes: inout [UInt8]) {
    bytes.append(littleEndian: UInt32(text.utf8.count))
    bytes += text.utf8
  }
}

/// Refuses a count beyond its limit.
func checkLimit(_ count: Int, _ limit: Int, _ what: String, at offset: Int) throws(ModelFileError) {
  guard count <= limit else {
    throw ModelFileError(
      .limitExceeded, "too many \(what)", byteRange: offset..<offset, expected: "at most \(limit)", found: "\(count)")
  }
}
