import MioFormat

extension MappedFile {
  /// Maps a file of a checkpoint.
  static func open(_ path: String, label: String) throws(ConversionError) -> MappedFile {
    do { return try MappedFile(path: path) } catch { throw ConversionError(.unreadable, file: label, error.message) }
  }

  /// Some bytes, which the caller has checked to lie inside the file.
  func read(_ range: Range<Int>, label: String) throws(ConversionError) -> [UInt8] {
    do { return try read(range) } catch { throw ConversionError(.unreadable, file: label, error.message) }
  }

  /// Fills the first bytes of `buffer`.
  func read(_ range: Range<Int>, into buffer: inout [UInt8], label: String) throws(ConversionError) {
    do { try read(range, into: &buffer) } catch { throw ConversionError(.unreadable, file: label, error.message) }
  }
}
