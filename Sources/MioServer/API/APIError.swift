import Foundation
import MioLite
import NIOHTTP1

/// A refusal or failure in the form that OpenAI's clients know.
struct APIError: Error, Sendable {
  var status: HTTPResponseStatus
  var message: String
  var type: String
  /// The field of the request that is wrong.
  var param: String?
  var code: String?
  var retryAfterSeconds: Int?

  init(
    _ status: HTTPResponseStatus, _ message: String, param: String? = nil, code: String? = nil,
    retryAfterSeconds: Int? = nil
  ) {
    self.status = status
    self.message = message
    self.param = param
    self.code = code
    self.retryAfterSeconds = retryAfterSeconds
    type =
      switch status.code {
      case 401: "authentication_error"
      case 403: "permission_error"
      case 404: "not_found_error"
      case 429: "rate_limit_error"
      case 503: "overloaded_error"
      case 500...: "server_error"
      default: "invalid_request_error"
      }
  }

  /// What is wrong with the request.
  static func invalid(_ param: String, _ message: String, code: String? = nil) -> APIError {
    APIError(.badRequest, "\(param): \(message)", param: param, code: code)
  }

  /// Something that clients may ask for and this server cannot do.
  static func unsupported(_ param: String, _ message: String) -> APIError {
    .invalid(param, message, code: "unsupported_value")
  }

  var json: JSON {
    [
      "error": [
        "message": .string(message), "type": .string(type), "param": param.map(JSON.string) ?? nil,
        "code": code.map(JSON.string) ?? nil,
      ]
    ]
  }
}

extension APIError {
  /// Any error as clients get to see it.
  init(_ error: any Error) {
    switch error {
    case let error as APIError: self = error
    case let error as MioError: self.init(error)
    case let error as DecodingError: self.init(error)
    case is CancellationError: self.init(.serviceUnavailable, "the server is stopping; try again", retryAfterSeconds: 5)
    default: self.init(.internalServerError, "\(error)")
    }
  }

  private init(_ error: MioError) {
    switch error.code {
    case .invalidInput: self = Self.field(in: error.message) ?? APIError(.badRequest, error.message)
    case .contextFull: self.init(.badRequest, error.message, param: "messages", code: "context_length_exceeded")
    case .cacheFull: self.init(.badRequest, error.message, code: "context_length_exceeded")
    case .unsupported: self.init(.badRequest, error.message, param: "model", code: "unsupported_by_model")
    default: self.init(.internalServerError, error.message)
    }
  }

  /// What is wrong with a setting that the command line calls `max-tokens`, under the name that requests have for it.
  private static func field(in message: String) -> APIError? {
    guard let end = message.firstRange(of: ": ") else { return nil }
    let name = String(message[..<end.lowerBound].replacing("-", with: "_"))
    guard Self.settings.contains(name) else { return nil }
    return .invalid(name, String(message[end.upperBound...]))
  }

  private static let settings: Set = [
    "temperature", "top_k", "top_p", "repetition_penalty", "length_penalty", "max_tokens", "beams",
  ]

  private init(_ error: DecodingError) {
    let (context, what): (DecodingError.Context, String) =
      switch error {
      case .typeMismatch(let type, let context): (context, "must be \(Self.name(of: type))")
      case .valueNotFound(let type, let context): (context, "must be \(Self.name(of: type)), not null")
      case .keyNotFound(let key, let context): (context, "lacks '\(Self.snakeCase(key.stringValue))'")
      case .dataCorrupted(let context): (context, context.debugDescription)
      @unknown default: (.init(codingPath: [], debugDescription: ""), "cannot be read")
      }
    let path = context.codingPath.map { key in key.intValue.map { "[\($0)]" } ?? ".\(Self.snakeCase(key.stringValue))" }
      .joined().drop { $0 == "." }
    if path.isEmpty {
      self.init(.badRequest, "the body is not a JSON object as it should be: \(what)")
    } else {
      self = .invalid(String(path), what)
    }
  }

  /// A name as it is sent.
  private static func snakeCase(_ name: String) -> String {
    name.map { $0.isUppercase ? "_\($0.lowercased())" : "\($0)" }.joined()
  }

  private static func name(of type: any Any.Type) -> String {
    switch "\(type)" {
    case "String": "a string"
    case "Int", "Int64": "a whole number"
    case "Double": "a number"
    case "Bool": "true or false"
    case let name where name.hasPrefix("Array") || name.hasPrefix("Unkeyed"): "a list"
    default: "an object"
    }
  }
}
