import NIOCore
import NIOHTTP1

/// Collects the requests of one connection, within limits, and has each answered by a task that ends with the connection.
final class HTTPHandler: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  private enum State {
    case idle
    case receiving(HTTPRequestHead, ByteBuffer)
    /// The request was refused; the rest of it is not wanted.
    case refusing
    case answering
  }

  private let service: Service
  private var state = State.idle
  private var task: Task<Void, Never>?
  /// Of the request that is answered.
  private var writer: ResponseWriter?
  private var deadline: Scheduled<Void>?
  /// Bytes of the body since the deadline was set.
  private var progress = 0

  /// Bytes that a body must make within the seconds of a stall.
  private static let leastProgress = 16 << 10

  init(_ service: Service) { self.service = service }

  func handlerAdded(context: ChannelHandlerContext) { expectRequest(context) }

  func channelInactive(context: ChannelHandlerContext) {
    deadline?.cancel()
    release()
    task?.cancel()
    context.fireChannelInactive()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    // What is no HTTP has been answered by the handler before this one.
    context.close(promise: nil)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head): begin(head, context)
    case .body(let bytes): receive(bytes, context)
    case .end: complete(context)
    }
  }

  private func begin(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
    if case .refusing = state { return }
    // The answer before is whole when the next request comes; its task may not have ended yet.
    if let writer, !writer.keepsAlive { return context.close(promise: nil) }
    writer = nil
    do {
      try service.gate.check(head)
      try service.checkLength(of: head)
    } catch {
      return refuse(head, APIError(error), context)
    }
    state = .receiving(head, ByteBuffer())
    if head.headers.first(name: "expect")?.lowercased() == "100-continue" {
      context.writeAndFlush(wrapOutboundOut(.head(HTTPResponseHead(version: head.version, status: .continue))), promise: nil)
    }
    expectBody(context)
  }

  private func receive(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
    guard case .receiving(let head, var body) = state else { return }
    // So that the buffer is not copied.
    state = .refusing
    progress += bytes.readableBytes
    guard body.readableBytes + bytes.readableBytes <= service.options.maxBodyBytes, service.buffered.take(bytes.readableBytes)
    else {
      service.buffered.give(body.readableBytes)
      let isTooLong = body.readableBytes + bytes.readableBytes > service.options.maxBodyBytes
      return refuse(head, isTooLong ? service.bodyTooLong : service.bodiesTooMany, context)
    }
    body.writeImmutableBuffer(bytes)
    state = .receiving(head, body)
  }

  private func complete(_ context: ChannelHandlerContext) {
    guard case .receiving(let head, let body) = state else { return }
    deadline?.cancel()
    state = .answering
    let request = HTTPRequest(head, body: Array(body.readableBytesView), id: service.nextID())
    let byteCount = body.readableBytes
    let service = self.service
    let writer = ResponseWriter(
      context.channel, head, common: service.commonHeaders(head, id: request.id),
      keepsAlive: head.isKeepAlive && !service.isDraining, stallSeconds: service.options.stallSeconds)
    self.writer = writer
    let handler = NIOLoopBound(self, eventLoop: context.eventLoop)
    let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
    let loop = context.eventLoop
    task = service.start {
      await service.answer(request, writer)
      service.buffered.give(byteCount)
      loop.execute { handler.value.finish(writer, bound.value) }
    }
  }

  private func finish(_ writer: ResponseWriter, _ context: ChannelHandlerContext) {
    // Where the next request has begun, the connection is no longer this one's.
    guard self.writer === writer else { return }
    self.writer = nil
    task = nil
    guard context.channel.isActive else { return }
    state = .idle
    if writer.keepsAlive, !service.isDraining { expectRequest(context) } else { context.close(promise: nil) }
  }

  /// Answers before the body has come, and closes the connection behind the answer.
  private func refuse(_ head: HTTPRequestHead, _ error: APIError, _ context: ChannelHandlerContext) {
    deadline?.cancel()
    state = .refusing
    let service = self.service
    let request = HTTPRequest(head, body: [], id: service.nextID())
    let writer = ResponseWriter(
      context.channel, head, common: service.commonHeaders(head, id: request.id), keepsAlive: false,
      stallSeconds: service.options.stallSeconds)
    let channel = context.channel
    task = service.start {
      await service.refuse(request, error, writer)
      // Who is still sending gets the time to read the answer.
      try? await Task.sleep(for: .milliseconds(200))
      channel.close(mode: .all, promise: nil)
    }
  }

  /// Memory of a request that will not be answered.
  private func release() {
    if case .receiving(_, let body) = state { service.buffered.give(body.readableBytes) }
    state = .refusing
  }

  // MARK: - Patience

  private func expectRequest(_ context: ChannelHandlerContext) {
    set(context, seconds: service.options.idleSeconds) { $1.close(promise: nil) }
  }

  private func expectBody(_ context: ChannelHandlerContext) {
    progress = 0
    set(context, seconds: service.options.stallSeconds) { handler, context in
      guard case .receiving(let head, let body) = handler.state else { return }
      if handler.progress >= Self.leastProgress { return handler.expectBody(context) }
      handler.service.buffered.give(body.readableBytes)
      handler.refuse(head, APIError(.requestTimeout, "the body of the request came too slowly; send it again"), context)
    }
  }

  private func set(
    _ context: ChannelHandlerContext, seconds: Int, _ act: @escaping @Sendable (HTTPHandler, ChannelHandlerContext) -> Void
  ) {
    deadline?.cancel()
    let handler = NIOLoopBound(self, eventLoop: context.eventLoop)
    let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
    deadline = context.eventLoop.scheduleTask(in: .seconds(Int64(seconds))) { act(handler.value, bound.value) }
  }
}
