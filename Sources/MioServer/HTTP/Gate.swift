import Foundation
import NIOHTTP1

/// Who may use the server: by key, by the name under which it is addressed, by the page that asks.
struct Gate: Sendable {
  private let keys: [[UInt8]]
  private let hosts: Set<String>
  private let origins: Set<String>

  /// What everybody may see: whether the server lives, and the page, which asks for the key itself.
  private static let open: Set = ["/", "/index.html", "/health", "/favicon.ico"]

  init(_ options: ServerOptions) {
    keys = options.apiKeys.map { Array($0.utf8) }
    let own = ProcessInfo.processInfo.hostName.lowercased()
    hosts = Set(options.allowedHosts.map { $0.lowercased() } + ["localhost", own, "\(own).local"])
    origins = Set(options.allowedOrigins.map { $0.lowercased() })
  }

  /// - Throws: ``APIError`` if the request is not let in.
  func check(_ head: HTTPRequestHead) throws {
    try checkHost(head)
    try checkOrigin(head)
    if head.method == .OPTIONS { return }
    try checkKey(head)
  }

  /// A page of the web whose name was made to lead here would call the server by its own name.
  private func checkHost(_ head: HTTPRequestHead) throws {
    guard let host = head.headers.first(name: "host"), !host.isEmpty else {
      if head.version.minor == 0 { return }
      throw APIError(.badRequest, "the request has no Host header")
    }
    let name = Self.name(ofHost: host)
    guard isAddress(name) || hosts.contains(name) || name.hasSuffix(".localhost") else {
      throw APIError(
        .forbidden, "this server is not known as '\(name.prefix(80))'; start it with --allow-host if it should be",
        code: "host_not_allowed")
    }
  }

  /// Other web pages may not use the server in the name of who looks at them.
  private func checkOrigin(_ head: HTTPRequestHead) throws {
    guard let origin = head.headers.first(name: "origin"), !isAllowed(origin: origin, host: head.headers.first(name: "host"))
    else { return }
    throw APIError(
      .forbidden, "pages of '\(origin.prefix(80))' may not use this server; start it with --allow-origin if they should",
      code: "origin_not_allowed")
  }

  private func checkKey(_ head: HTTPRequestHead) throws {
    if keys.isEmpty || Self.open.contains(String(head.uri.prefix { $0 != "?" })) { return }
    let given = head.headers.first(name: "authorization").flatMap { value -> [UInt8]? in
      let words = value.split(separator: " ")
      return words.count == 2 && words[0].lowercased() == "bearer" ? Array(words[1].utf8) : nil
    }
    // Every key is compared, and to its end, so that the time says nothing.
    let isKnown = keys.reduce(false) { known, key in Self.areEqual(key, given ?? []) || known }
    guard isKnown else {
      throw APIError(
        .unauthorized, given == nil ? "an API key is needed: 'Authorization: Bearer KEY'" : "the API key is not known here",
        code: "invalid_api_key")
    }
  }

  /// Whether a page of this origin may use a server that is addressed as `host`.
  func isAllowed(origin: String, host: String?) -> Bool {
    let origin = origin.lowercased()
    if origins.contains("*") || origins.contains(origin) { return true }
    guard let host, let end = origin.range(of: "://") else { return false }
    return origin[end.upperBound...] == host.lowercased()
  }

  private func isAddress(_ name: String) -> Bool {
    if name.hasPrefix("[") { return true }
    let numbers = name.split(separator: ".", omittingEmptySubsequences: false)
    return numbers.count == 4 && numbers.allSatisfy { UInt8($0) != nil }
  }

  private static func name(ofHost host: String) -> String {
    let host = host.lowercased()
    if host.hasPrefix("["), let end = host.firstIndex(of: "]") { return String(host[...end]) }
    return String(host.prefix { $0 != ":" })
  }

  private static func areEqual(_ a: [UInt8], _ b: [UInt8]) -> Bool {
    var difference = a.count ^ b.count
    for index in a.indices { difference |= Int(a[index] ^ (index < b.count ? b[index] : 0)) }
    return difference == 0
  }
}
