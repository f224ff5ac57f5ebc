/// How a blob is stored.
package enum BlobCompression: UInt8, Sendable, CaseIterable {
  case none = 0
  /// One LZ4 block, without a frame around it.
  case lz4 = 1

  /// The form that takes fewer bytes; an empty blob is compressed, because no region has zero bytes.
  static func smallest(of content: [UInt8]) -> (compression: BlobCompression, stored: [UInt8]) {
    let block = LZ4Block.encoding(of: content)
    return block.count < content.count || content.isEmpty ? (.lz4, block) : (.none, content)
  }

  /// The content of a stored blob, or nil if the bytes do not give exactly `contentByteCount` bytes.
  func content(of stored: [UInt8], contentByteCount: Int) -> [UInt8]? {
    switch self {
    case .none: stored.count == contentByteCount ? stored : nil
    case .lz4: LZ4Block.content(of: stored, byteCount: contentByteCount)
    }
  }
}
