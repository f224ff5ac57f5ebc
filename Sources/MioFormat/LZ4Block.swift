/// The LZ4 block format, as far as `format-spec/SPEC.md` uses it.
///
/// Written here because files must be the same wherever they are made, and refused by the same rules wherever they are
/// read; the library's output depends on its version, and it accepts matches that lie zero bytes back.
enum LZ4Block {
  private static let shortestMatch = 4
  /// A match must end this far before the end of the content.
  private static let lastLiteralCount = 5
  /// A match must start this far before the end of the content.
  private static let lastMatchDistance = 12
  private static let farthestOffset = 65_535

  // MARK: - Decoding

  /// The content of a block, or nil if the block breaks a rule or does not give exactly `contentByteCount` bytes.
  static func content(of block: [UInt8], byteCount contentByteCount: Int) -> [UInt8]? {
    var content = [UInt8](repeating: 0, count: contentByteCount)
    var end = 0  // of what is decoded
    var position = 0
    while position < block.count {
      let token = Int(block[position])
      position += 1
      guard let literalCount = length(token >> 4, in: block, at: &position),
        literalCount <= block.count - position, literalCount <= contentByteCount - end
      else { return nil }
      for index in 0..<literalCount { content[end + index] = block[position + index] }
      position += literalCount
      end += literalCount
      if position == block.count { return end == contentByteCount ? content : nil }

      guard position + 2 <= block.count, end + lastMatchDistance <= contentByteCount else { return nil }
      let offset = Int(block[position]) | Int(block[position + 1]) << 8
      position += 2
      guard let rest = length(token & 15, in: block, at: &position) else { return nil }
      let matchEnd = end + shortestMatch + rest
      guard offset >= 1, offset <= end, matchEnd + lastLiteralCount <= contentByteCount
      else { return nil }
      // Byte by byte: a match may overlap what it produces.
      while end < matchEnd {
        content[end] = content[end - offset]
        end += 1
      }
    }
    return nil
  }

  /// A length of four bits and, if they are all set, the bytes behind; nil if the block ends before the length does.
  private static func length(_ bits: Int, in block: [UInt8], at position: inout Int) -> Int? {
    var length = bits
    guard bits == 15 else { return length }
    while position < block.count {
      let byte = Int(block[position])
      position += 1
      length += byte
      if byte != 255 { return length }
    }
    return nil
  }

  // MARK: - Encoding

  /// Encodes greedily: each place is compared with the last one that had the same four bytes.
  static func encoding(of content: [UInt8]) -> [UInt8] {
    var block: [UInt8] = []
    var lastPlaces = [Int32](repeating: -1, count: 1 << 14)
    var literalStart = 0
    var position = 0
    while position + lastMatchDistance <= content.count {
      let sequence = word(content, position)
      let slot = Int((sequence &* 2_654_435_761) >> 18)
      let candidate = Int(lastPlaces[slot])
      lastPlaces[slot] = Int32(position)
      guard candidate >= 0, position - candidate <= farthestOffset, word(content, candidate) == sequence else {
        // The longer nothing repeats, the larger the steps.
        position += 1 + (position - literalStart) >> 6
        continue
      }
      var matchLength = shortestMatch
      while position + matchLength + lastLiteralCount < content.count,
        content[candidate + matchLength] == content[position + matchLength]
      {
        matchLength += 1
      }
      append(content[literalStart..<position], match: (position - candidate, matchLength), to: &block)
      position += matchLength
      literalStart = position
    }
    append(content[literalStart...], match: nil, to: &block)
    return block
  }

  private static func word(_ bytes: [UInt8], _ index: Int) -> UInt32 {
    UInt32(bytes[index]) | UInt32(bytes[index + 1]) << 8 | UInt32(bytes[index + 2]) << 16
      | UInt32(bytes[index + 3]) << 24
  }

  private static func append(
    _ literals: ArraySlice<UInt8>, match: (offset: Int, length: Int)?, to block: inout [UInt8]
  ) {
    let rest = match.map { $0.length - shortestMatch } ?? 0
    block.append(UInt8(min(literals.count, 15) << 4 | min(rest, 15)))
    appendLength(literals.count, to: &block)
    block += literals
    guard let match else { return }
    block.append(littleEndian: UInt16(match.offset))
    appendLength(rest, to: &block)
  }

  /// The bytes behind the four bits of a length.
  private static func appendLength(_ length: Int, to block: inout [UInt8]) {
    guard length >= 15 else { return }
    var rest = length - 15
    while rest >= 255 {
      block.append(255)
      rest -= 255
    }
    block.append(UInt8(rest))
  }
}
