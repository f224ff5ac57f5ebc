import Foundation

/// What systemd hands a service and hears from it: sockets (sd_listen_fds(3)), readiness and signs of life (sd_notify(3)).
struct Supervisor: Sendable {
  /// Sockets that listen already.
  let sockets: [Int32]
  private let address: String?
  private let watchdogMicroseconds: Int?

  private static let firstDescriptor: Int32 = 3

  init() {
    let environment = ProcessInfo.processInfo.environment
    let isForUs = environment["LISTEN_PID"].flatMap(Int32.init) == getpid()
    let count = isForUs ? environment["LISTEN_FDS"].flatMap(Int32.init) ?? 0 : 0
    sockets = (0..<max(0, min(count, 16))).map { Self.firstDescriptor + $0 }
    for socket in sockets { _ = fcntl(socket, F_SETFD, FD_CLOEXEC) }
    address = environment["NOTIFY_SOCKET"]
    let watched = environment["WATCHDOG_PID"].flatMap(Int32.init).map { $0 == getpid() } ?? true
    watchdogMicroseconds = watched ? environment["WATCHDOG_USEC"].flatMap(Int.init) : nil
  }

  var handsOverSockets: Bool { !sockets.isEmpty }

  /// Tells systemd something; nothing happens where it does not listen.
  func tell(_ state: String) {
    guard let address, let name = Array(address.utf8) as [UInt8]?, name.count < 108, !name.isEmpty else { return }
    let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    var target = sockaddr_un()
    target.sun_family = sa_family_t(AF_UNIX)
    unsafe withUnsafeMutableBytes(of: &target.sun_path) { path in
      unsafe path.copyBytes(from: name)
      // An abstract name begins with a zero byte.
      if name[0] == UInt8(ascii: "@") { unsafe path[0] = 0 }
    }
    let length = socklen_t(MemoryLayout<sa_family_t>.size + name.count)
    let bytes = Array(state.utf8)
    _ = unsafe withUnsafePointer(to: &target) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
        unsafe sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), pointer, length)
      }
    }
  }

  /// Tells that the program lives, twice as often as is asked for.
  func keepAlive() {
    guard let watchdogMicroseconds, watchdogMicroseconds > 0 else { return }
    let supervisor = self
    Task {
      while true {
        try await Task.sleep(for: .microseconds(watchdogMicroseconds / 2))
        supervisor.tell("WATCHDOG=1")
      }
    }
  }
}
