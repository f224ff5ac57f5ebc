import NIOHTTP1

/// A whole request.
struct HTTPRequest: Sendable {
  let method: HTTPMethod
  /// Without the query, and without slashes at the end or side by side: people put addresses together from parts that have them.
  let path: String
  let headers: HTTPHeaders
  let body: [UInt8]
  /// What the log and the answer call it.
  let id: String

  init(_ head: HTTPRequestHead, body: [UInt8], id: String) {
    method = head.method
    path = "/" + head.uri.prefix { $0 != "?" && $0 != "#" }.split(separator: "/").joined(separator: "/")
    headers = head.headers
    self.body = body
    self.id = id
  }

  /// Whether the body says that it is JSON.
  var isJSON: Bool { header("content-type")?.lowercased().hasPrefix("application/json") == true }

  /// A request that came otherwise than over HTTP: a row of a batch.
  init(path: String, json: [UInt8], id: String) {
    method = .POST
    self.path = path
    headers = ["content-type": "application/json"]
    body = json
    self.id = id
  }

  /// The value of a header that counts once.
  func header(_ name: String) -> String? { headers.first(name: name) }
}
