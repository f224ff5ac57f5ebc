/// The readers of a model file's parts on bytes in memory, for tests that try every kind of damage.
package enum FormatParsers {
  package static func directory(_ bytes: [UInt8]) { _ = try? Directory(parsing: bytes, fileOffset: 1 << 20) }

  /// - Parameter contentByteCount: what a record states.
  package static func blob(_ bytes: [UInt8], contentByteCount: Int) {
    _ = BlobCompression.lz4.content(of: bytes, contentByteCount: contentByteCount)
  }
}
