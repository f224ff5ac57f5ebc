import Foundation
import MioLite

/// One line a request, on standard error: never a word of what people say, unless that is asked for.
public struct AccessLog: Sendable {
  /// How lines look.
  public enum Format: String, CaseIterable, Sendable {
    case text, json
  }

  private let format: Format?
  private let prompts: Bool

  init(_ format: Format?, prompts: Bool) {
    self.format = format
    self.prompts = prompts
  }

  private static let longestPrompt = 4000

  func write(_ request: HTTPRequest, _ writer: ResponseWriter, seconds: Double, failure: String?) {
    guard let format else { return }
    let status = writer.status.map { Int($0.code) } ?? 499
    let milliseconds = (seconds * 1000).rounded()
    // Messages may quote what was said.
    let reason = prompts ? failure : failure.map { String($0.prefix { $0 != "'" && $0 != "\"" }.prefix(120)) }
    let body = prompts ? String(decoding: request.body.prefix(Self.longestPrompt), as: UTF8.self) : nil
    switch format {
    case .text:
      let words = [
        request.id, request.method.rawValue, Self.printable(request.path), "\(status)", "\(writer.byteCount) B",
        "\(Int(milliseconds)) ms",
      ]
      Self.line((words + [reason, body].compactMap { $0 }.map(Self.printable)).joined(separator: " "))
    case .json:
      var json: JSON = [
        "id": .string(request.id), "method": .string(request.method.rawValue), "path": .string(request.path),
        "status": .int(status), "bytes": .int(writer.byteCount), "ms": .double(milliseconds),
      ]
      if let reason { json = json.adding(["error": .string(reason)]) }
      if let body { json = json.adding(["body": .string(body)]) }
      Self.line(String(decoding: json.bytes, as: UTF8.self))
    }
  }

  /// A line on standard error; a log that nobody takes any more does not stop the server.
  static func line(_ text: String) { try? FileHandle.standardError.write(contentsOf: Data((text + "\n").utf8)) }

  private static func printable(_ text: String) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }))
  }
}
