#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Files without a name, which are gone with the process.
package enum ScratchFile {
  /// Opens one for reading and writing; the caller closes it.
  ///
  /// - Parameter path: what its name begins with as long as it has one; the folder decides which disk it takes room of.
  /// - Returns: the descriptor; nil, and `errno` says why, if there can be none.
  package static func open(beside path: String) -> Int32? {
    var template = PathText.bytes(path + "-XXXXXX").map { CChar(bitPattern: $0) } + [0]
    let descriptor = unsafe template.withUnsafeMutableBufferPointer { unsafe mkstemp($0.baseAddress!) }
    guard descriptor >= 0 else { return nil }
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    unsafe template.withUnsafeBufferPointer { _ = unsafe unlink($0.baseAddress!) }
    return descriptor
  }

  /// Opens one in the folder for temporary files.
  package static func open() -> Int32? { open(beside: folder + "/mio") }

  /// The folder for temporary files.
  package static var folder: String { unsafe getenv("TMPDIR").map { unsafe String(cString: $0) } ?? "/tmp" }
}
