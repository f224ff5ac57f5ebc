/// A JSON value, read strictly (RFC 8259): no duplicate keys, no comments, no NaN, bounded depth and size.
package enum JSON: Hashable, Sendable {
  case null
  case bool(Bool)
  /// A number without fraction or exponent that fits 64 bits.
  case integer(Int)
  case number(Double)
  case string(String)
  case array([JSON])
  case object(Object)

  /// Members in the order of the text, found by key.
  package struct Object: Hashable, Sendable {
    package fileprivate(set) var keys: [String] = []
    package fileprivate(set) var values: [JSON] = []
    // By bytes: Swift's String equality would take "é" and "e" with an accent for the same key.
    private var places: [[UInt8]: Int] = [:]

    package subscript(_ key: String) -> JSON? { places[Array(key.utf8)].map { values[$0] } }

    /// Adds a member; false if the key is there already.
    fileprivate mutating func append(_ key: String, _ value: JSON) -> Bool {
      guard places.updateValue(keys.count, forKey: Array(key.utf8)) == nil else { return false }
      keys.append(key)
      values.append(value)
      return true
    }
  }

  /// What is wrong with a text, and at which byte.
  package struct SyntaxError: Error, Hashable, Sendable {
    package let message: String
    package let byteOffset: Int
  }

  /// Reads the value that fills `bytes`.
  ///
  /// - Parameter valueLimit: the most values the text may hold, which bounds the memory of the result.
  package init(parsing bytes: [UInt8], valueLimit: Int = 2_000_000) throws(SyntaxError) {
    var parser = Parser(bytes: bytes, valuesLeft: valueLimit)
    self = try parser.document()
  }

  package var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
  package var integer: Int? { if case .integer(let value) = self { value } else { nil } }
  package var string: String? { if case .string(let value) = self { value } else { nil } }
  package var array: [JSON]? { if case .array(let value) = self { value } else { nil } }
  package var object: Object? { if case .object(let value) = self { value } else { nil } }
  package var isNull: Bool { self == .null }

  /// Any number.
  package var double: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }

  /// The elements of an array of whole numbers.
  package var integers: [Int]? {
    guard let array else { return nil }
    let values = array.compactMap(\.integer)
    return values.count == array.count ? values : nil
  }
}

extension JSON {
  private struct Parser {
    static let depthLimit = 64
    let bytes: [UInt8]
    var valuesLeft: Int
    var position = 0
    var depth = 0

    init(bytes: [UInt8], valuesLeft: Int) {
      self.bytes = bytes
      self.valuesLeft = valuesLeft
    }

    var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    func failure(_ message: String) -> SyntaxError { SyntaxError(message: message, byteOffset: position) }

    mutating func skipSpace() {
      while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
    }

    mutating func take(_ byte: UInt8) -> Bool {
      guard next == byte else { return false }
      position += 1
      return true
    }

    mutating func document() throws(SyntaxError) -> JSON {
      skipSpace()
      let result = try value()
      skipSpace()
      guard position == bytes.count else { throw failure("text after the end of the JSON value") }
      return result
    }

    mutating func value() throws(SyntaxError) -> JSON {
      valuesLeft -= 1
      guard valuesLeft >= 0 else { throw failure("more values than a file of this kind can need") }
      switch next {
      case UInt8(ascii: "{"): return try nested { (parser) throws(SyntaxError) in try parser.object() }
      case UInt8(ascii: "["): return try nested { (parser) throws(SyntaxError) in try parser.array() }
      case UInt8(ascii: "\""): return .string(try string())
      case UInt8(ascii: "t"): return try word("true", .bool(true))
      case UInt8(ascii: "f"): return try word("false", .bool(false))
      case UInt8(ascii: "n"): return try word("null", .null)
      case UInt8(ascii: "-"): return try number()
      case let byte? where byte >= 0x30 && byte <= 0x39: return try number()
      case nil: throw failure("the text ends where a value is expected")
      default: throw failure("a value is expected")
      }
    }

    mutating func nested(_ body: (inout Parser) throws(SyntaxError) -> JSON) throws(SyntaxError) -> JSON {
      guard depth < Self.depthLimit else { throw failure("nested deeper than \(Self.depthLimit) levels") }
      depth += 1
      defer { depth -= 1 }
      position += 1
      skipSpace()
      return try body(&self)
    }

    mutating func object() throws(SyntaxError) -> JSON {
      var object = Object()
      if take(UInt8(ascii: "}")) { return .object(object) }
      while true {
        guard next == UInt8(ascii: "\"") else { throw failure("a key is expected") }
        let key = try string()
        skipSpace()
        guard take(UInt8(ascii: ":")) else { throw failure("':' is expected") }
        skipSpace()
        let member = try value()
        guard object.append(key, member) else { throw failure("the key \"\(key)\" occurs twice") }
        skipSpace()
        if take(UInt8(ascii: "}")) { return .object(object) }
        guard take(UInt8(ascii: ",")) else { throw failure("',' or '}' is expected") }
        skipSpace()
      }
    }

    mutating func array() throws(SyntaxError) -> JSON {
      var elements: [JSON] = []
      if take(UInt8(ascii: "]")) { return .array(elements) }
      while true {
        elements.append(try value())
        skipSpace()
        if take(UInt8(ascii: "]")) { return .array(elements) }
        guard take(UInt8(ascii: ",")) else { throw failure("',' or ']' is expected") }
        skipSpace()
      }
    }

    mutating func word(_ text: StaticString, _ result: JSON) throws(SyntaxError) -> JSON {
      for byte in text.description.utf8 {
        guard take(byte) else { throw failure("a value is expected") }
      }
      return result
    }

    mutating func digits() throws(SyntaxError) {
      let start = position
      while let byte = next, byte >= 0x30, byte <= 0x39 { position += 1 }
      guard position > start else { throw failure("a digit is expected") }
    }

    mutating func number() throws(SyntaxError) -> JSON {
      let start = position
      var isWhole = true
      _ = take(UInt8(ascii: "-"))
      if !take(UInt8(ascii: "0")) { try digits() }
      if take(UInt8(ascii: ".")) {
        isWhole = false
        try digits()
      }
      if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
        isWhole = false
        position += 1
        if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { position += 1 }
        try digits()
      }
      let text = String(decoding: bytes[start..<position], as: UTF8.self)
      if isWhole, let value = Int(text) { return .integer(value) }
      guard let value = Double(text), value.isFinite else { throw failure("the number \(text) is out of range") }
      return .number(value)
    }

    mutating func string() throws(SyntaxError) -> String {
      position += 1
      let start = position
      // Most strings have no escapes: one pass finds the end, the text is taken as it is.
      while let byte = next, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 { position += 1 }
      if next == UInt8(ascii: "\"") {
        position += 1
        return try decoded(bytes[start..<(position - 1)])
      }
      var units = Array(bytes[start..<position])
      while let byte = next {
        position += 1
        switch byte {
        case UInt8(ascii: "\""): return try decoded(units[...])
        case UInt8(ascii: "\\"): try escape(into: &units)
        case 0..<0x20: throw failure("a control character inside a string")
        default: units.append(byte)
        }
      }
      throw failure("a string without end")
    }

    func decoded(_ units: ArraySlice<UInt8>) throws(SyntaxError) -> String {
      guard let text = String(validating: units, as: UTF8.self) else { throw failure("a string that is not UTF-8") }
      return text
    }

    mutating func escape(into units: inout [UInt8]) throws(SyntaxError) {
      guard let byte = next else { throw failure("a string without end") }
      position += 1
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): units.append(byte)
      case UInt8(ascii: "b"): units.append(0x08)
      case UInt8(ascii: "f"): units.append(0x0C)
      case UInt8(ascii: "n"): units.append(0x0A)
      case UInt8(ascii: "r"): units.append(0x0D)
      case UInt8(ascii: "t"): units.append(0x09)
      case UInt8(ascii: "u"): units.append(contentsOf: Array(Character(try escapedScalar()).utf8))
      default: throw failure("an unknown escape")
      }
    }

    mutating func escapedScalar() throws(SyntaxError) -> Unicode.Scalar {
      let first = try hexUnit()
      var value = UInt32(first)
      if first >= 0xD800, first < 0xDC00, take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) {
        let second = try hexUnit()
        guard second >= 0xDC00, second < 0xE000 else { throw failure("half a surrogate pair") }
        value = 0x10000 + (UInt32(first) - 0xD800) << 10 + (UInt32(second) - 0xDC00)
      }
      guard let scalar = Unicode.Scalar(value) else { throw failure("half a surrogate pair") }
      return scalar
    }

    mutating func hexUnit() throws(SyntaxError) -> UInt16 {
      guard position + 4 <= bytes.count,
        bytes[position..<(position + 4)].allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
        let unit = UInt16(String(decoding: bytes[position..<(position + 4)], as: UTF8.self), radix: 16)
      else { throw failure("four hexadecimal digits are expected") }
      position += 4
      return unit
    }
  }
}

extension JSON {
  /// A string as a JSON literal.
  package static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\u{0}"..<" ":
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
