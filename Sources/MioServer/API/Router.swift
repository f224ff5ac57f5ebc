import NIOHTTP1

/// Which function answers which request.
enum Router {
  private struct Endpoint: Sendable {
    let method: HTTPMethod
    let answer: @Sendable (Call) async throws -> Void

    static func get(_ answer: @escaping @Sendable (Call) async throws -> Void) -> Endpoint {
      Endpoint(method: .GET, answer: answer)
    }
    static func post(_ answer: @escaping @Sendable (Call) async throws -> Void) -> Endpoint {
      Endpoint(method: .POST, answer: answer)
    }
  }

  private static let routes: [String: Endpoint] = [
    "/": .get(page),
    "/index.html": .get(page),
    "/health": .get(health),
    "/metrics": .get(metrics),
    "/openapi.json": .get(openAPI),
    "/v1/models": .get(Models.list),
    "/v1/audio/voices": .get(Models.voices),
    "/audio/voices": .get(Models.voices),
    "/v1/chat/completions": .post(ChatCompletions.answer),
    "/v1/completions": .post(Completions.answer),
    "/v1/audio/speech": .post(Speech.answer),
    "/v1/audio/transcriptions": .post(Transcriptions.answer),
    "/v1/audio/translations": .post(Transcriptions.refuseTranslation),
    "/v1/images/generations": .post(Images.generate),
    "/v1/images/edits": .post(Images.edit),
  ]

  static func answer(_ call: Call) async throws {
    let path = call.request.path
    if let coding = call.request.header("content-encoding"), coding.lowercased() != "identity" {
      throw APIError(.unsupportedMediaType, "content-encoding '\(coding.prefix(20))' is not read; send the body as it is")
    }
    let endpoint = path.hasPrefix("/v1/models/") ? .get(Models.one) : routes[path]
    guard let endpoint else {
      throw APIError(.notFound, "there is nothing at \(path.prefix(200)); GET /openapi.json lists what there is")
    }
    call.endpoint = path.hasPrefix("/v1/models/") ? "/v1/models" : path
    let (method, allowed) = (call.request.method, endpoint.method)
    if method == .OPTIONS { return try await preflight(call, allowed.rawValue) }
    guard method == allowed || method == .HEAD && allowed == .GET else {
      throw APIError(.methodNotAllowed, "\(method.rawValue) is not for \(path.prefix(200)); use \(allowed.rawValue)")
    }
    try await endpoint.answer(call)
  }

  /// What browsers ask before a page of another origin may send something.
  private static func preflight(_ call: Call, _ allowed: String) async throws {
    var headers: HTTPHeaders = ["allow": "\(allowed), OPTIONS"]
    if call.request.header("origin") != nil {
      headers.add(name: "access-control-allow-methods", value: "\(allowed), OPTIONS")
      let asked = call.request.header("access-control-request-headers") ?? "authorization, content-type"
      headers.add(name: "access-control-allow-headers", value: asked)
      headers.add(name: "access-control-max-age", value: "600")
    }
    try await call.writer.send(.noContent, "text/plain", [], headers: headers)
  }

  /// The page. Only the script and the style that stand in it are run: the policy names them by a mark that each answer has
  /// anew, so that what a model or a file says cannot become a script. The script makes a recorder of its own (`blob:`).
  private static func page(_ call: Call) async throws {
    let mark = (0..<3).map { _ in String(UInt64.random(in: .min ... .max), radix: 36) }.joined()
    try await call.writer.send(
      .ok, "text/html; charset=utf-8", Array(Service.page.joined(separator: mark.utf8)),
      headers: [
        "cache-control": "no-cache",
        "content-security-policy":
          "default-src 'none'; script-src 'nonce-\(mark)' blob:; style-src 'nonce-\(mark)'; connect-src 'self'; "
          + "img-src 'self' data: blob:; media-src data: blob:; worker-src blob:; base-uri 'none'; form-action 'none'; "
          + "frame-ancestors 'none'",
        "permissions-policy": "camera=(self), microphone=(self), geolocation=()",
        "referrer-policy": "no-referrer",
      ])
  }

  private static func health(_ call: Call) async throws {
    let (running, waiting) = call.service.admission.counts
    try await call.writer.send([
      "status": call.service.isDraining ? "stopping" : "ok", "model": .string(call.options.modelName),
      "running": .int(running), "waiting": .int(waiting),
    ])
  }

  private static func metrics(_ call: Call) async throws {
    let (running, waiting) = call.service.admission.counts
    try await call.writer.send(
      .ok, "text/plain; version=0.0.4; charset=utf-8",
      Array(call.service.metrics.text(running: running, waiting: waiting).utf8))
  }

  private static func openAPI(_ call: Call) async throws {
    try await call.writer.send(.ok, "application/json", Service.openAPI)
  }
}
