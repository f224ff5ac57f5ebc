import Foundation
import MioLite

/// What people hand to commands: text, files, '-' for standard input.
enum Input {
  /// Bytes of the longest text accepted.
  static let longestText = 16 << 20

  /// The text of arguments, as one: words of their own are joined by spaces. '-', or nothing and a pipe, reads standard input.
  ///
  /// - Parameters:
  ///   - what: what to give, in the words of a hint.
  ///   - exact: whether the line end counts that standard input ends with; it is no part of a text that a program prints.
  static func text(_ words: [String], _ what: String, exact: Bool = false) throws -> String {
    if words != ["-"], !words.isEmpty { return try checked(words.joined(separator: " ")) }
    if words.isEmpty && isatty(STDIN_FILENO) == 1 {
      throw Failure(.wrongInput, "\(what): give it as an argument, or pipe it in")
    }
    let text = try standardInputText()
    if words.isEmpty && text.isEmpty {
      throw Failure(.wrongInput, "\(what): give it as an argument; there is nothing on standard input")
    }
    return exact ? text : text.withoutLineEnd
  }

  /// The text of one argument; '-' reads standard input.
  static func text(_ argument: String) throws -> String {
    argument == "-" ? try standardInputText().withoutLineEnd : try checked(argument)
  }

  /// An argument that is read as text; to the system it is bytes.
  static func checked(_ argument: String) throws -> String {
    try decoded(PathText.bytes(argument), "the text '\(PathText.shown(argument).prefix(40))'")
  }

  private static func standardInputText() throws -> String {
    try decoded(standardInput(limit: longestText), "standard input: the text")
  }

  private static func decoded(_ bytes: [UInt8], _ what: String) throws -> String {
    if let text = String(validating: bytes, as: UTF8.self) { return text }
    throw Failure(.wrongInput, "\(what) is not UTF-8 (byte \(firstBadByte(bytes))); convert it with iconv")
  }

  private static func firstBadByte(_ bytes: [UInt8]) -> Int {
    var decoder = UTF8()
    var iterator = bytes.makeIterator()
    var offset = 0
    while case .scalarValue(let scalar) = decoder.decode(&iterator) { offset += UTF8.width(scalar) }
    return offset
  }

  /// What messages call standard input.
  static let standardInputName = "standard input"

  /// Where a medium is read from; '-' is standard input.
  static func source(_ path: String) -> MediaSource {
    path == "-"
      ? MediaSource(readingFrom: .standardInput, name: standardInputName)
      : MediaSource(contentsOf: URL(fileURLWithPath: path))
  }

  /// All of standard input.
  static func standardInput(limit: Int) throws -> [UInt8] {
    // Whoever closed it has nothing to say.
    if fcntl(STDIN_FILENO, F_GETFD) < 0 { return [] }
    var bytes: [UInt8] = []
    while let block = try FileHandle.standardInput.read(upToCount: 1 << 16), !block.isEmpty {
      bytes += block
      if bytes.count > limit {
        throw Failure(.wrongInput, "standard input: more than \(limit >> 20) MiB; cut it into parts")
      }
    }
    return bytes
  }

  /// The bytes of a file; '-' reads standard input.
  static func bytes(of path: String, limit: Int) throws -> [UInt8] {
    if path == "-" { return try standardInput(limit: limit) }
    guard let data = try Files.open(path).read(upToCount: limit + 1) else { return [] }
    if data.count > limit { throw Failure(.wrongInput, "\(path): larger than \(limit >> 20) MiB") }
    return Array(data)
  }

  /// `1,2,3` as token ids.
  static func ids(_ list: String, option: String) throws -> [Int32] {
    let parts = list.split(whereSeparator: { $0 == "," || $0.isWhitespace })
    let ids = parts.compactMap { Int32($0) }
    guard ids.count == parts.count, !ids.isEmpty, ids.allSatisfy({ $0 >= 0 }) else {
      throw Failure(.wrongInput, "\(option): takes token ids such as 1,2,3, not '\(list.prefix(60))'")
    }
    return ids
  }
}

extension String {
  /// The text without the line end behind its last line.
  fileprivate var withoutLineEnd: String {
    last?.isNewline == true && ["\n", "\r\n"].contains(last) ? String(dropLast()) : self
  }
}
