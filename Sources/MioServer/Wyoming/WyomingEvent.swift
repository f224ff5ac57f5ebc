import Foundation
import NIOCore

/// One event of Wyoming: a line of JSON, more JSON, and bytes.
///
/// The protocol of Home Assistant's voice services: https://github.com/OHF-Voice/wyoming.
struct WyomingEvent: Sendable {
  /// What events carry that this server takes.
  struct Fields: Decodable, Sendable {
    var text: String?
    var rate: Int?
    var width: Int?
    var channels: Int?
  }

  let type: String
  let fields: Fields
  let payload: [UInt8]

  private struct Header: Decodable {
    let type: String
    let data: Fields?
    let dataLength: Int?
    let payloadLength: Int?

    private enum CodingKeys: String, CodingKey {
      case type, data
      case dataLength = "data_length"
      case payloadLength = "payload_length"
    }
  }

  /// What is no Wyoming.
  struct Damaged: Error {}

  private static let maxLine = 1 << 20
  private static let maxPart = 16 << 20

  /// Takes the next event from the front of `buffer`; nil where it is not complete.
  static func take(from buffer: inout ByteBuffer) throws -> WyomingEvent? {
    let view = buffer.readableBytesView
    guard let end = view.firstIndex(of: 10) else {
      if view.count > maxLine { throw Damaged() }
      return nil
    }
    let line = Array(view[..<end])
    let header = try JSONDecoder().decode(Header.self, from: Data(line))
    let (dataLength, payloadLength) = (header.dataLength ?? 0, header.payloadLength ?? 0)
    guard (0...maxPart).contains(dataLength), (0...maxPart).contains(payloadLength) else { throw Damaged() }
    guard buffer.readableBytes >= line.count + 1 + dataLength + payloadLength else { return nil }
    buffer.moveReaderIndex(forwardBy: line.count + 1)
    var fields = header.data ?? Fields()
    if dataLength > 0, let bytes = buffer.readBytes(length: dataLength) {
      fields.merge(try JSONDecoder().decode(Fields.self, from: Data(bytes)))
    }
    return WyomingEvent(type: header.type, fields: fields, payload: buffer.readBytes(length: payloadLength) ?? [])
  }

  /// The bytes of an event to be sent.
  static func bytes(_ type: String, _ data: JSON = [:], payload: [UInt8] = []) -> [UInt8] {
    let data = data.bytes
    let header: JSON = [
      "type": .string(type), "version": "1.5.2", "data_length": .int(data.count), "payload_length": .int(payload.count),
    ]
    return header.bytes + [10] + data + payload
  }
}

extension WyomingEvent.Fields {
  fileprivate mutating func merge(_ other: Self) {
    text = other.text ?? text
    rate = other.rate ?? rate
    width = other.width ?? width
    channels = other.channels ?? channels
  }
}
