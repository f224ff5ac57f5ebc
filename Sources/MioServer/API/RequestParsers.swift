import Foundation
import NIOCore

/// The readers of what clients send on bytes in memory, for tests that try every kind of damage. The bytes of HTTP itself are
/// SwiftNIO's to read.
package enum RequestParsers {
  /// A form whose boundary is `b`.
  package static func form(_ bytes: [UInt8]) {
    guard let form = try? Multipart(bytes, type: "multipart/form-data; boundary=b") else { return }
    for name in Set(form.fields.map(\.name)) {
      _ = try? (form.text(name), form.number(name), form.integer(name), form.flag(name))
      _ = (form.list(name), form.files(name).map(form.bytes))
    }
  }

  /// A body of chat completions, and what its messages hold.
  package static func chat(_ bytes: [UInt8]) {
    guard let body = try? Call.json(ChatBody.self, bytes) else { return }
    for part in body.messages.flatMap({ $0.content?.parts ?? [] }) {
      for data in [part.imageUrl?.url, part.inputAudio?.data, part.file?.fileData].compactMap({ $0 }) {
        _ = try? DataURI.bytes(data, at: "fuzz")
      }
    }
  }

  /// Events of Wyoming, one after the other.
  package static func wyoming(_ bytes: [UInt8]) {
    var buffer = ByteBuffer(bytes: bytes)
    while let event = try? WyomingEvent.take(from: &buffer) { _ = event.payload.count }
  }
}
