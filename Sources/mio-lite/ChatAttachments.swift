import Foundation
import MioLite

/// A medium that goes with the next words of a conversation; it has been read once, so that it is no surprise later.
struct Attachment {
  let part: InputPart
  let type: String
  let name: String

  var shown: AnswerPart { type == "text" ? AnswerPart(type: type, text: name) : AnswerPart(type: type, file: name) }
}

/// What goes with the next words of a conversation.
struct Attachments {
  private let model: Model
  private(set) var list: [Attachment] = []

  init(_ model: Model) { self.model = model }

  enum Kind: String {
    case audio, image, video
  }

  mutating func clear() { list = [] }

  /// Reads what was given along on the command line.
  mutating func add(_ part: InputPart) async throws {
    switch part {
    case .audioFile(let source): try await add(source, as: .audio)
    case .imageFile(let source): try await add(source, as: .image)
    case .videoFile(let source): try await add(source, as: .video)
    case .text(let text): list.append(Attachment(part: part, type: "text", name: text))
    default: preconditionFailure("the command line gives files and words")
    }
  }

  /// Reads a medium, or refuses it and keeps the others.
  mutating func add(_ source: MediaSource, as kind: Kind) async throws {
    switch kind {
    case .audio:
      try model.require(.speech)
      let audio = try Audio(source)
      list.append(Attachment(part: source.isOnce ? .audio(audio) : .audioFile(source), type: "speech", name: source.name))
    case .image:
      try model.require(.seeing)
      let image = try Image(source)
      list.append(Attachment(part: source.isOnce ? .image(image) : .imageFile(source), type: "image", name: source.name))
    case .video:
      try model.require(.seeing)
      let video = try await Interrupts.during { cancellation in
        try await cancellation.stopping { try await Video(source) }
      }
      list.append(Attachment(part: .video(video), type: "video", name: source.name))
    }
  }
}

extension MediaSource {
  /// Whether it can be read only once.
  fileprivate var isOnce: Bool { name == Input.standardInputName }
}

/// Paths as people type, copy and drop them.
enum TypedPath {
  /// The files that a text begins with, and the words behind them.
  ///
  /// A path may be quoted, have spaces behind backslashes, begin with `~/` or `file://`, or stand for itself.
  static func split(_ text: String) -> (paths: [String], words: String) {
    let text = text.trimmingCharacters(in: .whitespaces)
    let whole = expanded(text)
    if Files.exists(whole) { return ([whole], "") }
    var paths: [String] = []
    var rest = Substring(text)
    while let (word, behind) = firstWord(rest) {
      let path = expanded(word)
      guard Files.exists(path) else { break }
      paths.append(path)
      rest = behind
    }
    return (paths, rest.trimmingCharacters(in: .whitespaces))
  }

  /// The first path of a text, whether it exists or not, and the words behind it; nil for no text.
  static func first(_ text: String) -> (path: String, words: String)? {
    firstWord(Substring(text)).map { (expanded($0.word), $0.rest.trimmingCharacters(in: .whitespaces)) }
  }

  /// Where to write: the whole text is one path.
  static func target(_ text: String) -> String {
    guard let (word, rest) = firstWord(Substring(text)), rest.allSatisfy(\.isWhitespace) else { return text }
    return expanded(word)
  }

  /// One word of a shell: quotes and backslashes are taken off.
  private static func firstWord(_ text: Substring) -> (word: String, rest: Substring)? {
    var rest = text.drop(while: \.isWhitespace)
    guard !rest.isEmpty else { return nil }
    var word = ""
    var quote: Character?
    while let next = rest.first {
      rest.removeFirst()
      switch (next, quote) {
      case (let mark, let open?) where mark == open: quote = nil
      case ("'", nil), ("\"", nil): quote = next
      case ("\\", nil), ("\\", "\""):
        guard let escaped = rest.first else { return (word + "\\", rest) }
        word.append(escaped)
        rest.removeFirst()
      case (_, nil) where next.isWhitespace: return (word, rest)
      default: word.append(next)
      }
    }
    return (word, rest)
  }

  private static func expanded(_ word: String) -> String {
    if word.hasPrefix("file://") {
      let path = word.dropFirst("file://".count).drop { $0 != "/" }
      return PathText.text(decoded(Array(path.utf8)))
    }
    if word == "~" || word.hasPrefix("~/"), let home = ProcessInfo.processInfo.environment["HOME"] {
      return home + word.dropFirst()
    }
    return word
  }

  /// Bytes behind percent signs.
  private static func decoded(_ bytes: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    var index = 0
    while index < bytes.count {
      if bytes[index] == UInt8(ascii: "%"), index + 2 < bytes.count,
        let value = UInt8(String(decoding: bytes[index + 1...index + 2], as: UTF8.self), radix: 16)
      {
        result.append(value)
        index += 3
      } else {
        result.append(bytes[index])
        index += 1
      }
    }
    return result
  }

  /// An image or a video among the words of a text: the name of a file that is there, or the first word if it looks like one.
  static func picture(among words: [String]) -> String? {
    func isPicture(_ word: String) -> Bool {
      guard !word.contains(where: \.isWhitespace), !Files.isFolder(word), let kind = kind(word) else { return false }
      return kind != .audio && (word == words.first || Files.exists(word))
    }
    return words.first(where: isPicture)
  }

  /// What a file that is dropped on the terminal may be; nil if it is no medium by its name.
  static func kind(_ path: String) -> Attachments.Kind? {
    if Files.isFolder(path) { return .video }
    let name = path.split(separator: "/").last ?? ""
    switch name.split(separator: ".").last.map({ $0.lowercased() }) {
    case "png", "jpg", "jpeg", "webp", "bmp": return .image
    case "wav", "flac", "ogg", "oga", "opus", "mp3", "aif", "aiff", "au", "caf", "w64", "m4a", "aac", "amr": return .audio
    case "mp4", "mkv", "mov", "webm", "avi", "m4v", "gif", "mpg", "mpeg": return .video
    default: return nil
    }
  }
}
