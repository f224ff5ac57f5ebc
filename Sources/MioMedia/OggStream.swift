import MioFiles

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Pages of an Ogg file (RFC 3533), as far as needed to give it a fixed stream serial number.
///
/// The encoder draws the number from the clock; a file with a single stream does not need it, and without it the same
/// samples give the same bytes.
enum OggStream {
  private static let serialNumber: UInt32 = 1
  private static let headerLength = 27

  static func fixSerialNumber(of file: FileDescriptor, name: String) throws(MediaError) {
    guard let length = file.regularFileLength else { return }
    var offset = 0
    while offset < length {
      var page = try read(file, at: offset, count: min(headerLength + 255, length - offset), name: name)
      guard page.count > headerLength, page[..<4].elementsEqual("OggS".utf8) else { throw failure(name) }
      let segments = Int(page[26])
      guard page.count >= headerLength + segments else { throw failure(name) }
      let bodyLength = page[headerLength..<(headerLength + segments)].reduce(0) { $0 + Int($1) }
      page = try read(file, at: offset, count: headerLength + segments + bodyLength, name: name)
      renumber(&page)
      try write(page[..<headerLength], to: file, at: offset, name: name)
      offset += page.count
    }
  }

  /// Takes the complete pages from the front of `bytes`, with the fixed number.
  static func takeFixedPages(from bytes: inout [UInt8]) -> [UInt8] {
    var pages: [UInt8] = []
    while bytes.count > headerLength {
      let segments = Int(bytes[26])
      guard bytes.count >= headerLength + segments else { break }
      let length = headerLength + segments + bytes[headerLength..<(headerLength + segments)].reduce(0) { $0 + Int($1) }
      guard bytes.count >= length else { break }
      var page = Array(bytes.prefix(length))
      renumber(&page)
      pages += page
      bytes.removeFirst(length)
    }
    return pages
  }

  private static func renumber(_ page: inout [UInt8]) {
    store(serialNumber, in: &page, at: 14)
    store(0, in: &page, at: 22)
    store(CRC32.oggChecksum(page), in: &page, at: 22)
  }

  private static func store(_ value: UInt32, in page: inout [UInt8], at offset: Int) {
    for byte in 0..<4 { page[offset + byte] = UInt8(truncatingIfNeeded: value >> (8 * byte)) }
  }

  private static func read(
    _ file: FileDescriptor, at offset: Int, count: Int, name: String
  ) throws(MediaError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    let got = unsafe bytes.withUnsafeMutableBytes { unsafe pread(file.value, $0.baseAddress!, count, off_t(offset)) }
    guard got == count else { throw failure(name) }
    return bytes
  }

  private static func write(
    _ bytes: ArraySlice<UInt8>, to file: FileDescriptor, at offset: Int, name: String
  ) throws(MediaError) {
    let put = unsafe bytes.withUnsafeBytes { unsafe pwrite(file.value, $0.baseAddress!, $0.count, off_t(offset)) }
    guard put == bytes.count else { throw failure(name) }
  }

  private static func failure(_ name: String) -> MediaError {
    MediaError(.writeFailed, name, "cannot complete the ogg file; check space, or write .wav or .flac")
  }
}
