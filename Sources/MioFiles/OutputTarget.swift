#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What a path for output leads to, behind its symbolic links.
package enum OutputTarget: Equatable {
  /// A name in a folder: a new file, or one that is replaced.
  case name(String, permissions: mode_t?)
  /// A pipe or a device, which takes bytes one after the other and stays what it is.
  case stream(String)
  /// A file that this process has open, as `/dev/stdout` and `/dev/fd/N` name it.
  case descriptor(Int32)

  /// Symbolic links followed at most, as the system has it.
  private static let maxLinks = 40

  /// - Throws: `notRegular` if there is a folder, a socket or a disk; `cannotCreate` for what no file can be called.
  package init(path: String) throws(AtomicFileError) {
    if let own = Self.ownDescriptor(path) {
      let mode = fcntl(own, F_GETFL)
      guard mode >= 0, mode & O_ACCMODE != O_RDONLY else { throw .cannotCreate(EBADF) }
      self = .descriptor(own)
      return
    }
    var status = stat()
    if unsafe path.withSystemPath({ unsafe stat($0, &status) }) != 0 {
      guard errno == ENOENT, !path.isEmpty else { throw .cannotCreate(errno) }
      self = .name(Self.destination(of: path), permissions: nil)
      return
    }
    switch status.st_mode & S_IFMT {
    case S_IFREG: self = .name(Self.destination(of: path), permissions: status.st_mode & 0o777)
    case S_IFCHR, S_IFIFO:
      guard unsafe path.withSystemPath({ unsafe access($0, W_OK) }) == 0 else { throw .cannotCreate(errno) }
      self = .stream(path)
    default: throw .notRegular
    }
  }

  /// The number of an open file, if links lead to one.
  private static func ownDescriptor(_ path: String) -> Int32? {
    var path = path
    for _ in 0..<maxLinks {
      for folder in ["/dev/fd/", "/proc/self/fd/"] where path.hasPrefix(folder) {
        return Int32(path.dropFirst(folder.count))
      }
      guard let next = link(path) else { return nil }
      path = next
    }
    return nil
  }

  /// What symbolic links lead to, whether it exists or not.
  private static func destination(of path: String) -> String {
    var path = path
    for _ in 0..<maxLinks {
      guard let next = link(path) else { break }
      path = next
    }
    return path
  }

  /// What a symbolic link says, seen from here; nil for everything else.
  private static func link(_ path: String) -> String? {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
    let length = unsafe path.withSystemPath { unsafe readlink($0, &buffer, buffer.count - 1) }
    guard length > 0 else { return nil }
    let next = PathText.text(buffer[..<length].map { UInt8(bitPattern: $0) })
    return next.hasPrefix("/") ? next : "\(directory(of: path))/\(next)"
  }

  /// The folder in which a name lies.
  static func directory(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }
}
