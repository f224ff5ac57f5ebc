import Glibc

/// A new file beside its target, which takes the target's name when it is complete; otherwise it is removed.
@safe
final class TemporaryFile {
  private let target: String
  private let temporaryPath: String
  private var descriptor: Int32

  /// - Throws: `notRegularFile` if the target exists and is a directory, pipe or device.
  init(target: String) throws(ModelFileError) {
    var status = stat()
    if unsafe stat(target, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
      throw ModelFileError(
        .notRegularFile, "the output exists and is not a regular file; choose another name", path: target)
    }
    var generator = SystemRandomNumberGenerator()
    let mark = String(generator.next(), radix: 16)
    self.target = target
    temporaryPath = Self.directory(of: target) + "/.mio-\(mark).partial"
    descriptor = unsafe Glibc.open(temporaryPath, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else {
      throw ModelFileError(.cannotWrite, "cannot create a file there: \(systemMessage(errno))", path: target)
    }
  }

  deinit { remove() }

  /// Neither committed nor removed yet.
  var isOpen: Bool { descriptor >= 0 }

  /// The folder that holds `path`.
  private static func directory(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  /// Reserves disk space; EINVAL and EOPNOTSUPP mean that the file system cannot.
  func reserve(_ byteCount: Int) throws(ModelFileError) {
    var code = posix_fallocate(descriptor, 0, off_t(byteCount))
    while code == EINTR { code = posix_fallocate(descriptor, 0, off_t(byteCount)) }
    guard code == 0 || code == EOPNOTSUPP || code == EINVAL else {
      throw failure("cannot reserve \(byteCount) bytes", code)
    }
  }

  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(ModelFileError) {
    guard isOpen else {
      throw ModelFileError(.cancelled, "writing was given up before, or is complete", path: target)
    }
    var done = 0
    while done < bytes.count {
      let count = unsafe pwrite(descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(offset + done))
      if count >= 0 {
        done += count
      } else if errno != EINTR {
        throw failure("cannot write", errno)
      }
    }
  }

  func write(_ bytes: [UInt8], at offset: Int) throws(ModelFileError) {
    try unsafe bytes.span.bytes.withUnsafeBytes { (pointer) throws(ModelFileError) in
      try unsafe write(pointer, at: offset)
    }
  }

  /// Cuts the file to its length, writes it to disk and gives it its name.
  func commit(byteCount: Int) throws(ModelFileError) {
    guard ftruncate(descriptor, off_t(byteCount)) == 0, fsync(descriptor) == 0 else {
      throw failure("cannot finish writing", errno)
    }
    guard unsafe rename(temporaryPath, target) == 0 else { throw failure("cannot name the finished file", errno) }
    close(descriptor)
    descriptor = -1
    // The name must survive a power cut as well; a file system that cannot do this still has the file.
    let directory = unsafe Glibc.open(Self.directory(of: target), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    if directory >= 0 {
      fsync(directory)
      close(directory)
    }
  }

  /// Deletes the file if it has not been committed.
  func remove() {
    guard isOpen else { return }
    close(descriptor)
    descriptor = -1
    unsafe unlink(temporaryPath)
  }

  private func failure(_ what: String, _ code: Int32) -> ModelFileError {
    let advice = code == ENOSPC || code == EDQUOT ? "; free some space or choose another disk" : ""
    return ModelFileError(.cannotWrite, "\(what): \(systemMessage(code))\(advice)", path: target)
  }
}
