import CLZ4

/// LZ4 blocks, coded and decoded by liblz4; what `format-spec/SPEC.md` forbids beyond the library is checked before it
/// sees a block.
package enum LZ4Block {
  /// The library's version: blocks are the same bytes wherever it is the same.
  package static var libraryVersion: String { unsafe String(cString: LZ4_versionString()) }

  private static let minMatchLength = 4
  /// A match must end this far before the end of the content.
  private static let lastLiteralCount = 5
  /// A match must start this far before the end of the content.
  private static let lastMatchDistance = 12

  /// Blobs are written once and read often, and are a few megabytes: the highest level.
  static func encoding(of content: [UInt8]) -> [UInt8] {
    let limit = LZ4_compressBound(CInt(content.count))
    // Memory that is ours: the library would report a lack of its own like a failure to encode.
    let state = UnsafeMutableRawPointer.allocate(byteCount: Int(LZ4_sizeofStateHC()), alignment: 16)
    defer { unsafe state.deallocate() }
    return [UInt8](unsafeUninitializedCapacity: Int(limit)) { target, count in
      content.withUnsafeBytes { source in
        count = Int(
          unsafe LZ4_compress_HC_extStateHC(
            state, source.baseAddress, target.baseAddress, CInt(source.count), limit, LZ4HC_CLEVEL_MAX))
      }
      precondition(count > 0, "liblz4 encodes whatever fits its bound")
    }
  }

  /// The content of a block, or nil if the block breaks a rule or does not give exactly `contentByteCount` bytes.
  static func content(of block: [UInt8], byteCount contentByteCount: Int) -> [UInt8]? {
    guard isLegal(block, contentByteCount: contentByteCount) else { return nil }
    guard contentByteCount > 0 else { return [] }
    var isWhole = false
    let content = [UInt8](unsafeUninitializedCapacity: contentByteCount) { target, count in
      block.withUnsafeBytes { source in
        let written = unsafe LZ4_decompress_safe(
          source.baseAddress, target.baseAddress, CInt(source.count), CInt(contentByteCount))
        isWhole = Int(written) == contentByteCount
      }
      count = isWhole ? contentByteCount : 0
    }
    return isWhole ? content : nil
  }

  /// Whether all sequences keep the rules. The library accepts matches that lie zero bytes back, and blocks whose content
  /// is shorter than expected.
  private static func isLegal(_ block: [UInt8], contentByteCount: Int) -> Bool {
    var end = 0  // of what would be decoded
    var position = 0
    while position < block.count {
      let token = Int(block[position])
      position += 1
      guard let literalCount = length(token >> 4, in: block, at: &position),
        literalCount <= block.count - position, literalCount <= contentByteCount - end
      else { return false }
      position += literalCount
      end += literalCount
      if position == block.count { return end == contentByteCount }

      guard position + 2 <= block.count, end + lastMatchDistance <= contentByteCount else { return false }
      let offset = Int(block[position]) | Int(block[position + 1]) << 8
      position += 2
      guard let rest = length(token & 15, in: block, at: &position) else { return false }
      guard offset >= 1, offset <= end, end + minMatchLength + rest + lastLiteralCount <= contentByteCount
      else { return false }
      end += minMatchLength + rest
    }
    return false
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
}
