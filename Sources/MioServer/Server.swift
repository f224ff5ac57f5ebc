import Foundation
import MioLite
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import NIOPosix

/// A server of OpenAI's endpoints, of Wyoming, and of a page, over one model.
///
/// ```swift
/// let server = try await Server(model, ServerOptions(addresses: [.tcp(host: "127.0.0.1", port: 8080)], modelName: "mio"))
/// try await server.run()  // until stop() is called
/// ```
public final class Server: Sendable {
  private let service: Service
  private let group: MultiThreadedEventLoopGroup
  private let listeners: [any Channel]
  private let connections: ConnectionCounter
  /// Where the server listens, in words.
  public let addresses: [String]

  /// Binds the addresses; connections are accepted from then on.
  ///
  /// - Throws: ``MioError`` with code `.failed` if an address cannot be had.
  public init(_ model: Model, _ options: ServerOptions) async throws {
    let service = Service(model, options)
    let connections = ConnectionCounter(limit: options.maxConnections)
    // Connections only pass bytes on: one thread is enough for thousands.
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    var listeners: [any Channel] = []
    do {
      for address in options.addresses {
        listeners.append(
          try await Self.listen(address, on: group) { channel in
            try connections.admit(channel)
            try channel.pipeline.syncOperations.configureHTTPServerPipeline(withErrorHandling: true)
            try channel.pipeline.syncOperations.addHandler(HTTPHandler(service))
          })
      }
      if let address = options.wyoming {
        listeners.append(
          try await Self.listen(address, on: group) { channel in
            try connections.admit(channel)
            try channel.pipeline.syncOperations.addHandler(WyomingHandler(service))
          })
      }
    } catch {
      for listener in listeners { try? await listener.close() }
      try? await group.shutdownGracefully()
      throw error
    }
    (self.service, self.group, self.listeners, self.connections) = (service, group, listeners, connections)
    addresses = zip(options.addresses + [options.wyoming].compactMap { $0 }, listeners).map(Self.words)
  }

  /// Serves until ``stop()`` has been called and requests under way have ended, or had the time for it.
  public func run() async throws {
    for listener in listeners { try await listener.closeFuture.get() }
    let end = ContinuousClock.now + .seconds(service.options.drainSeconds)
    while service.metrics.running > 0, ContinuousClock.now < end { try? await Task.sleep(for: .milliseconds(50)) }
    await connections.closeAll()
    // Cancelled with their connections; what they do at their end still needs the threads.
    let last = ContinuousClock.now + .seconds(5)
    while service.isBusy, ContinuousClock.now < last { try? await Task.sleep(for: .milliseconds(5)) }
    try await group.shutdownGracefully()
  }

  /// Accepts no more connections; requests under way go on.
  public func stop() {
    // Once: afterwards there may be no thread left that could close anything.
    guard service.drain() else { return }
    for listener in listeners { listener.close(promise: nil) }
  }

  /// Serves new requests with another model; those under way keep theirs.
  public func replaceModel(with model: Model) { service.model = model }

  private static func listen(
    _ address: ServerOptions.Address, on group: MultiThreadedEventLoopGroup,
    _ prepare: @escaping @Sendable (any Channel) throws -> Void
  ) async throws -> any Channel {
    let bootstrap = ServerBootstrap(group: group)
      .serverChannelOption(.backlog, value: 1024)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelOption(.writeBufferWaterMark, value: .init(low: 1 << 16, high: 1 << 18))
      .childChannelInitializer { channel in channel.eventLoop.makeCompletedFuture { try prepare(channel) } }
    do {
      switch address {
      case .tcp(let host, let port): return try await bootstrap.bind(host: host, port: port).get()
      case .unixSocket(let path):
        return try await bootstrap.bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true).get()
      case .descriptor(let descriptor): return try await bootstrap.withBoundSocket(descriptor).get()
      }
    } catch {
      throw MioError(.failed, "\(words(address)): cannot listen there (\(error)); choose another, or end what has it")
    }
  }

  private static func words(_ address: ServerOptions.Address) -> String {
    switch address {
    case .tcp(let host, let port): "\(host):\(port)"
    case .unixSocket(let path): path
    case .descriptor(let number): "descriptor \(number)"
    }
  }

  /// The address, with the port that the system chose.
  private static func words(_ address: ServerOptions.Address, _ listener: any Channel) -> String {
    guard case .tcp(let host, _) = address, let port = listener.localAddress?.port else { return words(address) }
    return host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
  }
}

/// The connections that are open, of which there is a bounded number.
private final class ConnectionCounter: Sendable {
  private struct TooMany: Error {}

  private let limit: Int
  private let open = NIOLockedValueBox<[ObjectIdentifier: any Channel]>([:])

  init(limit: Int) { self.limit = limit }

  /// - Throws: if there are too many; the connection is closed then.
  func admit(_ channel: any Channel) throws {
    try open.withLockedValue { open in
      guard open.count < limit else { throw TooMany() }
      open[ObjectIdentifier(channel)] = channel
    }
    channel.closeFuture.whenComplete { [self] _ in
      open.withLockedValue { $0[ObjectIdentifier(channel)] = nil }
    }
  }

  func closeAll() async {
    for channel in open.withLockedValue({ Array($0.values) }) { try? await channel.close() }
  }
}
