import NIOCore
import NIOHTTP1
import Synchronization

/// Sends the answer to one request. A client that reads slowly makes the writer wait; one that stops reading is left.
final class ResponseWriter: AnswerWriter {
  private struct State {
    var status: HTTPResponseStatus?
    var byteCount = 0
    var isEnded = false
  }

  private let channel: any Channel
  private let version: HTTPVersion
  /// Answers to HEAD have no body.
  private let hasBody: Bool
  private let stall: TimeAmount
  /// Headers of every answer to this request.
  private let common: HTTPHeaders
  private let state = Mutex(State())
  /// Whether the connection stays open for another request.
  let keepsAlive: Bool

  init(_ channel: any Channel, _ head: HTTPRequestHead, common: HTTPHeaders, keepsAlive: Bool, stallSeconds: Int) {
    self.channel = channel
    self.common = common
    self.keepsAlive = keepsAlive
    version = head.version
    hasBody = head.method != .HEAD
    stall = .seconds(Int64(stallSeconds))
  }

  /// The status that was sent.
  var status: HTTPResponseStatus? { state.withLock { $0.status } }
  /// Whether all of it was sent, or is being sent.
  var isEnded: Bool { state.withLock { $0.isEnded } }
  /// Bytes of the body that were sent.
  var byteCount: Int { state.withLock { $0.byteCount } }

  /// Begins an answer whose length is not known.
  func begin(_ status: HTTPResponseStatus, _ headers: HTTPHeaders) {
    state.withLock { $0.status = status }
    var all = common
    for header in headers { all.replaceOrAdd(name: header.name, value: header.value) }
    if !keepsAlive { all.replaceOrAdd(name: "connection", value: "close") }
    // With a promise of nobody: what fails here fails the first bytes of the body, too.
    channel.writeAndFlush(
      HTTPServerResponsePart.head(HTTPResponseHead(version: version, status: status, headers: all)), promise: nil)
  }

  /// Sends a piece of the body and waits until the system has taken it.
  ///
  /// - Throws: if the client is gone.
  func write(_ bytes: [UInt8]) async throws {
    guard hasBody else { return }
    try await written(.body(.byteBuffer(ByteBuffer(bytes: bytes))))
    state.withLock { $0.byteCount += bytes.count }
  }

  /// Ends the answer.
  func end() async throws {
    if state.withLock({ state in
      defer { state.isEnded = true }; return state.isEnded
    }) {
      return
    }
    try await written(.end(nil))
  }

  /// Closes the connection in the middle of an answer, so that nobody takes it for whole.
  func breakOff() async throws {
    if state.withLock({ $0.isEnded }) { return }
    try await channel.close(mode: .all)
  }

  private func written(_ part: HTTPServerResponsePart) async throws {
    let channel = self.channel
    let done = channel.eventLoop.makePromise(of: Void.self)
    channel.writeAndFlush(part, promise: done)
    // Who does not read for so long is taken for gone.
    let limit = channel.eventLoop.scheduleTask(in: stall) { channel.close(mode: .all, promise: nil) }
    defer { limit.cancel() }
    try await done.futureResult.get()
  }
}
