import Glibc
import MioFiles

/// A regular file, mapped into memory for reading. Nothing else in the package maps files.
///
/// The mapping shares the pages of the system's cache: opening costs no copy, and untouched parts cost no memory.
/// If another process shortens the file while it is mapped, touching the lost pages raises SIGBUS, which no library
/// can turn into an error. Hence files are replaced by renaming, never rewritten in place; ``read(_:)`` goes through
/// the descriptor instead, so checking a file reports such a fault, and a failing disk, as an error.
@safe
package final class MappedFile: Sendable {
  package let path: String
  package let byteCount: Int
  /// None if the file exists in memory alone.
  private let descriptor: Int32?
  private nonisolated(unsafe) let base: UnsafeRawPointer

  /// - Throws: `cannotOpen`, `notRegularFile` for directories, pipes and devices, `truncated` for an empty file.
  package convenience init(path: String) throws(ModelFileError) {
    // Without O_NONBLOCK, opening a pipe would wait for someone to write into it.
    let descriptor = unsafe path.withSystemPath { unsafe Glibc.open($0, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) }
    guard descriptor >= 0 else {
      throw ModelFileError(.cannotOpen, "cannot open the file: \(systemErrorText())", path: path)
    }
    try self.init(descriptor, path: path)
  }

  /// A file that exists in memory alone: a copy of `bytes`.
  package init(bytes: [UInt8], name: String) throws(ModelFileError) {
    guard !bytes.isEmpty else { throw ModelFileError(.truncated, "the file is empty", path: name) }
    let base = unsafe mmap(nil, bytes.count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard let base = unsafe base, unsafe base != MAP_FAILED else {
      throw ModelFileError(.cannotOpen, "cannot hold the file in memory: \(systemErrorText())", path: name)
    }
    unsafe bytes.withUnsafeBytes { unsafe base.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
    path = name
    byteCount = bytes.count
    descriptor = nil
    unsafe self.base = UnsafeRawPointer(base)
  }

  /// Takes the descriptor over.
  private init(_ descriptor: Int32, path: String) throws(ModelFileError) {
    do throws(ModelFileError) {
      let byteCount = try regularFileByteCount(descriptor, path: path)
      guard byteCount > 0 else { throw ModelFileError(.truncated, "the file is empty", path: path) }
      guard byteCount <= FormatLimits.fileByteCount else {
        throw ModelFileError(.limitExceeded, "the file is longer than 16 TiB", path: path)
      }
      guard let base = unsafe Self.map(descriptor, byteCount) else {
        throw ModelFileError(.cannotOpen, "cannot map the file: \(systemErrorText())", path: path)
      }
      self.path = path
      self.byteCount = byteCount
      self.descriptor = descriptor
      unsafe self.base = UnsafeRawPointer(base)
    } catch {
      close(descriptor)
      throw error
    }
  }

  /// The system's large pages.
  private static let largePageBytes = 2 << 20

  /// Maps the file at an address that lies to large pages as the file does.
  ///
  /// File systems that keep large pages in their cache then map 2 MB with one fault instead of 32, read a file that is not
  /// in the cache in pieces of 2 MB, and the processor finds the addresses of weights in fewer table entries.
  private static func map(_ descriptor: Int32, _ byteCount: Int) -> UnsafeRawPointer? {
    func mapped(at address: UnsafeMutableRawPointer?, _ fixed: Int32) -> UnsafeMutableRawPointer? {
      let base = unsafe mmap(address, byteCount, PROT_READ, MAP_SHARED | fixed, descriptor, 0)
      return unsafe base == MAP_FAILED ? nil : base
    }
    // Where there is no room for the detour, any address is good.
    let space = byteCount + largePageBytes
    guard byteCount >= largePageBytes,
      let start = unsafe mmap(nil, space, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
      unsafe start != MAP_FAILED
    else { return UnsafeRawPointer(unsafe mapped(at: nil, 0)) }
    let head = (largePageBytes - Int(bitPattern: start) % largePageBytes) % largePageBytes
    guard let base = unsafe mapped(at: start + head, MAP_FIXED) else {
      unsafe munmap(start, space)
      return nil
    }
    // What is left on both sides of the file.
    let pageBytes = Int(sysconf(Int32(_SC_PAGESIZE)))
    let end = head + (byteCount + pageBytes - 1) / pageBytes * pageBytes
    if head > 0 { unsafe munmap(start, head) }
    if end < space { unsafe munmap(start + end, space - end) }
    unsafe _ = madvise(base, byteCount, MADV_HUGEPAGE)
    return UnsafeRawPointer(base)
  }

  deinit {
    unsafe munmap(UnsafeMutableRawPointer(mutating: base), byteCount)
    if let descriptor { close(descriptor) }
  }

  /// The mapped bytes of `range`; valid as long as this object.
  @unsafe
  package func bytes(_ range: Range<Int>) -> UnsafeRawBufferPointer {
    precondition(range.lowerBound >= 0 && range.upperBound <= byteCount, "the range must lie in the file")
    return unsafe UnsafeRawBufferPointer(start: base + range.lowerBound, count: range.count)
  }

  /// Copies `range` from the file, not from the mapping, so that every fault becomes an error.
  package func read(_ range: Range<Int>) throws(ModelFileError) -> [UInt8] {
    var buffer = [UInt8](repeating: 0, count: range.count)
    try read(range, into: &buffer)
    return buffer
  }

  /// Fills the first bytes of `buffer` with `range` of the file.
  package func read(_ range: Range<Int>, into buffer: inout [UInt8]) throws(ModelFileError) {
    precondition(range.count <= buffer.count, "the buffer must hold the range")
    guard let descriptor else {
      unsafe buffer.withUnsafeMutableBytes { unsafe $0.copyMemory(from: bytes(range)) }
      return
    }
    var done = 0
    while done < range.count {
      let count = unsafe buffer.withUnsafeMutableBytes { target in
        unsafe pread(descriptor, target.baseAddress! + done, range.count - done, off_t(range.lowerBound + done))
      }
      if count > 0 {
        done += count
      } else if count == 0 {
        throw ModelFileError(
          .truncated, "the file became shorter while it was read", path: path,
          byteRange: range.lowerBound + done..<range.upperBound)
      } else if errno != EINTR {
        throw ModelFileError(
          .readFailed, "cannot read the file: \(systemErrorText())", path: path,
          byteRange: range.lowerBound + done..<range.upperBound)
      }
    }
  }

  /// The length of the file now; it differs from ``byteCount`` if somebody changed the file since it was opened.
  package func currentByteCount() throws(ModelFileError) -> Int {
    try descriptor.map { descriptor throws(ModelFileError) in try regularFileByteCount(descriptor, path: path) } ?? byteCount
  }
}

private func regularFileByteCount(_ descriptor: Int32, path: String) throws(ModelFileError) -> Int {
  var status = stat()
  guard unsafe fstat(descriptor, &status) == 0 else {
    throw ModelFileError(.cannotOpen, "cannot examine the file: \(systemErrorText())", path: path)
  }
  guard status.st_mode & S_IFMT == S_IFREG else {
    throw ModelFileError(
      .notRegularFile,
      "a model must be a regular file, not a directory, pipe or device; a checkpoint's directory becomes one by 'mio-lite convert'",
      path: path)
  }
  return Int(status.st_size)
}
