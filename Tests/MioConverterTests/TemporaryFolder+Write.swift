import Foundation
import MioTestSupport

extension TemporaryFolder {
  /// Writes a file, creates the folders above it, and returns its path.
  @discardableResult
  func write(_ name: String, _ bytes: [UInt8]) throws -> String {
    let target = url.appendingPathComponent(name)
    try FileManager.default.createDirectory(at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(bytes).write(to: target)
    return target.path
  }

  @discardableResult
  func write(_ name: String, _ text: String) throws -> String { try write(name, Array(text.utf8)) }

  /// Copies a file or folder here and returns the copy's path.
  func copy(_ source: URL, as name: String) throws -> String {
    try FileManager.default.copyItem(at: source, to: url.appendingPathComponent(name))
    return path(name)
  }
}
