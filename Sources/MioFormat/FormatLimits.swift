/// The limits of format version 1, as in `format-spec/SPEC.md`.
///
/// Each is checked before memory is taken for what it bounds.
package enum FormatLimits {
  /// Bytes of a whole file: 16 TiB, far from where 64-bit arithmetic could overflow.
  package static let fileByteCount = 1 << 44
  package static let directoryByteCount = 1 << 24
  package static let sectionCount = 16
  package static let componentCount = 64
  package static let tensorCount = 32_768
  package static let blobCount = 1_024
  /// Bytes of a component, tensor, blob or key name.
  package static let nameByteCount = 255
  package static let rank = 4
  package static let dimension = Int(Int32.max)
  package static let configEntryCount = 256
  package static let configTextByteCount = 65_536
  package static let configListCount = 65_536
  /// Bytes of a blob, as stored and after decompression.
  package static let blobByteCount = 1 << 26
  /// Every region starts at a multiple of this: a cache line, and the widest vector of any kernel.
  package static let alignment = 64

  /// The next multiple of ``alignment``.
  package static func aligned(_ offset: Int) -> Int { (offset + alignment - 1) & ~(alignment - 1) }
}
