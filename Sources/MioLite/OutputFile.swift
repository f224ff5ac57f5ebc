import Foundation
import MioFiles

/// Paths as text: to the system they are bytes, which need not be UTF-8.
public typealias PathText = MioFiles.PathText

// What the command line needs of the system, too.
package typealias ScratchFile = MioFiles.ScratchFile
package typealias SystemProgram = MioFiles.SystemProgram

/// Files that are complete when they appear under their name, or do not appear at all, even if the program is killed.
///
/// What a symbolic link leads to is replaced. Pipes and devices are written to as they are, when everything is there.
public enum OutputFile {
  /// - Throws: ``MioError`` with code `.failed`.
  public static func write(_ bytes: [UInt8], to url: URL) throws(MioError) {
    try translating(url) { path throws(AtomicFileError) in try AtomicFile.write(bytes, to: path) }
  }

  /// Tells before the work whether a file of this name can be written; nothing is left behind.
  ///
  /// - Throws: ``MioError`` with code `.failed`.
  public static func check(_ url: URL) throws(MioError) {
    try translating(url) { path throws(AtomicFileError) in _ = try AtomicFile(path: path) }
  }

  /// Whether the name leads to a pipe, a device, or a file that this process has open: bytes go there one after the other.
  public static func isStream(_ url: URL) -> Bool {
    switch try? OutputTarget(path: url.relativePath) {
    case .stream, .descriptor: true
    case .name, nil: false
    }
  }

  /// The open file of this process that the name leads to, as `/dev/stdout` does.
  public static func descriptor(_ url: URL) -> Int32? {
    if case .descriptor(let descriptor)? = try? OutputTarget(path: url.relativePath) { descriptor } else { nil }
  }

  private static func translating(_ url: URL, _ body: (String) throws(AtomicFileError) -> Void) throws(MioError) {
    do throws(AtomicFileError) {
      try body(url.relativePath)
    } catch {
      throw MioError(.failed, "\(url.relativePath): \(error.message)")
    }
  }
}
