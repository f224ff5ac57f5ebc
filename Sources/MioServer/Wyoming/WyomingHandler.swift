import NIOCore

/// Takes the events of one connection and has them followed, one after the other, by a task that ends with the connection.
final class WyomingHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let service: Service
  private var buffer = ByteBuffer()
  private var events: AsyncStream<WyomingEvent>.Continuation?
  private var task: Task<Void, Never>?

  init(_ service: Service) { self.service = service }

  func channelActive(context: ChannelHandlerContext) {
    let (stream, continuation) = AsyncStream.makeStream(of: WyomingEvent.self, bufferingPolicy: .bufferingOldest(4096))
    events = continuation
    let session = WyomingSession(service, context.channel)
    let channel = context.channel
    task = service.start {
      await session.follow(stream)
      channel.close(mode: .all, promise: nil)
    }
    context.fireChannelActive()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    buffer.writeImmutableBuffer(unwrapInboundIn(data))
    do {
      while let event = try WyomingEvent.take(from: &buffer) {
        // Who sends faster than anybody could listen is not served.
        if case .dropped? = events?.yield(event) { throw WyomingEvent.Damaged() }
      }
      buffer.discardReadBytes()
      if buffer.readableBytes > service.options.maxBodyBytes { throw WyomingEvent.Damaged() }
    } catch {
      context.close(promise: nil)
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    events?.finish()
    task?.cancel()
    context.fireChannelInactive()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
