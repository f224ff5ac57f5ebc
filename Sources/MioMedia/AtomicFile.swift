#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A file that appears under its name only when it is complete: written beside the target, then renamed.
///
/// A target that exists and is no regular file (`/dev/null`, a named pipe) cannot be replaced and is refused.
final class AtomicFile {
  let descriptor: FileDescriptor
  let path: String
  private let temporaryPath: String
  private var isOpen = true

  init(path: String) throws(MediaError) {
    let target = Self.resolved(path)
    var status = stat()
    if unsafe stat(target, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
      throw MediaError(.writeFailed, path, "exists and is not an ordinary file; name a file, or use - for stdout")
    }
    let (created, name) = Self.create(beside: target)
    guard let created else {
      throw MediaError(.writeFailed, path, "cannot create the file: \(systemErrorText()); check folder and permissions")
    }
    descriptor = FileDescriptor(created, owned: true)
    temporaryPath = name
    self.path = path
    self.target = target
  }

  private let target: String

  deinit { cancel() }

  /// Gives the file its name. Nothing may be written afterwards.
  func commit() throws(MediaError) {
    precondition(isOpen, "the file was already finished")
    isOpen = false
    guard unsafe rename(temporaryPath, target) == 0 else {
      let reason = systemErrorText()
      unsafe unlink(temporaryPath)
      throw MediaError(.writeFailed, path, "cannot give the file its name: \(reason)")
    }
  }

  /// Writes a whole file, or nothing.
  static func write(_ bytes: [UInt8], to path: String) throws(MediaError) {
    let file = try AtomicFile(path: path)
    try file.descriptor.write(bytes, name: path)
    try file.commit()
  }

  /// Removes what was written. Does nothing after ``commit()``.
  func cancel() {
    guard isOpen else { return }
    isOpen = false
    unsafe unlink(temporaryPath)
  }

  /// The file a symbolic link points to, so that the link stays a link.
  private static func resolved(_ path: String) -> String {
    guard let real = unsafe realpath(path, nil) else { return path }
    defer { unsafe free(real) }
    return unsafe String(cString: real)
  }

  private static func create(beside target: String) -> (descriptor: Int32?, path: String) {
    for attempt in 0..<100 {
      let path = "\(target).\(getpid())-\(attempt).part"
      let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
      if descriptor >= 0 { return (descriptor, path) }
      if errno != EEXIST { break }
    }
    return (nil, "")
  }
}
