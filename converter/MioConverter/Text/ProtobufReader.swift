/// Walks the fields of one protobuf message, never past its end.
///
/// Only what `ModelProto` of google/sentencepiece needs: varints, fixed 32 and 64 bit values, byte strings. Groups
/// (wire types 3 and 4, long deprecated) are refused.
struct ProtobufReader {
  enum Value: Equatable {
    case varint(UInt64)
    case fixed64(UInt64)
    case bytes(Range<Int>)
    case fixed32(UInt32)
  }

  /// What is malformed, and at which byte of the file.
  struct Fault: Error, Equatable {
    let byteOffset: Int
    let message: String
  }

  private let bytes: [UInt8]
  private let end: Int
  private(set) var offset: Int

  init(_ bytes: [UInt8]) { self.init(bytes, bytes.indices) }

  /// Reads the message that lies in `range` of `bytes`.
  init(_ bytes: [UInt8], _ range: Range<Int>) {
    precondition(range.lowerBound >= 0 && range.upperBound <= bytes.count, "a message must lie within its bytes")
    self.bytes = bytes
    offset = range.lowerBound
    end = range.upperBound
  }

  /// The next field, or nil at the end of the message.
  mutating func nextField() throws(Fault) -> (number: Int, value: Value)? {
    guard offset < end else { return nil }
    let start = offset
    let key = try varint()
    let number = key >> 3
    guard (1...0x1FFF_FFFF).contains(number) else {
      throw Fault(byteOffset: start, message: "field number \(number) is not allowed")
    }
    switch key & 7 {
    case 0: return (Int(number), .varint(try varint()))
    case 1: return (Int(number), .fixed64(try fixed(8)))
    case 2:
      let length = try varint()
      guard length <= UInt64(end - offset) else {
        throw Fault(byteOffset: start, message: "field \(number) of \(length) bytes goes past the end of its message")
      }
      defer { offset += Int(length) }
      return (Int(number), .bytes(offset..<offset + Int(length)))
    case 5: return (Int(number), .fixed32(UInt32(truncatingIfNeeded: try fixed(4))))
    default:
      throw Fault(byteOffset: start, message: "wire type \(key & 7) of field \(number) is not used by tokenizer models")
    }
  }

  private mutating func varint() throws(Fault) -> UInt64 {
    let start = offset
    var result: UInt64 = 0
    for shift in stride(from: 0, to: 70, by: 7) {
      guard offset < end else { throw Fault(byteOffset: start, message: "a number is cut off") }
      let byte = bytes[offset]
      offset += 1
      guard shift < 63 || byte <= 1 else { break }
      result |= UInt64(byte & 0x7F) << UInt64(shift)
      if byte < 0x80 { return result }
    }
    throw Fault(byteOffset: start, message: "a number is longer than 64 bits")
  }

  private mutating func fixed(_ count: Int) throws(Fault) -> UInt64 {
    guard end - offset >= count else { throw Fault(byteOffset: offset, message: "a number is cut off") }
    var result: UInt64 = 0
    for i in 0..<count { result |= UInt64(bytes[offset + i]) << UInt64(8 * i) }
    offset += count
    return result
  }
}
