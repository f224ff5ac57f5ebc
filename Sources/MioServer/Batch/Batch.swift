import Foundation
import MioLite
import NIOHTTP1
import Synchronization

/// How a file of requests is worked on.
public struct BatchOptions: Sendable {
  /// Requests that are worked on at the same time.
  public var parallel = 8
  /// Decides, with the id of a row, what is drawn in it, whatever else is in the batch.
  public var seed: UInt64 = 0
  /// Which part of the rows is worked on: number, from 1, and how many there are.
  public var shard = (number: 1, count: 1)
  /// Whether rows come out in the order in which they came in.
  public var keepsOrder = true
  /// Below which rows may name files instead of sending bytes.
  public var mediaFolder: String?
  /// Where sound and images of answers go, instead of into the rows.
  public var mediaOutput: String?
  /// Starts anew although the output is there.
  public var overwrites = false
  /// Of this program, for the manifest.
  public var version = ""
  public var image = ImageOptions()

  public init() {}
}

/// A file of requests, each of which is answered exactly once, in the form of OpenAI's batches.
///
/// Rows are answered together by the model's scheduler, and written as they are finished. A batch that was stopped, in whatever way,
/// goes on where it was. The same row gets the same answer in any shard, whatever runs beside it.
public struct Batch: Sendable {
  /// Where rows go.
  public enum Output: Sendable {
    case file(path: String)
    case handle(FileHandle)
  }

  /// What came of it.
  public struct Summary: Hashable, Sendable {
    /// Rows of this shard.
    public var rowCount = 0
    /// Rows that had been answered before.
    public var doneCount = 0
    /// Rows whose answer is an error, earlier ones included.
    public var failedCount = 0
  }

  private let model: Model
  private let options: BatchOptions
  private let service: Service

  /// - Throws: ``MioError`` with code `.invalidInput` if the options make no sense.
  public init(_ model: Model, _ options: BatchOptions) throws {
    guard options.shard.count >= 1, (1...options.shard.count).contains(options.shard.number) else {
      throw MioError(.invalidInput, "shard: must be 1/N to N/N, found \(options.shard.number)/\(options.shard.count)")
    }
    self.model = model
    self.options = options
    var server = ServerOptions(addresses: [], modelName: "mio")
    (server.parallel, server.queue) = (options.parallel, options.parallel * Self.ahead)
    server.image = options.image
    do { server.mediaFolder = try options.mediaFolder.map(MediaFolder.init) } catch { throw Self.error(error) }
    service = Service(model, server)
  }

  /// Rows that are taken ahead of the one that is written next, for each one that is worked on.
  private static let ahead = 4

  /// Answers the rows of a file.
  ///
  /// - Parameters:
  ///   - input: a regular file, read twice.
  ///   - name: what messages call it.
  ///   - output: where answers go.
  ///   - progress: called with the rows that are answered.
  /// - Throws: ``MioError`` with code `.invalidInput` if the input is no batch or the output is another's; `CancellationError` if
  ///   the task is cancelled: what is answered stays.
  public func run(
    _ input: FileHandle, name: String, to output: Output, progress: (Summary) -> Void = { _ in }
  ) async throws -> Summary {
    do {
      let rows = BatchInput(input, name: name)
      let count = try rows.check()
      let (number, shards) = options.shard
      let part = (count * (number - 1) / shards)..<(count * number / shards)
      let media = try options.mediaOutput.map(BatchMedia.init)
      return try await run(rows, part, media, try open(output), progress)
    } catch {
      throw Self.error(error)
    }
  }

  private static func error(_ error: any Error) -> any Error {
    guard let error = error as? APIError else { return error }
    return MioError(error.status.code < 500 ? .invalidInput : .failed, error.message)
  }

  private func open(_ output: Output) throws -> BatchOutput {
    switch output {
    case .handle(let handle): return BatchOutput(handle)
    case .file(let path):
      if options.overwrites { try? FileManager.default.removeItem(atPath: path) }
      let manifest = BatchManifest(
        version: options.version, model: model.identity, seed: options.seed,
        shard: "\(options.shard.number)/\(options.shard.count)", keepsOrder: options.keepsOrder,
        savesMedia: options.mediaOutput != nil)
      try manifest.agree(with: path)
      return try BatchOutput(path: path)
    }
  }

  private func run(
    _ rows: BatchInput, _ part: Range<Int>, _ media: BatchMedia?, _ output: BatchOutput, _ progress: (Summary) -> Void
  ) async throws -> Summary {
    var summary = Summary(rowCount: part.count)
    summary.failedCount = output.failedCount
    var index = 0
    /// The next row of this shard that is not answered.
    func next() throws -> BatchRow? {
      while index < part.upperBound, let row = try rows.next() {
        defer { index += 1 }
        guard index >= part.lowerBound else { continue }
        if output.done.contains(row.key) { summary.doneCount += 1 } else { return row }
      }
      return nil
    }
    try await withThrowingTaskGroup(of: (Int, Answer).self) { group in
      var (started, written, running) = (0, 0, 0)
      var waiting: [Int: Answer] = [:]
      func write(_ answer: Answer) throws {
        try output.add(answer.line)
        if !answer.isGood { summary.failedCount += 1 }
        summary.doneCount += 1
        progress(summary)
      }
      var isAtEnd = false
      while true {
        while !isAtEnd, running < options.parallel, started - written < options.parallel * Self.ahead {
          guard let row = try next() else {
            isAtEnd = true
            break
          }
          let number = started
          group.addTask { (number, try await answer(row, media)) }
          (started, running) = (started + 1, running + 1)
        }
        guard let (number, answer) = try await group.next() else { break }
        running -= 1
        if options.keepsOrder {
          waiting[number] = answer
          while let answer = waiting.removeValue(forKey: written) {
            try write(answer)
            written += 1
          }
        } else {
          try write(answer)
          written += 1
        }
      }
    }
    try output.sync()
    progress(summary)
    return summary
  }

  private struct Answer: Sendable {
    let line: [UInt8]
    let isGood: Bool
  }

  /// Answers one row as the server would; what is wrong with it is its answer.
  private func answer(_ row: BatchRow, _ media: BatchMedia?) async throws -> Answer {
    let writer = RowWriter()
    let id = row.key.text
    let call = Call(
      service, HTTPRequest(path: row.url, json: row.body, id: "req_\(id)"), writer,
      fixed: .init(id: id, seed: row.key.seed(options.seed)))
    do {
      try await Router.answer(call)
    } catch {
      // A row that was stopped has no answer: it is for the next run.
      try Task.checkCancellation()
      writer.replace(with: APIError(error))
    }
    let answer = writer.answer
    let body = try json(answer, of: row, media)
    let status = answer.status
    let head: JSON = ["id": .string("batch_req_\(id)"), "custom_id": .string(row.customID)]
    let response: JSON = ["status_code": .int(status), "request_id": .string("req_\(id)")]
    // The body is JSON already.
    let line =
      head.bytes.dropLast() + Array(",\"response\":".utf8) + response.bytes.dropLast() + Array(",\"body\":".utf8) + body
      + Array("},\"error\":null}".utf8)
    return Answer(line: line, isGood: status == 200)
  }

  /// The body of an answer as JSON: bytes that are none become base64, or a file.
  private func json(_ answer: RowWriter.Answer, of row: BatchRow, _ media: BatchMedia?) throws -> [UInt8] {
    let type = answer.type.prefix { $0 != ";" }
    if type == "application/json" { return try media?.extract(answer.body, of: row) ?? answer.body }
    if type.hasPrefix("text/") || type == "application/x-subrip" {
      return (["text": .string(String(decoding: answer.body, as: UTF8.self))] as JSON).bytes
    }
    let kind: JSON = ["content_type": .string(String(type))]
    if let media {
      let suffixes = [
        "audio/mpeg": ".mp3", "audio/ogg": ".opus", "audio/flac": ".flac", "audio/wav": ".wav", "audio/pcm": ".pcm",
      ]
      let file = try media.save(answer.body, of: row, suffixes[String(type)] ?? ".bin")
      return kind.adding(["file": .string(file)]).bytes
    }
    return kind.adding(["data": .string(Data(answer.body).base64EncodedString())]).bytes
  }
}

/// Collects the answer to a row.
private final class RowWriter: AnswerWriter {
  struct Answer {
    var status = 500
    var type = "application/json"
    var body: [UInt8] = []
  }

  private let state = Mutex<(status: HTTPResponseStatus?, answer: Answer)>((nil, Answer()))

  var status: HTTPResponseStatus? { state.withLock { $0.status } }
  var answer: Answer { state.withLock { $0.answer } }

  func begin(_ status: HTTPResponseStatus, _ headers: HTTPHeaders) {
    state.withLock { state in
      state.status = status
      state.answer.status = Int(status.code)
      state.answer.type = headers.first(name: "content-type") ?? ""
    }
  }

  func write(_ bytes: [UInt8]) async throws {
    try Task.checkCancellation()
    state.withLock { $0.answer.body += bytes }
  }

  func end() async throws {}

  /// An error in place of what there was of an answer.
  func replace(with error: APIError) {
    state.withLock { $0.answer = Answer(status: Int(error.status.code), body: error.json.bytes) }
  }
}
