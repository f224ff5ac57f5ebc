import CSndfile
import MioFiles

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The bytes of a sound file in a form libsndfile can seek in: a regular file, or memory.
enum AudioInput {
  case file(FileDescriptor)
  case memory(MemoryFile)

  /// Most bytes taken from a pipe before the input counts as endless.
  static let spoolLimit = 4 << 30
  /// So many zeros at the start begin nothing that is read.
  private static let zeroLimit = 1 << 16

  /// Opens `path`; pipes and devices are first copied to an unnamed temporary file, because most formats need seeking.
  static func opening(path: String) throws(MediaError) -> AudioInput {
    let descriptor = unsafe path.withSystemPath { unsafe open($0, O_RDONLY | O_CLOEXEC) }
    guard descriptor >= 0 else { throw MediaError(.cannotOpen, path, "cannot open: \(systemErrorText())") }
    return try seekable(FileDescriptor(descriptor, owned: true), name: path)
  }

  static func seekable(_ descriptor: FileDescriptor, name: String) throws(MediaError) -> AudioInput {
    var status = stat()
    guard unsafe fstat(descriptor.value, &status) == 0 else {
      throw MediaError(.cannotOpen, name, "cannot open: \(systemErrorText())")
    }
    switch status.st_mode & S_IFMT {
    case S_IFREG:
      if status.st_size == 0 { throw MediaError(.empty, name, "the file is empty; record or export it again") }
      return .file(descriptor)
    case S_IFDIR:
      throw MediaError(.cannotOpen, name, "this is a directory; name a sound file")
    default:
      return .file(try spool(descriptor, isDevice: status.st_mode & S_IFMT == S_IFCHR, name: name))
    }
  }

  /// The same as a file alone.
  static func seekableFile(_ descriptor: FileDescriptor, name: String) throws(MediaError) -> FileDescriptor {
    guard case .file(let file) = try seekable(descriptor, name: name) else { return descriptor }
    return file
  }

  /// Bytes of the file, and its first `count` bytes; fewer when it is shorter.
  func beginning(_ count: Int) -> (fileBytes: Int, bytes: [UInt8]) {
    switch self {
    case .memory(let file): return file.beginning(count)
    case .file(let descriptor):
      var status = stat()
      guard unsafe fstat(descriptor.value, &status) == 0 else { return (0, []) }
      var bytes = [UInt8](repeating: 0, count: count)
      let read = unsafe bytes.withUnsafeMutableBytes { unsafe pread(descriptor.value, $0.baseAddress!, count, 0) }
      return (Int(status.st_size), Array(bytes.prefix(max(0, read))))
    }
  }

  /// Devices other than terminals give nothing, or bytes without an end.
  private static func spool(
    _ source: FileDescriptor, isDevice: Bool, name: String
  ) throws(MediaError) -> FileDescriptor {
    let target = try unnamedTemporaryFile()
    var total = 0
    var isZero = true
    while true {
      let block = try source.read(maximumCount: 1 << 16, name: name)
      if block.isEmpty { break }
      total += block.count
      if isDevice, isatty(source.value) == 0 {
        throw MediaError(.cannotOpen, name, "this is a device that gives bytes without end; name a file or a pipe")
      }
      isZero = isZero && block.allSatisfy { $0 == 0 }
      if isZero, total >= zeroLimit {
        throw MediaError(.malformed, name, "it begins with nothing but zeros; copy or download it again")
      }
      if total > spoolLimit {
        throw MediaError(
          .tooLong, name, "more than \(spoolLimit >> 30) GiB on a pipe; save it to a file and name the file")
      }
      try target.write(block, name: "temporary copy of \(name)")
    }
    if total == 0 { throw MediaError(.empty, name, "nothing arrived; was the program before the pipe successful?") }
    lseek(target.value, 0, SEEK_SET)
    return target
  }

  static func unnamedTemporaryFile() throws(MediaError) -> FileDescriptor {
    guard let descriptor = ScratchFile.open() else {
      throw MediaError(
        .writeFailed, ScratchFile.folder, "cannot create a temporary file: \(systemErrorText()); set TMPDIR")
    }
    return FileDescriptor(descriptor, owned: true)
  }
}

/// A read-only file in memory, with the position that libsndfile's callbacks move.
final class MemoryFile {
  private let bytes: [UInt8]
  private var position = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  func beginning(_ count: Int) -> (fileBytes: Int, bytes: [UInt8]) { (bytes.count, Array(bytes.prefix(count))) }

  /// Copies bytes at a place; returns how many there were.
  func copy(into target: UnsafeMutableRawBufferPointer, at offset: Int) -> Int {
    let count = max(0, min(target.count, bytes.count - offset))
    unsafe bytes.withUnsafeBytes { source in
      guard count > 0, let base = source.baseAddress, let target = target.baseAddress else { return }
      unsafe target.copyMemory(from: base + offset, byteCount: count)
    }
    return count
  }

  private func seek(_ offset: Int, _ whence: Int32) -> Int {
    let start = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? position : bytes.count
    let (target, overflow) = start.addingReportingOverflow(offset)
    guard !overflow, (0...bytes.count).contains(target) else { return -1 }
    position = target
    return target
  }

  private func read(into target: UnsafeMutableRawPointer, count: Int) -> Int {
    let count = max(0, min(count, bytes.count - position))
    unsafe bytes.withUnsafeBytes { source in
      guard count > 0, let base = source.baseAddress else { return }
      unsafe target.copyMemory(from: base + position, byteCount: count)
    }
    position += count
    return count
  }

  private static func from(_ pointer: UnsafeMutableRawPointer?) -> MemoryFile {
    unsafe Unmanaged<MemoryFile>.fromOpaque(pointer!).takeUnretainedValue()
  }

  /// libsndfile's view of the file; the caller passes `self` as user data and keeps it alive.
  static func callbacks() -> SF_VIRTUAL_IO {
    unsafe SF_VIRTUAL_IO(
      get_filelen: { unsafe sf_count_t(MemoryFile.from($0).bytes.count) },
      seek: { unsafe sf_count_t(MemoryFile.from($2).seek(Int($0), $1)) },
      read: { unsafe sf_count_t(MemoryFile.from($2).read(into: $0!, count: Int($1))) },
      write: { _, _, _ in 0 },
      tell: { unsafe sf_count_t(MemoryFile.from($0).position) })
  }
}
