#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A new file that appears under its name only when it is complete.
///
/// Until then it has no name at all, so that a program that is killed leaves nothing behind. Where the file system has no
/// files without a name, it is a hidden one beside its target, removed when it is given up. What is written to a pipe or a
/// device is complete before the first byte goes there.
package final class AtomicFile {
  /// Open for reading and writing as long as this object lives.
  package let descriptor: Int32
  /// Neither committed nor cancelled yet.
  package private(set) var isOpen = true
  private let target: OutputTarget
  /// Nil while the file has no name.
  private var temporaryPath: String?

  /// - Parameters:
  ///   - path: What a symbolic link points to is replaced, the link stays; pipes and character devices are written to.
  ///   - preferUnnamed: `false` takes a hidden name from the start, as on a file system that knows no other way.
  /// - Throws: `notRegular` if there is a folder, a socket or a disk.
  package init(path: String, preferUnnamed: Bool = true) throws(AtomicFileError) {
    // What no file can be called is refused now, not when the work is done.
    target = try OutputTarget(path: path)
    guard case .name(let name, let permissions) = target else {
      descriptor = try Self.openSpool()
      return
    }
    if preferUnnamed, let unnamed = Self.openUnnamed(in: OutputTarget.directory(of: name)) {
      descriptor = unnamed
    } else {
      let hidden = Self.hiddenPath(beside: name)
      descriptor = unsafe hidden.withSystemPath { unsafe open($0, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o666) }
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
    switch target {
    case .name(let name, _):
      try take(name)
      isOpen = false
      if durably { Self.flushNames(in: OutputTarget.directory(of: name)) }
    case .stream(let path):
      let stream = unsafe path.withSystemPath { unsafe open($0, O_WRONLY | O_CLOEXEC | O_NOCTTY) }
      guard stream >= 0 else { throw .cannotCreate(errno) }
      defer { close(stream) }
      try send(to: stream)
      isOpen = false
    case .descriptor(let descriptor):
      try send(to: descriptor)
      isOpen = false
    }
  }

  private func take(_ name: String) throws(AtomicFileError) {
    if temporaryPath == nil, takeName(name) { return }
    // An unnamed file can only take a name that is free, hence a hidden one on the way.
    let hidden = temporaryPath ?? Self.hiddenPath(beside: name)
    if temporaryPath == nil, !takeName(hidden) { throw .cannotName(errno) }
    temporaryPath = hidden
    let status = unsafe hidden.withSystemPath { from in unsafe name.withSystemPath { unsafe rename(from, $0) } }
    guard status == 0 else { throw .cannotName(errno) }
  }

  /// Copies the file to a stream, from its first byte to its last.
  private func send(to stream: Int32) throws(AtomicFileError) {
    var block = [UInt8](repeating: 0, count: 1 << 16)
    var offset: off_t = 0
    while true {
      let count = unsafe block.withUnsafeMutableBytes { unsafe pread(descriptor, $0.baseAddress!, $0.count, offset) }
      if count == 0 { return }
      if count < 0 {
        if errno == EINTR { continue }
        throw .cannotWrite(errno)
      }
      var done = 0
      while done < count {
        let written = unsafe block.withUnsafeBytes { unsafe Self.writeSome(stream, $0.baseAddress! + done, count - done) }
        if written >= 0 {
          done += written
        } else if errno == EAGAIN {
          var waiting = pollfd(fd: stream, events: Int16(POLLOUT), revents: 0)
          _ = unsafe poll(&waiting, 1, -1)
        } else if errno != EINTR {
          throw .cannotWrite(errno)
        }
      }
      offset += off_t(count)
    }
  }

  private static func writeSome(_ descriptor: Int32, _ bytes: UnsafeRawPointer, _ count: Int) -> Int {
    #if canImport(Glibc)
      unsafe Glibc.write(descriptor, bytes, count)
    #else
      unsafe Musl.write(descriptor, bytes, count)
    #endif
  }

  /// Gives up the file and the space it has taken. Does nothing after ``commit(durably:)``.
  package func cancel() {
    guard isOpen else { return }
    isOpen = false
    if let temporaryPath { unsafe _ = temporaryPath.withSystemPath { unsafe unlink($0) } }
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
    unsafe name.withSystemPath {
      unsafe linkat(AT_FDCWD, Self.processPath(of: descriptor), AT_FDCWD, $0, AT_SYMLINK_FOLLOW) == 0
    }
  }

  private static func hiddenPath(beside target: String) -> String {
    var generator = SystemRandomNumberGenerator()
    return "\(OutputTarget.directory(of: target))/.mio-\(String(generator.next(), radix: 16)).partial"
  }

  /// Under this name an open file can be given another one.
  private static func processPath(of descriptor: Int32) -> String { "/proc/self/fd/\(descriptor)" }

  /// Nil where the file system, or a missing `/proc`, does not allow it.
  private static func openUnnamed(in directory: String) -> Int32? {
    // O_TMPFILE, a macro that Swift does not import.
    let unnamed = 0o20_000_000 | O_DIRECTORY
    let descriptor = unsafe directory.withSystemPath { unsafe open($0, unnamed | O_RDWR | O_CLOEXEC, 0o666) }
    guard descriptor >= 0 else { return nil }
    guard unsafe access(processPath(of: descriptor), F_OK) == 0 else {
      close(descriptor)
      return nil
    }
    return descriptor
  }

  /// A file without a name, for what goes on to a stream.
  private static func openSpool() throws(AtomicFileError) -> Int32 {
    let folder = unsafe getenv("TMPDIR").map { unsafe PathText.text(String(cString: $0).utf8) } ?? "/tmp"
    if let unnamed = openUnnamed(in: folder) { return unnamed }
    let hidden = "\(folder)/" + hiddenPath(beside: "").dropFirst(2)
    return try unsafe hidden.withSystemPath { (path) -> Swift.Result<Int32, AtomicFileError> in
      let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
      if descriptor < 0 { return .failure(.cannotCreate(errno)) }
      unsafe unlink(path)
      return .success(descriptor)
    }.get()
  }

  /// Where a file system cannot do this, the file itself is still complete.
  private static func flushNames(in directory: String) {
    let descriptor = unsafe directory.withSystemPath { unsafe open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
    guard descriptor >= 0 else { return }
    fsync(descriptor)
    close(descriptor)
  }
}
