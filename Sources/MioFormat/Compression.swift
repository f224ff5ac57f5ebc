import CLZ4

/// How a blob is stored.
package enum BlobCompression: UInt8, Sendable, CaseIterable {
  case none = 0
  /// One LZ4 block, without a frame around it.
  case lz4 = 1

  /// The form that takes fewer bytes.
  static func smallest(of content: [UInt8]) -> (compression: BlobCompression, stored: [UInt8]) {
    precondition(content.count <= FormatLimits.blobContentByteCount, "the size was checked before")
    let bound = Int(LZ4_compressBound(Int32(content.count)))
    let block = unsafe [UInt8](unsafeUninitializedCapacity: bound) { target, count in
      let written = unsafe content.withUnsafeBytes { source in
        // An empty array may have no address, LZ4 reads nothing from it then.
        unsafe LZ4_compress_default(
          source.baseAddress?.assumingMemoryBound(to: CChar.self),
          UnsafeMutableRawPointer(target.baseAddress!).assumingMemoryBound(to: CChar.self),
          Int32(content.count), Int32(bound))
      }
      count = Int(max(written, 0))
    }
    return !block.isEmpty && (block.count < content.count || content.isEmpty) ? (.lz4, block) : (.none, content)
  }

  /// The content of a stored blob, or nil if the bytes are not a block of exactly `contentByteCount` bytes.
  func content(of stored: [UInt8], contentByteCount: Int) -> [UInt8]? {
    switch self {
    case .none: return stored.count == contentByteCount ? stored : nil
    case .lz4:
      var complete = false
      // One byte more than promised, so that the target has an address even for an empty blob.
      let content = unsafe [UInt8](unsafeUninitializedCapacity: contentByteCount + 1) { target, count in
        let written = unsafe stored.withUnsafeBytes { source in
          unsafe LZ4_decompress_safe(
            source.baseAddress?.assumingMemoryBound(to: CChar.self),
            UnsafeMutableRawPointer(target.baseAddress!).assumingMemoryBound(to: CChar.self),
            Int32(stored.count), Int32(contentByteCount))
        }
        complete = Int(written) == contentByteCount
        count = complete ? contentByteCount : 0
      }
      return complete ? content : nil
    }
  }

  /// The most content bytes that `storedByteCount` bytes can hold; a blob that promises more is refused before
  /// memory is taken for it. An LZ4 block can repeat at most 255 bytes for each of its own.
  func largestContent(storedByteCount: Int) -> Int {
    self == .none ? storedByteCount : 255 * storedByteCount
  }
}
