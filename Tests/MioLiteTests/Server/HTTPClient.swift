import Foundation

/// A client that sends exactly the bytes it is told to, over a plain socket.
final class HTTPClient {
  struct Answer {
    let status: Int
    let headers: [String: String]
    let body: [UInt8]

    var text: String { String(decoding: body, as: UTF8.self) }

    /// The body as a JSON object.
    var json: [String: Any] {
      get throws {
        guard let object = try JSONSerialization.jsonObject(with: Data(body)) as? [String: Any] else {
          throw CocoaError(.coderReadCorrupt)
        }
        return object
      }
    }

    /// The `data` of server-sent events that are JSON.
    var events: [[String: Any]] {
      text.components(separatedBy: "\n\n").compactMap { event in
        event.components(separatedBy: "\n").first { $0.hasPrefix("data: ") }.flatMap {
          try? JSONSerialization.jsonObject(with: Data($0.dropFirst(6).utf8)) as? [String: Any]
        }
      }
    }

    /// What is wrong, where an error was answered.
    var error: [String: Any] { ((try? json)?["error"] as? [String: Any]) ?? [:] }
  }

  private let descriptor: Int32
  /// Bytes that came behind the last answer.
  private var received: [UInt8] = []

  /// - Parameter window: bytes that the system takes ahead of the reader; nil leaves it to the system.
  init(port: Int, window: Int32? = nil) throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(UInt16(port).bigEndian)
    address.sin_addr.s_addr = unsafe inet_addr("127.0.0.1")
    if var window { unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &window, socklen_t(MemoryLayout<Int32>.size)) }
    // Beside the whole suite on two cores, a server answers in minutes what it answers in a second alone.
    var patience = timeval(tv_sec: 600, tv_usec: 0)
    unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    let status = unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard status == 0 else { throw CocoaError(.fileReadUnknown) }
  }

  deinit { close(descriptor) }

  func send(_ bytes: [UInt8]) throws {
    var done = 0
    while done < bytes.count {
      let count = unsafe bytes.withUnsafeBytes {
        unsafe Glibc.send(descriptor, $0.baseAddress! + done, bytes.count - done, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { throw CocoaError(.fileWriteUnknown) }
      done += count
    }
  }

  func send(_ text: String) throws { try send(Array(text.utf8)) }

  /// More bytes; none where the connection has ended.
  func receive() -> [UInt8] {
    unsafe [UInt8](unsafeUninitializedCapacity: 1 << 16) { buffer, count in
      count = max(0, unsafe recv(descriptor, buffer.baseAddress!, 1 << 16, 0))
    }
  }

  /// Sends a request and reads the whole answer.
  func request(
    _ method: String, _ path: String, headers: [String: String] = [:], body: [UInt8] = []
  ) throws -> Answer {
    var head = "\(method) \(path) HTTP/1.1\r\n"
    for (name, value) in ["host": "localhost"].merging(headers, uniquingKeysWith: { $1 }) { head += "\(name): \(value)\r\n" }
    if !body.isEmpty || method == "POST" { head += "content-length: \(body.count)\r\n" }
    try send(Array("\(head)\r\n".utf8) + body)
    return try answer(hasBody: method != "HEAD")
  }

  /// Reads an answer: its length is said, or it comes in chunks, or until the end of the connection.
  func answer(hasBody: Bool = true) throws -> Answer {
    var end: Int?
    while end == nil {
      end = firstIndex(of: "\r\n\r\n", from: 0)
      if end == nil, try !receiveMore() { throw CocoaError(.fileReadCorruptFile) }
    }
    let lines = String(decoding: received[..<end!], as: UTF8.self).components(separatedBy: "\r\n")
    received.removeFirst(end! + 4)
    let status = Int(lines[0].split(separator: " ")[1]) ?? 0
    if status == 100 { return try answer(hasBody: hasBody) }
    var headers: [String: String] = [:]
    for line in lines.dropFirst() {
      let parts = line.split(separator: ":", maxSplits: 1)
      headers[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces)
    }
    guard hasBody, status != 204 else { return Answer(status: status, headers: headers, body: []) }
    if headers["transfer-encoding"] == "chunked" {
      return Answer(status: status, headers: headers, body: try chunks())
    }
    let count = headers["content-length"].flatMap(Int.init) ?? 0
    return Answer(status: status, headers: headers, body: try take(count))
  }

  private func chunks() throws -> [UInt8] {
    var body: [UInt8] = []
    while true {
      var end = firstIndex(of: "\r\n", from: 0)
      while end == nil {
        // An answer that breaks off has no last chunk.
        guard try receiveMore() else { throw CocoaError(.fileReadCorruptFile) }
        end = firstIndex(of: "\r\n", from: 0)
      }
      let count = Int(String(decoding: received[..<end!], as: UTF8.self), radix: 16) ?? 0
      received.removeFirst(end! + 2)
      body += try take(count)
      _ = try take(2)
      if count == 0 { return body }
    }
  }

  private func take(_ count: Int) throws -> [UInt8] {
    while received.count < count { if try !receiveMore() { throw CocoaError(.fileReadCorruptFile) } }
    defer { received.removeFirst(count) }
    return Array(received.prefix(count))
  }

  private func receiveMore() throws -> Bool {
    let more = receive()
    received += more
    return !more.isEmpty
  }

  private func firstIndex(of mark: String, from start: Int) -> Int? {
    let mark = Array(mark.utf8)
    guard received.count >= mark.count else { return nil }
    return (start...(received.count - mark.count)).first { received[$0..<($0 + mark.count)].elementsEqual(mark) }
  }
}

/// A form, as browsers and programs send files.
struct Form {
  let boundary = "----mio\(UInt64.random(in: .min ... .max))"
  private var bytes: [UInt8] = []

  mutating func add(_ name: String, _ value: String) { add(name, Array(value.utf8), file: nil) }

  mutating func add(_ name: String, _ value: [UInt8], file: String?) {
    let name = file.map { "\"\(name)\"; filename=\"\($0)\"" } ?? "\"\(name)\""
    bytes += Array("--\(boundary)\r\nContent-Disposition: form-data; name=\(name)\r\n\r\n".utf8) + value + Array("\r\n".utf8)
  }

  var body: [UInt8] { bytes + Array("--\(boundary)--\r\n".utf8) }
  var headers: [String: String] { ["content-type": "multipart/form-data; boundary=\(boundary)"] }
}
