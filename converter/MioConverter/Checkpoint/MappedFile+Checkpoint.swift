import MioFiles
import MioFormat

extension MappedFile {
  /// Maps a file of a checkpoint, and refuses one that is something else than its name says.
  static func open(_ path: String, label: String) throws(ConversionError) -> MappedFile {
    let mapping: MappedFile
    do { mapping = try MappedFile(path: path) } catch { throw ConversionError(.unreadable, file: label, error.message) }
    guard let purpose = FileKind.Purpose(label) else { return mapping }
    let head = try mapping.read(0..<min(mapping.byteCount, FileKind.headLength), label: label)
    if let complaint = FileKind(head).complaint(for: purpose) {
      throw ConversionError(.wrongFile, file: label, complaint)
    }
    return mapping
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
