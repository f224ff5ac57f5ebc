import MioFiles

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// An open file of the system that is closed with its last reference, if it is ours.
final class FileDescriptor {
  let value: Int32
  private let isOwned: Bool

  init(_ value: Int32, owned: Bool) {
    self.value = value
    isOwned = owned
  }

  deinit {
    if isOwned { close(value) }
  }

  /// A file opened for reading; nil and `errno` if the system refuses.
  static func opening(path: String) -> FileDescriptor? {
    let descriptor = unsafe path.withSystemPath { unsafe open($0, O_RDONLY | O_CLOEXEC) }
    return descriptor >= 0 ? FileDescriptor(descriptor, owned: true) : nil
  }

  /// Bytes of a regular file; nil for pipes, terminals and other streams.
  var regularFileLength: Int? {
    var status = stat()
    guard unsafe fstat(value, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
    return Int(status.st_size)
  }

  /// Writes everything, however many calls the system needs.
  func write(_ bytes: [UInt8], name: String) throws(MediaError) {
    var done = 0
    while done < bytes.count {
      let written = unsafe bytes.withUnsafeBytes {
        unsafe writeSome($0.baseAddress! + done, $0.count - done)
      }
      if written > 0 {
        done += written
      } else if errno == EPIPE {
        throw MediaError(.brokenPipe, name, "the program that reads the output has gone away")
      } else if errno != EINTR {
        throw MediaError(.writeFailed, name, "cannot write: \(systemErrorText()); check space and permissions")
      }
    }
  }

  /// Reads at most `maximumCount` bytes; none at the end.
  func read(maximumCount: Int, name: String) throws(MediaError) -> [UInt8] {
    while true {
      var count = 0
      let bytes = unsafe [UInt8](unsafeUninitializedCapacity: maximumCount) { buffer, used in
        count = unsafe readSome(buffer.baseAddress!, maximumCount)
        used = max(count, 0)
      }
      if count >= 0 { return bytes }
      guard errno == EINTR else {
        throw MediaError(.readFailed, name, "cannot read: \(systemErrorText())")
      }
    }
  }

  /// One call of the system: bytes written, or a negative number and `errno`.
  func writeSome(_ bytes: UnsafeRawPointer, _ count: Int) -> Int {
    #if canImport(Glibc)
      unsafe Glibc.write(value, bytes, count)
    #else
      unsafe Musl.write(value, bytes, count)
    #endif
  }

  /// One call of the system: bytes read, 0 at the end, or a negative number and `errno`.
  func readSome(_ bytes: UnsafeMutableRawPointer, _ count: Int) -> Int {
    #if canImport(Glibc)
      unsafe Glibc.read(value, bytes, count)
    #else
      unsafe Musl.read(value, bytes, count)
    #endif
  }
}

extension AtomicFile {
  /// What is written one piece after the other; of use as long as the file lives.
  var stream: FileDescriptor { FileDescriptor(descriptor, owned: false) }
}

extension MediaError {
  /// Runs `body`; its errors concern the file at `path`.
  static func translating<Result>(
    _ path: String, _ body: () throws(AtomicFileError) -> Result
  ) throws(MediaError) -> Result {
    do throws(AtomicFileError) {
      return try body()
    } catch .notRegular {
      throw MediaError(.writeFailed, path, "is a folder, a disk or a socket; name a file, or use - for stdout")
    } catch {
      throw MediaError(.writeFailed, path, error.message)
    }
  }
}
