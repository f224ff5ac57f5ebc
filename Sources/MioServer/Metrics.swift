import Synchronization

/// What happened since the start, for Prometheus.
final class Metrics: Sendable {
  private struct Requests {
    var count = 0
    var seconds = 0.0
  }

  private struct Key: Hashable {
    let endpoint: String
    let status: UInt
  }

  private struct State {
    var running = 0
    var requests: [Key: Requests] = [:]
    var promptTokens = 0
    var generatedTokens = 0
    var spokenSeconds = 0.0
    var heardSeconds = 0.0
    var images = 0
  }

  private let state = Mutex(State())

  /// Requests that have no whole answer yet.
  var running: Int { state.withLock { $0.running } }

  func begin() { state.withLock { $0.running += 1 } }

  func end(_ endpoint: String, status: UInt, seconds: Double) {
    state.withLock { state in
      state.running -= 1
      state.requests[Key(endpoint: endpoint, status: status), default: Requests()].count += 1
      state.requests[Key(endpoint: endpoint, status: status), default: Requests()].seconds += seconds
    }
  }

  func addTokens(prompt: Int, generated: Int) {
    state.withLock { state in
      state.promptTokens += prompt
      state.generatedTokens += generated
    }
  }

  func addSpoken(seconds: Double) { state.withLock { $0.spokenSeconds += seconds } }
  func addHeard(seconds: Double) { state.withLock { $0.heardSeconds += seconds } }
  func addImages(_ count: Int) { state.withLock { $0.images += count } }

  /// The text that Prometheus reads.
  func text(running: Int, waiting: Int) -> String {
    let state = self.state.withLock { $0 }
    var text = ""
    func put(_ name: String, _ type: String, _ help: String, _ lines: [(labels: String, value: String)]) {
      text += "# HELP mio_\(name) \(help)\n# TYPE mio_\(name) \(type)\n"
      for line in lines { text += "mio_\(name)\(line.labels) \(line.value)\n" }
    }
    put("connections_answering", "gauge", "Requests that have no whole answer yet.", [("", "\(state.running)")])
    put("requests_running", "gauge", "Requests that the model works on.", [("", "\(running)")])
    put("requests_waiting", "gauge", "Requests that wait for their turn.", [("", "\(waiting)")])
    put("prompt_tokens_total", "counter", "Tokens of prompts.", [("", "\(state.promptTokens)")])
    put("generated_tokens_total", "counter", "Tokens of replies.", [("", "\(state.generatedTokens)")])
    put("speech_seconds_total", "counter", "Seconds of speech made.", [("", "\(state.spokenSeconds)")])
    put("heard_seconds_total", "counter", "Seconds of sound written down.", [("", "\(state.heardSeconds)")])
    put("images_total", "counter", "Images made.", [("", "\(state.images)")])
    let keys = state.requests.keys.sorted { ($0.endpoint, $0.status) < ($1.endpoint, $1.status) }
    func lines(_ value: (Requests) -> String) -> [(labels: String, value: String)] {
      keys.map { key in
        ("{endpoint=\"\(key.endpoint)\",status=\"\(key.status)\"}", value(state.requests[key] ?? Requests()))
      }
    }
    put("requests_total", "counter", "Requests answered.", lines { "\($0.count)" })
    put("request_seconds_total", "counter", "Seconds until answers were whole.", lines { "\($0.seconds)" })
    return text
  }
}
