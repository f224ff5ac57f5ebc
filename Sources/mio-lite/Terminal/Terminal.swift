import Foundation
import MioLite
import Synchronization

/// The one owner of the terminal that results, notes, the progress line and images share.
///
/// Everything that reaches standard output or standard error goes through it. It knows what stands on the line, so that the
/// progress line never covers text and a note never continues it. Control codes go to a terminal that understands them, and
/// to nothing else.
final class Terminal: Sendable {
  /// Standard output and standard error of this process, which are as global as it is.
  static let shared = Terminal()

  private struct Line {
    /// Whether text stands before the cursor.
    var hasText = false
    /// Whether the progress line is drawn.
    var hasBar = false
    /// Whether the terminal went away, or standard error was closed.
    var isLost = false
  }

  /// What is on the line of the terminal that standard error is connected to.
  private let line = Mutex(Line())
  /// Whether standard output is a terminal.
  let hasResults: Bool
  /// Whether standard error is a terminal.
  let hasNotes: Bool
  /// Whether both are the same one, so that results stand among notes.
  private let isShared: Bool
  /// Whether the cursor can be moved.
  let understandsControls: Bool

  private init() {
    hasResults = isatty(STDOUT_FILENO) == 1
    hasNotes = isatty(STDERR_FILENO) == 1
    isShared = hasResults && hasNotes && Self.device(STDOUT_FILENO) == Self.device(STDERR_FILENO)
    let kind = ProcessInfo.processInfo.environment["TERM"] ?? ""
    understandsControls = hasNotes && !kind.isEmpty && kind != "dumb"
  }

  // MARK: - Text

  /// Writes text to standard output: as it is to files and pipes, without control characters to a terminal.
  func write(_ text: String) throws {
    try write(Array((hasResults ? text.withoutTerminalControls : text).utf8))
  }

  /// Writes bytes to standard output, whole, or throws.
  func write(_ bytes: [UInt8]) throws {
    guard let last = bytes.last else { return }
    try line.withLock { line in
      if isShared { removeBar(&line) }
      try Self.writeAll(bytes, to: STDOUT_FILENO)
      if isShared { line.hasText = last != 10 }
    }
  }

  /// Writes a line of its own to standard error; a closed standard error is no reason to stop.
  ///
  /// - Parameter overKeys: whether what the terminal shows of a key, such as ^C, may stand on the line and is written over.
  func note(_ text: String, overKeys: Bool = false) {
    line.withLock { line in
      removeBar(&line)
      if overKeys && hasNotes && !line.hasText {
        if understandsControls { show("\r\u{1B}[K", &line) } else { show("\n", &line) }
      }
      beginLine(&line)
      let text = PathText.shown(text)
      show((hasNotes ? text.withoutTerminalControls : text) + "\n", &line)
    }
  }

  /// Makes room for a line that somebody else draws; what is typed ends it.
  func beginInput() {
    line.withLock { line in
      removeBar(&line)
      beginLine(&line)
    }
  }

  /// Asks a person at the keyboard, on a line of its own; what is typed ends the line.
  func askForInput(_ prompt: String) {
    line.withLock { line in
      removeBar(&line)
      beginLine(&line)
      show(prompt, &line)
    }
  }

  // MARK: - What only a terminal can show

  /// Shows `text` as the progress line, in place of what it said before; does nothing where the cursor cannot be moved.
  ///
  /// - Parameter text: gives the line for a number of columns; longer ones are cut.
  func showBar(_ text: (_ columns: Int) -> String) {
    guard understandsControls else { return }
    line.withLock { line in
      // A terminal moves on when its last column is filled.
      let bar = text(columns - 1).withoutTerminalControls.cut(toColumns: columns - 1)
      guard !bar.isEmpty, !bar.contains("\n") else { return removeBar(&line) }
      beginLine(&line)
      show("\r\u{1B}[K" + bar, &line)
      line.hasBar = true
    }
  }

  /// Removes the progress line, if there is one.
  func removeBar() { line.withLock { removeBar(&$0) } }

  /// Shows an image on lines of its own; `bytes` end a line.
  func show(image bytes: [UInt8]) {
    line.withLock { line in
      removeBar(&line)
      beginLine(&line)
      show(bytes, &line)
    }
  }

  /// Columns of the terminal.
  var columns: Int { size.columns }

  /// Columns and rows of the terminal.
  var size: (columns: Int, rows: Int) {
    var size = winsize()
    let isKnown = unsafe ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0
    func stated(_ name: String) -> Int? {
      ProcessInfo.processInfo.environment[name].flatMap { Int($0) }.flatMap { (1...10_000).contains($0) ? $0 : nil }
    }
    return (
      isKnown && size.ws_col > 0 ? Int(size.ws_col) : stated("COLUMNS") ?? 80,
      isKnown && size.ws_row > 0 ? Int(size.ws_row) : stated("LINES") ?? 24
    )
  }

  // MARK: - The line

  private func removeBar(_ line: inout Line) {
    guard line.hasBar else { return }
    show("\r\u{1B}[K", &line)
    line.hasBar = false
  }

  private func beginLine(_ line: inout Line) {
    guard line.hasText else { return }
    show("\n", &line)
    line.hasText = false
  }

  private func show(_ text: String, _ line: inout Line) { show(Array(text.utf8), &line) }

  private func show(_ bytes: [UInt8], _ line: inout Line) {
    guard !line.isLost else { return }
    do { try Self.writeAll(bytes, to: STDERR_FILENO) } catch { line.isLost = true }
  }

  private static func device(_ descriptor: Int32) -> UInt? {
    var status = stat()
    return unsafe fstat(descriptor, &status) == 0 ? UInt(status.st_rdev) : nil
  }

  /// Writes everything, however many calls the system needs and whoever made the descriptor impatient.
  private static func writeAll(_ bytes: [UInt8], to descriptor: Int32) throws {
    var offset = 0
    while offset < bytes.count {
      let written = unsafe bytes.withUnsafeBytes {
        unsafe Foundation.write(descriptor, $0.baseAddress! + offset, $0.count - offset)
      }
      if written > 0 {
        offset += written
      } else if errno == EAGAIN {
        var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        _ = unsafe poll(&waiting, 1, 1000)
      } else if errno != EINTR {
        throw Failure(.failed, "standard output: \(unsafe String(cString: strerror(errno)))", isOutputLost: true)
      }
    }
  }
}
