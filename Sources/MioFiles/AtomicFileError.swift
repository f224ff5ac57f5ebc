#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Why a file could not be written; the numbers are the system's (`errno`).
package enum AtomicFileError: Error, Hashable {
  case notRegular
  case cannotCreate(Int32)
  case cannotReserve(byteCount: Int, Int32)
  case cannotWrite(Int32)
  case cannotName(Int32)

  /// What is wrong and what to do.
  package var message: String {
    switch self {
    case .notRegular: "is a folder, a disk or a socket, not a file; choose another name"
    case .cannotCreate(let code): "cannot create the file: \(systemErrorText(code)); check folder and permissions"
    case .cannotReserve(let byteCount, let code):
      "cannot reserve \(byteCount) bytes: \(systemErrorText(code)); \(Self.advice(code))"
    case .cannotWrite(EPIPE): "the program that reads the output has gone away"
    case .cannotWrite(let code): "cannot write: \(systemErrorText(code)); \(Self.advice(code))"
    case .cannotName(let code): "cannot give the file its name: \(systemErrorText(code))"
    }
  }

  private static func advice(_ code: Int32) -> String {
    code == ENOSPC || code == EDQUOT || code == EFBIG ? "free some space or choose another disk" : "check space and permissions"
  }
}

/// The text of a system error; without a number of the call that has just failed.
package func systemErrorText(_ code: Int32 = errno) -> String {
  var buffer = [CChar](repeating: 0, count: 256)
  return unsafe buffer.withUnsafeMutableBufferPointer { target in
    let known = unsafe strerror_r(code, target.baseAddress!, target.count) == 0
    return known ? unsafe String(cString: target.baseAddress!) : "error \(code)"
  }
}
