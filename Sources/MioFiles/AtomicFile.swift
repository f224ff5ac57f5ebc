#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A new file that appears under its name only when it is complete.
///
/// Until then it has no name at all, so that a program that is killed leaves nothing behind. Where the file system has no
/// files without a name, it is a hidden one beside its target, removed when it is given up.
package final class AtomicFile {
  /// Open for reading and writing as long as this object lives.
  package let descriptor: Int32
  /// Neither committed nor cancelled yet.
  package private(set) var isOpen = true
  private let target: String
  /// Nil while the file has no name.
  private var temporaryPath: String?

  /// Symbolic links followed at most, as the system has it.
  private static let maxLinks = 40

  /// - Parameters:
  ///   - path: What a symbolic link points to is replaced, the link stays.
  ///   - preferUnnamed: `false` takes a hidden name from the start, as on a file system that knows no other way.
  /// - Throws: `notRegular` if there is a folder, pipe or device.
  package init(path: String, preferUnnamed: Bool = true) throws(AtomicFileError) {
    // What no file can be called is refused now, not when the work is done.
    var status = stat()
    var permissions: mode_t?
    if unsafe stat(path, &status) == 0 {
      if status.st_mode & S_IFMT != S_IFREG { throw .notRegular }
      permissions = status.st_mode & 0o777
    } else if errno != ENOENT || path.isEmpty {
      throw .cannotCreate(errno)
    }
    target = Self.destination(of: path)
    if preferUnnamed, let unnamed = Self.openUnnamed(in: Self.directory(of: target)) {
      descriptor = unnamed
    } else {
      let hidden = Self.hiddenPath(beside: target)
      descriptor = unsafe open(hidden, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
      guard descriptor >= 0 else { throw .cannotCreate(errno) }
      temporaryPath = hidden
    }
    if let permissions { fchmod(descriptor, permissions) }
  }

  deinit {
    cancel()
    close(descriptor)
  }

  /// Takes the space on the disk now, where the file system can do that, so that a full disk shows before the work.
  package func reserve(_ byteCount: Int) throws(AtomicFileError) {
    var code = posix_fallocate(descriptor, 0, off_t(byteCount))
    while code == EINTR { code = posix_fallocate(descriptor, 0, off_t(byteCount)) }
    guard code == 0 || code == EOPNOTSUPP || code == EINVAL else {
      throw .cannotReserve(byteCount: byteCount, code)
    }
  }

  /// Writes everything at a place of the file, however many calls the system needs.
  package func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(AtomicFileError) {
    var done = 0
    while done < bytes.count {
      let count = unsafe pwrite(descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(offset + done))
      if count >= 0 {
        done += count
      } else if errno != EINTR {
        throw .cannotWrite(errno)
      }
    }
  }

  package func write(_ bytes: [UInt8], at offset: Int) throws(AtomicFileError) {
    try unsafe bytes.span.bytes.withUnsafeBytes { (pointer) throws(AtomicFileError) in
      try unsafe write(pointer, at: offset)
    }
  }

  /// Cuts the file to `byteCount` bytes, or fills it up with zeros.
  package func setLength(_ byteCount: Int) throws(AtomicFileError) {
    guard ftruncate(descriptor, off_t(byteCount)) == 0 else { throw .cannotWrite(errno) }
  }

  /// Gives the file its name, in place of what had it before. Nothing may be written afterwards.
  ///
  /// - Parameter durably: wait until content and name are on the disk and would survive a power cut.
  package func commit(durably: Bool = false) throws(AtomicFileError) {
    precondition(isOpen, "the file was committed or cancelled before")
    if durably, fsync(descriptor) != 0 { throw .cannotWrite(errno) }
    if temporaryPath != nil || !takeName(target) {
      // An unnamed file can only take a name that is free, hence a hidden one on the way.
      let hidden = temporaryPath ?? Self.hiddenPath(beside: target)
      if temporaryPath == nil, !takeName(hidden) { throw .cannotName(errno) }
      temporaryPath = hidden
      guard unsafe rename(hidden, target) == 0 else { throw .cannotName(errno) }
    }
    isOpen = false
    if durably { Self.flushNames(in: Self.directory(of: target)) }
  }

  /// Gives up the file and the space it has taken. Does nothing after ``commit(durably:)``.
  package func cancel() {
    guard isOpen else { return }
    isOpen = false
    if let temporaryPath { unsafe unlink(temporaryPath) }
    _ = ftruncate(descriptor, 0)
  }

  /// Writes a whole file, or nothing.
  package static func write(_ bytes: [UInt8], to path: String) throws(AtomicFileError) {
    let file = try AtomicFile(path: path)
    try file.write(bytes, at: 0)
    try file.commit()
  }

  /// Gives the unnamed file a name that is free; false and `errno` if that fails.
  private func takeName(_ name: String) -> Bool {
    unsafe linkat(AT_FDCWD, Self.processPath(of: descriptor), AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0
  }

  /// What symbolic links lead to, whether it exists or not.
  private static func destination(of path: String) -> String {
    var path = path
    for _ in 0..<maxLinks {
      var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
      let length = unsafe readlink(path, &buffer, buffer.count - 1)
      if length <= 0 { break }
      let next = String(decoding: buffer[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
      path = next.hasPrefix("/") ? next : "\(directory(of: path))/\(next)"
    }
    return path
  }

  private static func directory(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  private static func hiddenPath(beside target: String) -> String {
    var generator = SystemRandomNumberGenerator()
    return "\(directory(of: target))/.mio-\(String(generator.next(), radix: 16)).partial"
  }

  /// Under this name an open file can be given another one.
  private static func processPath(of descriptor: Int32) -> String { "/proc/self/fd/\(descriptor)" }

  /// Nil where the file system, or a missing `/proc`, does not allow it.
  private static func openUnnamed(in directory: String) -> Int32? {
    // O_TMPFILE, a macro that Swift does not import.
    let unnamed = 0o20_000_000 | O_DIRECTORY
    let descriptor = unsafe open(directory, unnamed | O_RDWR | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { return nil }
    guard unsafe access(processPath(of: descriptor), F_OK) == 0 else {
      close(descriptor)
      return nil
    }
    return descriptor
  }

  /// Where a file system cannot do this, the file itself is still complete.
  private static func flushNames(in directory: String) {
    let descriptor = unsafe open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    fsync(descriptor)
    close(descriptor)
  }
}
