import MioLite

/// How a server listens, and what it allows.
public struct ServerOptions: Sendable {
  /// Where connections are accepted.
  public enum Address: Hashable, Sendable {
    case tcp(host: String, port: Int)
    case unixSocket(path: String)
    /// A socket that listens already, as systemd hands it over.
    case descriptor(Int32)
  }

  public var addresses: [Address]
  /// Where Wyoming is spoken; `nil` is nowhere.
  public var wyoming: Address?
  /// What clients call the model.
  public var modelName: String
  /// Requests that are worked on at the same time.
  public var parallel = 8
  /// Requests that wait beyond these; more are refused with status 503.
  public var queue = 64
  /// Keys of which a client must present one; none lets everybody in.
  public var apiKeys: [String] = []
  /// Origins of web pages that may use the server besides its own page; `*` is all.
  public var allowedOrigins: [String] = []
  /// Names under which the server may be addressed, besides addresses, localhost and the machine's own name.
  public var allowedHosts: [String] = []
  /// Most bytes of a request's body.
  public var maxBodyBytes = 64 << 20
  /// Most bytes of all bodies that are held at the same time.
  public var maxBufferedBytes = 512 << 20
  /// Connections at the same time.
  public var maxConnections = 16_384
  /// Seconds after which a connection without a request is closed.
  public var idleSeconds = 75
  /// Seconds that a request's body may make little progress, and a client not read.
  public var stallSeconds = 30
  /// Seconds of silence after which a stream says that it is alive.
  public var pingSeconds = 5.0
  /// Seconds that requests get to finish when the server is asked to stop.
  public var drainSeconds = 30
  /// Seconds that the speech of earlier answers may be referred to.
  public var audioMemorySeconds = 3600
  /// How the log is written; `nil` is not at all.
  public var log: AccessLog.Format? = .text
  /// Whether the log holds what people say.
  public var logsPrompts = false
  public var image = ImageOptions()
  /// Where tasks of requests run; `nil` is where all tasks do.
  public var taskExecutor: (any TaskExecutor)?
  /// Where rows of a batch may name files; nil for servers, which never open a file that a client names.
  var mediaFolder: MediaFolder?

  public init(addresses: [Address], modelName: String) {
    self.addresses = addresses
    self.modelName = modelName
  }
}
