import Foundation

/// The folder below which rows of a batch may name files.
struct MediaFolder: Sendable {
  private let root: String
  private static let maxBytes = 1 << 30

  /// - Throws: ``APIError`` if there is no such folder.
  init(_ path: String) throws {
    guard let resolved = Self.resolved(path) else {
      throw APIError(.badRequest, "\(path): there is no such folder for media")
    }
    root = resolved
  }

  /// The bytes of a file below the folder, also behind symbolic links only there.
  func bytes(of name: String, at place: String) throws -> [UInt8] {
    let path = name.hasPrefix("/") ? name : "\(root)/\(name)"
    guard let resolved = Self.resolved(path) else { throw APIError.invalid(place, "there is no file '\(name.prefix(200))'") }
    guard resolved == root || resolved.hasPrefix(root == "/" ? "/" : root + "/") else {
      throw APIError.invalid(place, "'\(name.prefix(200))' lies outside of the folder for media, \(root)")
    }
    var status = stat()
    guard unsafe stat(resolved, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size <= Self.maxBytes else {
      throw APIError.invalid(place, "'\(name.prefix(200))' is no file of at most 1 GiB")
    }
    do {
      return try Array(Data(contentsOf: URL(fileURLWithPath: resolved)))
    } catch {
      throw APIError.invalid(place, "'\(name.prefix(200))' cannot be read: \(error.localizedDescription)")
    }
  }

  private static func resolved(_ path: String) -> String? {
    guard let resolved = unsafe realpath(path, nil) else { return nil }
    defer { unsafe free(resolved) }
    return unsafe String(cString: resolved)
  }
}
