import NIOHTTP1

/// Where the answer to one request goes: to a client, or into a row of a batch.
protocol AnswerWriter: AnyObject, Sendable {
  /// The status that was sent.
  var status: HTTPResponseStatus? { get }

  /// Begins an answer whose length is not known.
  func begin(_ status: HTTPResponseStatus, _ headers: HTTPHeaders)

  /// Sends a piece of the body and waits until it is taken.
  ///
  /// - Throws: if the client is gone.
  func write(_ bytes: [UInt8]) async throws

  /// Ends the answer.
  func end() async throws
}

extension AnswerWriter {
  /// Sends a whole answer.
  func send(_ status: HTTPResponseStatus, _ type: String, _ body: [UInt8], headers: HTTPHeaders = [:]) async throws {
    var headers = headers
    headers.replaceOrAdd(name: "content-type", value: type)
    if status.code != 204 { headers.replaceOrAdd(name: "content-length", value: "\(body.count)") }
    begin(status, headers)
    if !body.isEmpty { try await write(body) }
    try await end()
  }

  /// Sends a whole answer of JSON.
  func send(_ json: JSON, status: HTTPResponseStatus = .ok, headers: HTTPHeaders = [:]) async throws {
    try await send(status, "application/json", json.bytes, headers: headers)
  }

  /// Sends what was wrong, if no answer has begun.
  func send(_ error: APIError) async throws {
    var headers = HTTPHeaders()
    if let seconds = error.retryAfterSeconds { headers.add(name: "retry-after", value: "\(seconds)") }
    if error.status == .unauthorized { headers.add(name: "www-authenticate", value: "Bearer") }
    try await send(error.json, status: error.status, headers: headers)
  }
}
