import MioFiles

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A program that runs beside this one and is ended with its last reference: no shell, no standard input, one open file.
final class ChildProgram {
  private let process: pid_t
  private let output: FileDescriptor
  private let errors: FileDescriptor
  private let name: String
  private var complaints: [UInt8] = []

  /// Bytes kept of what the program complains about.
  private static let complaintLimit = 4096

  /// - Parameters:
  ///   - arguments: its own name first.
  ///   - input: what the program sees as descriptor 3.
  init(_ path: String, _ arguments: [String], input: FileDescriptor, name: String) throws(MediaError) {
    let (outputEnd, programOutput) = try Self.pipe(for: name)
    let (errorEnd, programErrors) = try Self.pipe(for: name)
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    // The input first, which may be standard input.
    unsafe posix_spawn_file_actions_adddup2(&actions, input.value, 3)
    unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    unsafe posix_spawn_file_actions_adddup2(&actions, programOutput.value, 1)
    unsafe posix_spawn_file_actions_adddup2(&actions, programErrors.value, 2)
    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    unsafe sigemptyset(&signals)
    unsafe posix_spawnattr_setsigmask(&attributes, &signals)
    unsafe sigaddset(&signals, SIGPIPE)
    unsafe posix_spawnattr_setsigdefault(&attributes, &signals)
    unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
    var words: [UnsafeMutablePointer<CChar>?] = unsafe arguments.map { unsafe strdup($0) } + [nil]
    defer { unsafe words.forEach { unsafe free($0) } }
    var identifier: pid_t = 0
    let status = unsafe posix_spawn(&identifier, path, &actions, &attributes, &words, environ)
    guard status == 0 else {
      throw MediaError(.missingProgram, name, "\(path) cannot be started: \(unsafe String(cString: strerror(status)))")
    }
    process = identifier
    output = outputEnd
    errors = errorEnd
    self.name = name
  }

  deinit {
    if reaped != nil { return }
    kill(process, SIGKILL)
    var status: Int32 = 0
    while unsafe waitpid(process, &status, 0) < 0, errno == EINTR {}
  }

  private var reaped: Int32?

  /// With which status the program ended, once its output has; nil if it goes on, negative if a signal ended it.
  func exitStatus() -> Int32? {
    var status: Int32 = 0
    for _ in 0..<200 where reaped == nil {
      switch unsafe waitpid(process, &status, WNOHANG) {
      case process: reaped = status & 0x7F == 0 ? status >> 8 & 0xFF : -(status & 0x7F)
      case 0: usleep(10_000)
      default: if errno != EINTR { return nil }
      }
    }
    return reaped
  }

  /// The next bytes of the program's output; none at its end, nil if it wrote nothing in time.
  func read(milliseconds: Int32) throws(MediaError) -> [UInt8]? {
    var waiting = [
      pollfd(fd: output.value, events: Int16(POLLIN), revents: 0), pollfd(fd: errors.value, events: Int16(POLLIN), revents: 0),
    ]
    if isErrorsClosed { waiting.removeLast() }
    let ready = unsafe poll(&waiting, nfds_t(waiting.count), milliseconds)
    if ready <= 0 { return nil }
    if waiting.count > 1, waiting[1].revents != 0 { try collectComplaints() }
    return waiting[0].revents != 0 ? try output.read(maximumCount: 1 << 20, name: name) : nil
  }

  private var isErrorsClosed = false

  private func collectComplaints() throws(MediaError) {
    let block = try errors.read(maximumCount: Self.complaintLimit, name: name)
    isErrorsClosed = block.isEmpty
    complaints = Array((complaints + block).suffix(Self.complaintLimit))
  }

  /// The last of what the program complained about; to be asked for when its output has ended.
  func readComplaints() -> String {
    if !isErrorsClosed { try? collectComplaints() }
    return String(decoding: complaints, as: UTF8.self)
  }

  private static func makePipe(_ ends: UnsafeMutablePointer<Int32>) -> Int32 {
    #if canImport(Glibc)
      unsafe Glibc.pipe(ends)
    #else
      unsafe Musl.pipe(ends)
    #endif
  }

  static func pipe(for name: String) throws(MediaError) -> (reading: FileDescriptor, writing: FileDescriptor) {
    var ends: [Int32] = [0, 0]
    guard unsafe Self.makePipe(&ends) == 0 else {
      throw MediaError(.readFailed, name, "cannot start a program: \(systemErrorText())")
    }
    // Out of the way of the descriptors that the program gets.
    let high = ends.map { fcntl($0, F_DUPFD_CLOEXEC, 10) }
    for end in ends { close(end) }
    return (FileDescriptor(high[0], owned: true), FileDescriptor(high[1], owned: true))
  }
}
