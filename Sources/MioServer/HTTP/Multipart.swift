/// The fields of a `multipart/form-data` body (RFC 7578), within limits.
struct Multipart {
  /// One field; files are fields with a name of their own.
  struct Field {
    let name: String
    let fileName: String?
    /// Where in the body its bytes lie.
    let range: Range<Int>
  }

  let fields: [Field]
  private let body: [UInt8]

  private static let maxFields = 100
  private static let maxHeaderBytes = 4096

  /// - Parameters:
  ///   - body: of the request.
  ///   - type: its content type, which names the boundary.
  init(_ body: [UInt8], type: String?) throws {
    guard let type, type.lowercased().hasPrefix("multipart/form-data"), let boundary = Self.parameter("boundary", of: type),
      (1...200).contains(boundary.utf8.count)
    else { throw APIError(.badRequest, "the body must be multipart/form-data with a boundary: send the file as a form") }
    self.body = body
    fields = try Self.fields(body, Array("--\(boundary)".utf8))
  }

  /// The bytes of a field.
  func bytes(_ field: Field) -> [UInt8] { Array(body[field.range]) }

  /// The last value of a field; an empty one counts as none.
  func text(_ name: String) throws -> String? {
    guard let field = fields.last(where: { $0.name == name && $0.fileName == nil }), !field.range.isEmpty else { return nil }
    guard let text = String(validating: body[field.range], as: UTF8.self) else {
      throw APIError.invalid(name, "is not UTF-8")
    }
    return text
  }

  func number(_ name: String) throws -> Double? {
    guard let text = try text(name) else { return nil }
    guard let number = Double(text) else { throw APIError.invalid(name, "must be a number") }
    return number
  }

  func integer(_ name: String) throws -> Int? {
    guard let text = try text(name) else { return nil }
    guard let number = Int(text) else { throw APIError.invalid(name, "must be a whole number") }
    return number
  }

  func flag(_ name: String) throws -> Bool {
    switch try text(name)?.lowercased() {
    case nil, "false", "0": false
    case "true", "1": true
    default: throw APIError.invalid(name, "must be true or false")
    }
  }

  /// All values of a list: `name` and `name[]`.
  func list(_ name: String) -> [String] {
    fields.filter { ($0.name == name || $0.name == "\(name)[]") && $0.fileName == nil }
      .map { String(decoding: body[$0.range], as: UTF8.self) }.filter { !$0.isEmpty }
  }

  /// All files of a name: `name` and `name[]`.
  func files(_ name: String) -> [Field] {
    fields.filter { ($0.name == name || $0.name == "\(name)[]") && !$0.range.isEmpty }
  }

  private static func fields(_ body: [UInt8], _ mark: [UInt8]) throws -> [Field] {
    func damaged(_ what: String) -> APIError { APIError(.badRequest, "the form is damaged: \(what)") }
    guard let first = find(mark, in: body, from: 0) else { throw damaged("its boundary never comes") }
    var fields: [Field] = []
    var position = first + mark.count
    let lineMark = Array("\r\n".utf8) + mark
    while true {
      if body[position...].starts(with: "--".utf8) { return fields }
      guard body[position...].starts(with: "\r\n".utf8) else { throw damaged("no line ends behind a boundary") }
      guard fields.count < maxFields else { throw damaged("it has more than \(maxFields) fields") }
      let limit = min(body.count, position + maxHeaderBytes)
      guard let headersEnd = find(Array("\r\n\r\n".utf8), in: Array(body[position..<limit]), from: 0).map({ $0 + position })
      else { throw damaged("a field has no end of its headers within \(maxHeaderBytes) bytes") }
      let start = headersEnd + 4
      guard let end = find(lineMark, in: body, from: start) else { throw damaged("its end is missing") }
      let headers = String(decoding: body[position..<headersEnd], as: UTF8.self)
      let disposition = headers.split(separator: "\r\n").first { $0.lowercased().hasPrefix("content-disposition:") }
      guard let disposition, let name = parameter("name", of: String(disposition)) else {
        throw damaged("a field has no name")
      }
      fields.append(Field(name: name, fileName: parameter("filename", of: String(disposition)), range: start..<end))
      position = end + lineMark.count
    }
  }

  /// A parameter of a header, quoted or not.
  private static func parameter(_ name: String, of header: String) -> String? {
    for part in header.split(separator: ";").dropFirst() {
      let part = part.drop { $0 == " " }
      guard part.lowercased().hasPrefix("\(name)=") else { continue }
      let value = part.dropFirst(name.count + 1)
      if value.hasPrefix("\""), let end = value.dropFirst().firstIndex(of: "\"") {
        return String(value[value.index(after: value.startIndex)..<end])
      }
      return String(value.prefix { $0 != " " && $0 != "\r" })
    }
    return nil
  }

  /// Where `pattern` first lies in `bytes`. Its first byte is rare in media, and none of our patterns repeats its beginning.
  private static func find(_ pattern: [UInt8], in bytes: [UInt8], from start: Int) -> Int? {
    guard bytes.count >= pattern.count, let first = pattern.first else { return nil }
    var index = start
    let last = bytes.count - pattern.count
    while index <= last {
      guard let next = bytes[index...last].firstIndex(of: first) else { return nil }
      if bytes[next..<(next + pattern.count)].elementsEqual(pattern) { return next }
      index = next + 1
    }
    return nil
  }
}
