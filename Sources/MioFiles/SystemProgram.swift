#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Programs of the system.
package enum SystemProgram {
  /// Where a program lies: in the first folder of the search path that has it. Folders that depend on where one stands are
  /// passed over.
  package static func path(of program: String) -> String? {
    guard let value = unsafe getenv("PATH") else { return nil }
    let bytes = unsafe UnsafeBufferPointer(start: value, count: strlen(value)).map { UInt8(bitPattern: $0) }
    return bytes.split(separator: UInt8(ascii: ":")).filter { $0.first == UInt8(ascii: "/") }
      .map { PathText.text($0) + "/" + program }.first(where: isProgram)
  }

  private static func isProgram(_ path: String) -> Bool {
    var status = stat()
    return path.withSystemPath {
      unsafe access($0, X_OK) == 0 && stat($0, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }
  }
}
