import Foundation
import MioLite

/// Files by the bytes of their names, which need not be UTF-8.
enum Files {
  /// The path for a call of the system.
  private static func system(_ path: String) -> [CChar] { PathText.bytes(path).map { CChar(bitPattern: $0) } + [0] }

  static func exists(_ path: String) -> Bool { unsafe access(system(path), F_OK) == 0 }
  static func isReadable(_ path: String) -> Bool { unsafe access(system(path), R_OK) == 0 }

  /// Whether two names lead to the same file.
  static func isSame(_ first: String, _ second: String) -> Bool {
    var (a, b) = (stat(), stat())
    guard unsafe stat(system(first), &a) == 0, unsafe stat(system(second), &b) == 0 else { return false }
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino
  }

  static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return unsafe stat(system(path), &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  /// Whether a path for output leads to a terminal.
  static func isTerminal(_ path: String) -> Bool {
    if let own = OutputFile.descriptor(URL(fileURLWithPath: path)) { return isatty(own) == 1 }
    var status = stat()
    guard unsafe stat(system(path), &status) == 0, status.st_mode & S_IFMT == S_IFCHR else { return false }
    let descriptor = unsafe Foundation.open(system(path), O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    return isatty(descriptor) == 1
  }

  /// Opens a file for reading.
  static func open(_ path: String) throws -> FileHandle {
    let descriptor = unsafe Foundation.open(system(path), O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw Failure(.wrongInput, "\(path): cannot be opened: \(errorText()); is the name right?") }
    return FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
  }

  /// Makes a folder and those that it lies in.
  static func makeFolder(_ path: String) throws {
    if isFolder(path) { return }
    if let parent = parent(of: path), !isFolder(parent) { try makeFolder(parent) }
    guard unsafe mkdir(system(path), 0o777) == 0 || isFolder(path) else {
      throw Failure(.failed, "\(path): the folder cannot be made: \(errorText())")
    }
  }

  /// Refuses a folder that could not be made or written into.
  static func checkFolder(_ path: String) throws {
    var place = path
    while !exists(place), let parent = parent(of: place) { place = parent }
    let isNew = place != path
    if !isFolder(place) {
      throw Failure(.failed, "\(path): \(isNew ? "\(place) is no folder" : "exists and is no folder"); choose another name")
    }
    guard unsafe access(system(place), W_OK | X_OK) == 0 else {
      throw Failure(.failed, "\(path): the folder cannot be \(isNew ? "made" : "written into"): \(errorText())")
    }
  }

  /// Refuses a folder that is called like a file of media, which somebody who names it so expects.
  static func checkFolderName(_ path: String, for what: String) throws {
    let name = path.split(separator: "/").last.map { $0.lowercased() } ?? ""
    let suffixes = [
      "webp", "png", "jpg", "jpeg", "apng", "mp4", "webm", "mkv", "mov", "avi", "gif", "wav", "mp3", "html", "json", "txt",
    ]
    guard let suffix = suffixes.first(where: { name.hasSuffix(".\($0)") }), !isFolder(path) else { return }
    throw Failure(.wrongInput, "\(path): \(what), no .\(suffix) file; name a folder")
  }

  private static func parent(of path: String) -> String? {
    let bare = path.hasSuffix("/") ? String(path.dropLast()) : path
    guard let slash = bare.lastIndex(of: "/") else { return bare.isEmpty || bare == "." ? nil : "." }
    return slash == bare.startIndex ? (bare == "/" ? nil : "/") : String(bare[..<slash])
  }

  /// Opens a pipe or device that is written to as it is; waits for a reader, or for a request to stop.
  static func openStream(_ path: String, _ cancellation: Cancellation) throws -> FileHandle {
    if let own = OutputFile.descriptor(URL(fileURLWithPath: path)) {
      return FileHandle(fileDescriptor: dup(own), closeOnDealloc: true)
    }
    var waits = 0
    while true {
      try cancellation.check()
      let descriptor = unsafe Foundation.open(system(path), O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
      if descriptor >= 0 {
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) & ~O_NONBLOCK)
        return FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
      }
      // A pipe that nobody reads yet.
      guard errno == ENXIO || errno == EINTR else { throw Failure(.failed, "\(path): cannot be opened: \(errorText())") }
      waits += 1
      if waits == 50 { Output.note("mio-lite: \(path): waiting for a program that reads it") }
      usleep(20_000)
    }
  }

  /// A file without a name; nil where there can be none.
  static func unnamedTemporary() -> FileHandle? {
    ScratchFile.open().map { FileHandle(fileDescriptor: $0, closeOnDealloc: true) }
  }

  /// What a program complained about last.
  static func lastLine(of file: FileHandle?) -> String {
    guard let file, (try? file.seek(toOffset: 0)) != nil, let data = try? file.read(upToCount: 1 << 16) else { return "" }
    let lines = String(decoding: data, as: UTF8.self).split(whereSeparator: \.isNewline)
    return lines.last.map { String($0.prefix(200)) } ?? ""
  }

  private static func errorText() -> String { unsafe String(cString: strerror(errno)) }
}
