import Foundation
import MioLite

/// What a message is made of: a text, or parts of any kind. Kinds that are not known are named in the error.
struct Content: Decodable {
  struct Part: Decodable {
    struct ImageURL: Decodable {
      let url: String

      init(from decoder: any Decoder) throws {
        // Some clients leave the object out.
        if let url = try? decoder.singleValueContainer().decode(String.self) {
          self.url = url
        } else {
          url = try decoder.container(keyedBy: Key.self).decode(String.self, forKey: .url)
        }
      }

      private enum Key: String, CodingKey { case url }
    }

    struct InputAudio: Decodable {
      let data: String
      let format: String?
    }

    struct File: Decodable {
      let fileData: String?
      let filename: String?
      let fileId: String?
    }

    let type: String
    let text: String?
    let imageUrl: ImageURL?
    let inputAudio: InputAudio?
    let inputVideo: InputAudio?
    let videoUrl: ImageURL?
    let file: File?
    let refusal: String?
  }

  let parts: [Part]

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let text = try? container.decode(String.self) {
      parts = [
        Part(
          type: "text", text: text, imageUrl: nil, inputAudio: nil, inputVideo: nil, videoUrl: nil, file: nil, refusal: nil)
      ]
    } else {
      parts = try container.decode([Part].self)
    }
  }

  /// The parts as the model takes them.
  ///
  /// - Parameter place: where they stand in the request, for messages.
  func inputs(at place: String, _ call: Call) throws -> [InputPart] {
    try parts.enumerated().map { index, part in try Self.input(part, at: "\(place)[\(index)]", call) }
  }

  private static func input(_ part: Part, at place: String, _ call: Call) throws -> InputPart {
    switch part.type {
    case "text", "input_text", "output_text": return .text(part.text ?? "")
    case "refusal": return .text(part.refusal ?? "")
    case "image_url":
      let url = try required(part.imageUrl, "image_url", place).url
      return .imageFile(MediaSource(bytes: try call.bytes(of: url, at: "\(place).image_url.url"), name: "\(place) (image)"))
    case "video_url":
      let url = try required(part.videoUrl, "video_url", place).url
      return .videoFile(MediaSource(bytes: try call.bytes(of: url, at: "\(place).video_url.url"), name: "\(place) (video)"))
    case "input_audio":
      let audio = try required(part.inputAudio, "input_audio", place)
      return .audioFile(
        MediaSource(bytes: try call.bytes(of: audio.data, at: "\(place).input_audio.data"), name: "\(place) (sound)"))
    case "input_video":
      let video = try required(part.inputVideo, "input_video", place)
      return .videoFile(
        MediaSource(bytes: try call.bytes(of: video.data, at: "\(place).input_video.data"), name: "\(place) (video)"))
    case "file": return try file(required(part.file, "file", place), at: "\(place).file", call)
    default:
      throw APIError.unsupported(
        "\(place).type", "'\(part.type.prefix(40))' is not known; there are text, image_url, input_audio, input_video and file")
    }
  }

  private static func required<Value>(_ value: Value?, _ name: String, _ place: String) throws -> Value {
    guard let value else { throw APIError.invalid(place, "lacks '\(name)'") }
    return value
  }

  /// A file is what its first bytes say; text is text.
  private static func file(_ file: Part.File, at place: String, _ call: Call) throws -> InputPart {
    guard let data = file.fileData else {
      throw APIError.unsupported("\(place).file_id", "files are not kept here; send the bytes in file_data")
    }
    let bytes = try call.bytes(of: data, at: "\(place).file_data")
    let source = MediaSource(bytes: bytes, name: file.filename.map { "file '\($0.prefix(80))'" } ?? place)
    if let text = String(validating: bytes, as: UTF8.self), !text.contains("\0") { return .text(text) }
    return source.isSound ? .audioFile(source) : .visualFile(source)
  }
}

extension Call {
  /// The bytes of a data URI; in a batch, also those of a file of its media folder.
  func bytes(of text: String, at place: String) throws -> [UInt8] {
    guard let folder = options.mediaFolder, !text.hasPrefix("data:") else { return try DataURI.bytes(text, at: place) }
    return try folder.bytes(of: text, at: place)
  }
}

/// Bytes inside a request: as a `data:` URI or as base64 alone. Nothing is ever fetched.
enum DataURI {
  static func bytes(_ text: String, at place: String) throws -> [UInt8] {
    var encoded = Substring(text)
    if text.hasPrefix("data:") {
      guard let comma = text.firstIndex(of: ",") else { throw APIError.invalid(place, "is a data URI without data") }
      guard text[..<comma].hasSuffix(";base64") else {
        return Array((text[text.index(after: comma)...].removingPercentEncoding ?? "").utf8)
      }
      encoded = text[text.index(after: comma)...]
    } else if text.contains("://") {
      throw APIError.unsupported(place, "addresses are not fetched; send the bytes as 'data:TYPE;base64,...'")
    }
    guard let data = Data(base64Encoded: padded(encoded), options: .ignoreUnknownCharacters), !data.isEmpty else {
      throw APIError.invalid(place, "is not base64, or empty")
    }
    return Array(data)
  }

  /// Some clients leave the padding out.
  private static func padded(_ text: Substring) -> String {
    String(text) + String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)
  }
}
