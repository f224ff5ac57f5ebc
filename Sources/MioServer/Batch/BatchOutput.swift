import Foundation

/// The rows that are answered, a line each. What was answered before the program ended, however it ended, stays, and is not
/// answered again.
final class BatchOutput {
  private let handle: FileHandle
  private let name: String
  /// Whether rows reach the disk before the next second.
  private let isFile: Bool
  private var lastSync = ContinuousClock.now
  /// Rows of earlier runs.
  private(set) var done: Set<BatchKey> = []
  private(set) var failedCount = 0

  /// Writes to an open file, pipe or terminal; nothing of it is read.
  init(_ handle: FileHandle) {
    (self.handle, name, isFile) = (handle, "the output", false)
  }

  /// Opens a file, keeps its whole lines, and drops one that broke off.
  init(path: String) throws {
    name = path
    isFile = true
    let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else {
      throw APIError(.internalServerError, "\(path): cannot be written: \(unsafe String(cString: strerror(errno)))")
    }
    handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      throw APIError(.badRequest, "\(path): another batch is writing there; wait for it, or choose another name")
    }
    try readDone()
  }

  private func readDone() throws {
    struct Row: Decodable {
      struct Response: Decodable { let statusCode: Int }
      let customId: String
      let response: Response?
    }
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let input = BatchInput(handle, name: name)
    var end: UInt64 = 0
    while let line = try input.nextLine() {
      end += UInt64(line.count + 1)
      guard let row = try? decoder.decode(Row.self, from: Data(line)) else {
        // Only the last line can have broken off.
        if try input.nextLine() == nil {
          end -= UInt64(line.count + 1)
          break
        }
        throw APIError(
          .badRequest, "\(name), line \(input.line - 1): this is no row of a batch; choose another output, or remove this one")
      }
      if done.insert(BatchKey(row.customId)).inserted, row.response?.statusCode != 200 { failedCount += 1 }
    }
    // A whole row may lack its line end.
    let length = try handle.seekToEnd()
    if end > length {
      try handle.write(contentsOf: Data([10]))
    } else if end < length {
      try handle.truncate(atOffset: end)
      try handle.seek(toOffset: end)
    }
  }

  /// Adds a row; it is on the disk within a second of work.
  func add(_ line: [UInt8]) throws {
    do {
      try handle.write(contentsOf: Data(line + [10]))
      if isFile, ContinuousClock.now - lastSync > .seconds(1) { try sync() }
    } catch {
      throw APIError(.internalServerError, "\(name): cannot write: \(error.localizedDescription); check space")
    }
  }

  func sync() throws {
    if isFile { try handle.synchronize() }
    lastSync = .now
  }
}

/// What decides the answers of a batch; it goes on only where all of it is the same.
struct BatchManifest: Codable, Equatable {
  let version: String
  let model: String
  let seed: UInt64
  let shard: String
  let keepsOrder: Bool
  let savesMedia: Bool

  static func path(of output: String) -> String { output + ".manifest.json" }

  /// Compares with the manifest beside an output that is there, or writes one.
  func agree(with output: String) throws {
    let url = URL(fileURLWithPath: Self.path(of: output))
    let exists = FileManager.default.fileExists(atPath: output)
    let isEmpty = ((try? FileManager.default.attributesOfItem(atPath: output)[.size]) as? Int ?? 0) == 0
    guard exists, !isEmpty else { return try write(to: url) }
    guard let data = try? Data(contentsOf: url), let there = try? JSONDecoder().decode(Self.self, from: data) else {
      throw APIError(
        .badRequest, "\(output): it is there, and no manifest that says it is a batch's; choose another name, or --overwrite")
    }
    let differences = Mirror(reflecting: self).children.compactMap { child -> String? in
      let other = Mirror(reflecting: there).children.first { $0.label == child.label }?.value
      return "\(child.value)" == "\(other ?? "")" ? nil : "\(child.label ?? "") was \(other ?? "nothing"), now \(child.value)"
    }
    guard differences.isEmpty else {
      throw APIError(
        .badRequest,
        "\(output): it was begun otherwise (\(differences.joined(separator: "; "))); go on as it was begun, choose another "
          + "name, or --overwrite")
    }
  }

  private func write(to url: URL) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    do { try encoder.encode(self).write(to: url, options: .atomic) } catch {
      throw APIError(.internalServerError, "\(url.path): cannot write: \(error.localizedDescription)")
    }
  }
}
