import ArgumentParser
import Foundation
import MioLite
import MioServer

/// `serve`: OpenAI's endpoints, Wyoming, and a page.
struct ServeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve", abstract: "Serve OpenAI's endpoints and a page to talk, listen, show and draw.",
    discussion: """
      Chat, speech, transcription and images at http://HOST:PORT/v1, a page at http://HOST:PORT/, a description of all of it at
      /openapi.json. Requests are worked on together. Without --host only programs of this machine reach the server; keep
      TLS to a reverse proxy. SIGTERM lets requests finish, SIGHUP opens the model file anew.
      """)

  @Option(help: "Address or name to listen at; 0.0.0.0 is all of this machine.")
  var host = "127.0.0.1"

  @Option(help: "Port to listen at; 0 takes a free one.")
  var port = 8080

  @Option(help: "Listen at a UNIX socket of this path instead.", completion: .file())
  var socket: String?

  @Option(help: "Port at which Wyoming is spoken, for Home Assistant.")
  var wyoming: Int?

  @Option(help: "Requests worked on at the same time.")
  var parallel = 8

  @Option(help: "Requests that may wait; more are refused with status 503.")
  var queue = 64

  @Option(help: "Let in only clients with a key of this file, one a line.", completion: .file())
  var apiKeyFile: String?

  @Option(help: "Web pages of this origin may use the server, as https://example.org; '*' is all. May be given several times.")
  var allowOrigin: [String] = []

  @Option(help: "The server may be addressed by this name. May be given several times.")
  var allowHost: [String] = []

  @Option(help: "What clients call the model (default: the name of its file).")
  var alias: String?

  @Option(help: "Most megabytes of one request.")
  var maxBody = 64

  @Option(help: "How the log is written: text or json.")
  var log: AccessLog.Format = .text

  @Flag(help: "Write what people say into the log.")
  var logPrompts = false

  @OptionGroup var model: ModelOptions
  @OptionGroup var common: CommonOptions

  func validate() throws {
    guard (0...65_535).contains(port) else { throw ValidationError("--port takes a number from 0 to 65535, not \(port)") }
    if let wyoming, !(0...65_535).contains(wyoming) {
      throw ValidationError("--wyoming takes a number from 0 to 65535, not \(wyoming)")
    }
    guard (1...1024).contains(parallel) else {
      throw ValidationError("--parallel takes a number from 1 to 1024, not \(parallel)")
    }
    guard (0...100_000).contains(queue) else {
      throw ValidationError("--queue takes a number from 0 to 100000, not \(queue)")
    }
    guard (1...4096).contains(maxBody) else {
      throw ValidationError("--max-body takes a number of megabytes from 1 to 4096, not \(maxBody)")
    }
  }

  func run() async throws {
    let supervisor = Supervisor()
    Self.raiseDescriptorLimit()
    let opened = try model.open()
    let server = try await Server(opened, try options(supervisor))
    for address in server.addresses where !common.quiet { Output.note("mio-lite: listening at \(address)") }
    let page = server.addresses.first.map { "http://\($0)/" }
    if !common.quiet, socket == nil, !supervisor.handsOverSockets, let page {
      Output.note("mio-lite: \(page) is a page to use it")
    }
    let signals = ServerSignals(
      stop: {
        Output.note("mio-lite: stopping; requests under way have 30 s to finish")
        supervisor.tell("STOPPING=1")
        server.stop()
      },
      reload: { reopen(server, supervisor) })
    supervisor.tell("READY=1")
    supervisor.keepAlive()
    try await server.run()
    signals.end()
  }

  private func options(_ supervisor: Supervisor) throws -> ServerOptions {
    var addresses: [ServerOptions.Address] = supervisor.sockets.map { .descriptor($0) }
    if addresses.isEmpty { addresses = [socket.map { .unixSocket(path: $0) } ?? .tcp(host: host, port: port)] }
    let file = URL(fileURLWithPath: try model.path()).deletingPathExtension().lastPathComponent
    var options = ServerOptions(addresses: addresses, modelName: alias ?? file)
    options.wyoming = wyoming.map { .tcp(host: host, port: $0) }
    options.parallel = parallel
    options.queue = queue
    options.apiKeys = try keys()
    options.allowedOrigins = allowOrigin
    options.allowedHosts = allowHost + [host]
    options.maxBodyBytes = maxBody << 20
    options.log = common.quiet ? nil : log
    options.logsPrompts = logPrompts
    return options
  }

  /// As many open connections as the system lets this process have.
  private static func raiseDescriptorLimit() {
    var limit = rlimit()
    guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
    limit.rlim_cur = limit.rlim_max
    _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
  }

  private func keys() throws -> [String] {
    guard let apiKeyFile else { return [] }
    let text = String(decoding: try Input.bytes(of: apiKeyFile, limit: 1 << 20), as: UTF8.self)
    let keys = text.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }
      .filter { !$0.isEmpty && !$0.hasPrefix("#") }
    if keys.isEmpty { throw Failure(.wrongInput, "\(apiKeyFile): there is no key; write one on each line") }
    return keys
  }

  /// Opens the model file again, for a file that was replaced; a file that cannot be opened changes nothing.
  private func reopen(_ server: Server, _ supervisor: Supervisor) {
    supervisor.tell("RELOADING=1\nMONOTONIC_USEC=\(DispatchTime.now().uptimeNanoseconds / 1000)")
    do {
      server.replaceModel(with: try model.open())
      Output.note("mio-lite: the model file was opened anew")
    } catch {
      Output.note("mio-lite: the model stays as it is: \(Failure(error)?.message ?? "\(error)")")
    }
    supervisor.tell("READY=1")
  }
}

extension AccessLog.Format: ExpressibleByArgument {}

/// Signals of a server: to end, and to open its model anew.
private final class ServerSignals {
  private let sources: [any DispatchSourceSignal]

  init(stop: @escaping @Sendable () -> Void, reload: @escaping @Sendable () -> Void) {
    let queue = DispatchQueue(label: "signals")
    sources = [(SIGINT, stop), (SIGTERM, stop), (SIGHUP, reload)].map { request, act in
      signal(request, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: request, queue: queue)
      source.setEventHandler(handler: act)
      source.resume()
      return source
    }
  }

  func end() { for source in sources { source.cancel() } }
}
