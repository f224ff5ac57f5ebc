/// A part of a model that can be used, or left alone, as a whole: a network, the tokenizer, the provenance.
package struct Component: Hashable, Sendable {
  package let name: String
  /// Whether a program that does not know this component must refuse to run the file.
  package let isRequired: Bool
  package let config: ConfigTable

  package init(name: String, isRequired: Bool, config: ConfigTable) {
    self.name = name
    self.isRequired = isRequired
    self.config = config
  }
}

/// What the directory says of one tensor.
package struct TensorRecord: Hashable, Sendable {
  package let component: String
  package let name: String
  package let encoding: TensorEncoding
  package let shape: [Int]
  package let offset: Int
  package let byteCount: Int
  package let digest: Digest

  package var byteRange: Range<Int> { offset..<(offset + byteCount) }
}

/// What the directory says of one blob: cold bytes such as the tokenizer's tables or a licence.
package struct BlobRecord: Hashable, Sendable {
  package let component: String
  package let name: String
  package let compression: BlobCompression
  package let offset: Int
  /// Bytes in the file.
  package let byteCount: Int
  /// Bytes after decompression.
  package let contentByteCount: Int
  /// Of the bytes in the file.
  package let digest: Digest

  package var byteRange: Range<Int> { offset..<(offset + byteCount) }
}
