/// Reads the codes out of the JSON that `encode` prints, without building the rest of it: a number takes the memory of a
/// number.
struct CodesText {
  private struct Fault: Error {}

  private let bytes: [UInt8]
  private var position = 0
  /// Most objects and lists within each other.
  private static let depthLimit = 64

  /// The codes that an object has under "codes"; nil if the bytes are no such JSON.
  static func codes(in bytes: [UInt8]) -> MediaCodes? {
    var reader = CodesText(bytes: bytes)
    return try? reader.document()
  }

  private init(bytes: [UInt8]) {
    self.bytes = bytes
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
  }

  private mutating func document() throws(Fault) -> MediaCodes {
    var found: MediaCodes?
    try expect("{")
    if try !takes("}") {
      repeat {
        let key = try string()
        try expect(":")
        if key == "codes" {
          found = try codes()
        } else {
          try skipValue(depth: 1)
        }
      } while try takes(",")
      try expect("}")
    }
    skipSpace()
    guard position == bytes.count, let found else { throw Fault() }
    return found
  }

  /// `[1, 2, ...]`, or `[[1, 2, ...], ...]`.
  private mutating func codes() throws(Fault) -> MediaCodes {
    let start = position
    try expect("[")
    skipSpace()
    guard position < bytes.count, bytes[position] == UInt8(ascii: "[") else {
      position = start
      return .image(try numbers())
    }
    var codebooks: [[Int32]] = []
    repeat { codebooks.append(try numbers()) } while try takes(",")
    try expect("]")
    return .speech(codebooks)
  }

  private mutating func numbers() throws(Fault) -> [Int32] {
    var numbers: [Int32] = []
    try expect("[")
    if try takes("]") { return numbers }
    repeat { numbers.append(try number()) } while try takes(",")
    try expect("]")
    return numbers
  }

  private mutating func number() throws(Fault) -> Int32 {
    skipSpace()
    let start = position
    while position < bytes.count, bytes[position] == UInt8(ascii: "-") || (48...57).contains(bytes[position]) {
      position += 1
      if position - start > 11 { throw Fault() }
    }
    let digits = bytes[start..<position]
    // No 01, and no 1.5 or 1e3.
    guard let value = Int32(String(decoding: digits, as: UTF8.self)), String(value).utf8.elementsEqual(digits) else {
      throw Fault()
    }
    return value
  }

  private mutating func skipValue(depth: Int) throws(Fault) {
    guard depth <= Self.depthLimit else { throw Fault() }
    skipSpace()
    guard position < bytes.count else { throw Fault() }
    switch bytes[position] {
    case UInt8(ascii: "\""): _ = try stringRange()
    case UInt8(ascii: "["):
      position += 1
      if try takes("]") { return }
      repeat { try skipValue(depth: depth + 1) } while try takes(",")
      try expect("]")
    case UInt8(ascii: "{"):
      position += 1
      if try takes("}") { return }
      repeat {
        _ = try string()
        try expect(":")
        try skipValue(depth: depth + 1)
      } while try takes(",")
      try expect("}")
    default:
      let start = position
      // Numbers, true, false and null: what they are does not matter here.
      while position < bytes.count, isWordByte(bytes[position]) { position += 1 }
      if position == start { throw Fault() }
    }
  }

  private func isWordByte(_ byte: UInt8) -> Bool {
    (48...57).contains(byte) || (97...122).contains(byte) || byte == UInt8(ascii: "E") || byte == UInt8(ascii: "+")
      || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".")
  }

  /// A key; one with an escape is none that is looked for.
  private mutating func string() throws(Fault) -> String {
    skipSpace()
    let range = try stringRange()
    return range.count < 100 ? String(decoding: bytes[range], as: UTF8.self) : ""
  }

  private mutating func stringRange() throws(Fault) -> Range<Int> {
    guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else { throw Fault() }
    position += 1
    let start = position
    while position < bytes.count, bytes[position] != UInt8(ascii: "\"") {
      if bytes[position] < 32 { throw Fault() }
      position += bytes[position] == UInt8(ascii: "\\") ? 2 : 1
    }
    guard position < bytes.count else { throw Fault() }
    position += 1
    return start..<position - 1
  }

  private mutating func skipSpace() {
    while position < bytes.count, [9, 10, 13, 32].contains(bytes[position]) { position += 1 }
  }

  private mutating func takes(_ mark: Unicode.Scalar) throws(Fault) -> Bool {
    skipSpace()
    guard position < bytes.count else { throw Fault() }
    guard bytes[position] == UInt8(ascii: mark) else { return false }
    position += 1
    return true
  }

  private mutating func expect(_ mark: Unicode.Scalar) throws(Fault) {
    if try !takes(mark) { throw Fault() }
  }
}
