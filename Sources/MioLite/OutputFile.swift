import Foundation
import MioFiles

/// Files that are complete when they appear under their name, or do not appear at all, even if the program is killed.
public enum OutputFile {
  /// - Throws: ``MioError`` with code `.failed`.
  public static func write(_ bytes: [UInt8], to url: URL) throws(MioError) {
    do throws(AtomicFileError) {
      try AtomicFile.write(bytes, to: url.relativePath)
    } catch {
      throw MioError(.failed, "\(url.relativePath): \(error.message)")
    }
  }
}
