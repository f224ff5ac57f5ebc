import Foundation
import MioLite
import MioLiteDemo
import MioServer

/// A server on a free port, in this process, for as long as a test needs it.
final class TestServer: Sendable {
  let port: Int
  let wyomingPort: Int
  let server: Server
  private let running: Task<Void, any Error>

  /// - Parameter model: nil is the demo model.
  init(_ model: String? = nil, _ change: (inout ServerOptions) -> Void = { _ in }) async throws {
    var options = ServerOptions(addresses: [.tcp(host: "127.0.0.1", port: 0)], modelName: "mio")
    options.wyoming = .tcp(host: "127.0.0.1", port: 0)
    options.log = nil
    options.taskExecutor = ThreadExecutor.shared
    options.image.steps = 2
    change(&options)
    let server = try await Server(try Model(path: model ?? Self.demo), options)
    self.server = server
    let ports = server.addresses.map { Int($0.split(separator: ":").last ?? "") ?? 0 }
    (port, wyomingPort) = (ports[0], ports[1])
    running = Task { try await server.run() }
  }

  deinit { server.stop() }

  /// Where the demo model lies.
  static var demo: String { DemoModel.url?.path ?? "" }

  /// Stops the server and waits for its end.
  func stop() async throws {
    server.stop()
    try await running.value
  }

  func get(_ path: String, headers: [String: String] = [:]) throws -> HTTPClient.Answer {
    try HTTPClient(port: port).request("GET", path, headers: headers)
  }

  func post(_ path: String, _ json: [String: Any], headers: [String: String] = [:]) throws -> HTTPClient.Answer {
    let body = try JSONSerialization.data(withJSONObject: json)
    let headers = ["content-type": "application/json"].merging(headers) { $1 }
    return try HTTPClient(port: port).request("POST", path, headers: headers, body: Array(body))
  }

  func post(_ path: String, _ form: Form) throws -> HTTPClient.Answer {
    try HTTPClient(port: port).request("POST", path, headers: form.headers, body: form.body)
  }

  /// A number of /metrics.
  func metric(_ name: String) throws -> Double {
    let line = try get("/metrics").text.split(separator: "\n").first { $0.hasPrefix("mio_\(name) ") }
    return line?.split(separator: " ").last.flatMap { Double($0) } ?? -1
  }

  /// Waits for a state of `/health`, but not forever: on a machine that is fast, or busy with other tests, it may be over before
  /// anybody looks.
  @discardableResult
  func sees(within seconds: Int = 30, _ holds: (_ running: Int, _ waiting: Int) -> Bool) async throws -> Bool {
    let end = ContinuousClock.now + .seconds(seconds)
    repeat {
      let health = try get("/health").json
      if holds(health["running"] as? Int ?? 0, health["waiting"] as? Int ?? 0) { return true }
      try await Task.sleep(for: .milliseconds(2))
    } while ContinuousClock.now < end
    return false
  }

  /// Waits until nothing is worked on any more.
  func becomesIdle() async throws -> Bool {
    for _ in 0..<600 {
      let health = try get("/health").json
      if health["running"] as? Int == 0, health["waiting"] as? Int == 0 { return true }
      try await Task.sleep(for: .milliseconds(20))
    }
    return false
  }
}

/// Runs a blocking piece of a test on a thread of its own, beside others.
func beside<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
  try await withCheckedThrowingContinuation { continuation in
    Thread.detachNewThread { continuation.resume(with: Swift.Result { try body() }) }
  }
}
