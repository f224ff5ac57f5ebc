import Foundation
import MioLite

/// What a person types, edits, pastes or pipes, turn by turn.
///
/// At a terminal, lines are edited with libedit where it is installed: history, moving about, completion of file names. It is
/// opened when somebody talks and not linked, so that the program runs where it is missing; the terminal's own editing
/// serves then.
final class ChatInput {
  let isInteractive = isatty(STDIN_FILENO) == 1
  private let editor: LineEditor?
  private var buffer: [UInt8] = []
  private var isAtEnd = false
  /// What was pasted and stands for itself.
  private var waiting: [String] = []

  /// Milliseconds within which what follows a line is part of the same paste, where the terminal does not mark what is pasted;
  /// nobody types that fast.
  private static let pasteGap: Int32 = 30

  init() { editor = isInteractive && Terminal.shared.understandsControls ? LineEditor() : nil }

  /// The next turn, of several lines if they were pasted; nil at the end.
  ///
  /// - Parameter standsAlone: whether a line is a turn of its own within what is pasted.
  func next(standsAlone: (String) -> Bool) -> String? {
    if !waiting.isEmpty { return waiting.removeFirst() }
    guard let first = line("> ") else { return nil }
    guard isInteractive else { return first }
    var lines = Self.lines(first)
    while editor?.isToldOfPastes != true, hasMore, let more = line("\u{2026} ") { lines.append(more) }
    waiting = Self.turns(lines, standsAlone)
    editor?.remember(waiting)
    return waiting.removeFirst()
  }

  /// The lines of what was pasted at once, without those that are empty at its end.
  private static func lines(_ text: String) -> [String] {
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    while lines.count > 1, lines.last?.isEmpty == true { lines.removeLast() }
    return lines
  }

  /// Lines that belong together, and those that stand alone.
  private static func turns(_ lines: [String], _ standsAlone: (String) -> Bool) -> [String] {
    var turns: [[String]] = [[]]
    for line in lines {
      if standsAlone(line) { turns += [[line], []] } else { turns[turns.count - 1].append(line) }
    }
    let whole = turns.filter { !$0.isEmpty }.map { $0.joined(separator: "\n") }
    return whole.isEmpty ? [""] : whole
  }

  private func line(_ prompt: String) -> String? {
    if let editor { return editor.read(prompt) }
    if isInteractive { Terminal.shared.askForInput(prompt) }
    while true {
      if let end = buffer.firstIndex(of: 10) {
        defer { buffer.removeSubrange(...end) }
        return Self.text(buffer[..<end])
      }
      if isAtEnd {
        defer { buffer = [] }
        return buffer.isEmpty ? nil : Self.text(buffer[...])
      }
      fill()
    }
  }

  private func fill() {
    var block = [UInt8](repeating: 0, count: 1 << 16)
    let count = unsafe block.withUnsafeMutableBytes { unsafe read(STDIN_FILENO, $0.baseAddress!, $0.count) }
    if count > 0 {
      buffer += block[..<count]
    } else if count == 0 || errno != EINTR {
      isAtEnd = true
    }
  }

  /// Paths in a line are bytes; the line end of other systems goes.
  private static func text(_ bytes: ArraySlice<UInt8>) -> String {
    PathText.text(bytes.last == 13 ? bytes.dropLast() : bytes)
  }

  private var hasMore: Bool {
    if !buffer.isEmpty { return true }
    var waiting = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
    return unsafe poll(&waiting, 1, Self.pasteGap) > 0 && waiting.revents & Int16(POLLIN) != 0
  }
}

/// Lines edited with libedit, by the interface that it shares with readline.
@safe
final class LineEditor {
  private typealias Read = @convention(c) (UnsafePointer<CChar>) -> UnsafeMutablePointer<CChar>?
  private typealias TakeText = @convention(c) (UnsafePointer<CChar>?) -> Int32
  private typealias TakeNumber = @convention(c) (Int32) -> Void
  private typealias GetKey = @convention(c) (UnsafeMutablePointer<FILE>?) -> Int32

  private let readLine: Read
  private let addHistory: TakeText
  private let writeHistory: TakeText
  private let history = HistoryFile()
  private var last: String?

  /// Nil where the library is missing.
  init?() {
    guard let library = unsafe dlopen("libedit.so.2", RTLD_NOW | RTLD_LOCAL) ?? dlopen("libedit.so.0", RTLD_NOW | RTLD_LOCAL),
      let read = unsafe dlsym(library, "readline"), let add = unsafe dlsym(library, "add_history"),
      let write = unsafe dlsym(library, "write_history"), let load = unsafe dlsym(library, "read_history"),
      let stifle = unsafe dlsym(library, "stifle_history"), let output = unsafe dlsym(library, "rl_outstream"),
      let signals = unsafe dlsym(library, "rl_catch_signals"), let keys = unsafe dlsym(library, "rl_getc_function"),
      let initialize = unsafe dlsym(library, "rl_initialize")
    else { return nil }
    unsafe readLine = unsafeBitCast(read, to: Read.self)
    unsafe addHistory = unsafeBitCast(add, to: TakeText.self)
    unsafe writeHistory = unsafeBitCast(write, to: TakeText.self)
    // What is typed belongs among the notes: standard output is for answers.
    unsafe output.assumingMemoryBound(to: UnsafeMutablePointer<FILE>?.self).pointee = fdopen(dup(STDERR_FILENO), "w")
    // It would send signals on to every program of the group.
    unsafe signals.assumingMemoryBound(to: Int32.self).pointee = 0
    if unsafe setlocale(LC_CTYPE, "") == nil || String(cString: nl_langinfo(Int32(CODESET))) != "UTF-8" {
      unsafe setlocale(LC_CTYPE, "C.UTF-8")
    }
    let nextKey: GetKey = { _ in LineEditor.nextKey() }
    unsafe keys.assumingMemoryBound(to: GetKey?.self).pointee = nextKey
    // While the terminal shows what is typed: without that it would take it for one that cannot be edited on.
    _ = unsafe unsafeBitCast(initialize, to: (@convention(c) () -> Int32).self)()
    if let path = history.path { _ = unsafe unsafeBitCast(load, to: TakeText.self)(path) }
    unsafe unsafeBitCast(stifle, to: TakeNumber.self)(HistoryFile.limit)
  }

  /// The keys of the one terminal that there is; the editor asks for them on the thread that reads.
  private nonisolated(unsafe) static var keys = PastedKeys()

  private static func nextKey() -> Int32 {
    let key = unsafe keys.next {
      var byte: UInt8 = 0
      while true {
        let count = unsafe Foundation.read(STDIN_FILENO, &byte, 1)
        if count == 1 { return byte }
        if count == 0 || errno != EINTR { return nil }
      }
    }
    return key ?? -1
  }

  /// Terminals that mark what is pasted when they are asked to, by their names in TERM.
  private static let marking = [
    "xterm", "tmux", "rxvt", "alacritty", "foot", "kitty", "wezterm", "ghostty", "konsole", "gnome", "vte", "st-", "contour",
  ]

  /// Whether what is pasted is known to come between marks, so that lines without them were typed.
  var isToldOfPastes: Bool {
    let name = ProcessInfo.processInfo.environment["TERM"] ?? ""
    return unsafe Self.keys.hasPasted || Self.marking.contains { name.hasPrefix($0) }
  }

  /// Asks for a line, which has line ends where they were pasted; nil at the end.
  func read(_ prompt: String) -> String? {
    Terminal.shared.beginInput()
    let line = unsafe TerminalModes.restoringOnSignals { unsafe readLine(prompt) }
    guard let line = unsafe line else {
      Terminal.shared.note("")
      return nil
    }
    defer { unsafe free(line) }
    return unsafe PathText.text(String.bytes(of: line))
  }

  func remember(_ turns: [String]) {
    for turn in turns where !turn.isEmpty && turn != last {
      let bytes = PathText.bytes(turn).map { CChar(bitPattern: $0) } + [0]
      unsafe _ = addHistory(bytes)
      last = turn
    }
    if let path = history.path {
      unsafe _ = writeHistory(path)
      unsafe chmod(path, 0o600)
    }
  }
}

/// Where turns are remembered: $MIO_HISTORY (nowhere if it is empty), else in the state folder of the person.
private struct HistoryFile {
  static let limit: Int32 = 1000
  let path: String?

  init() {
    let environment = ProcessInfo.processInfo.environment
    if let named = environment["MIO_HISTORY"] {
      path = named.isEmpty ? nil : named
      return
    }
    let state = environment["XDG_STATE_HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil }
    guard let folder = state ?? environment["HOME"].flatMap({ $0.isEmpty ? nil : "\($0)/.local/state" }) else {
      path = nil
      return
    }
    path = (try? Files.makeFolder("\(folder)/mio-lite")) == nil ? nil : "\(folder)/mio-lite/history"
  }
}

/// The modes of the terminal, given back when a signal ends the program while a line is edited.
@safe
private enum TerminalModes {
  private nonisolated(unsafe) static let saved: UnsafeMutablePointer<termios> = {
    let modes = unsafe UnsafeMutablePointer<termios>.allocate(capacity: 1)
    unsafe modes.initialize(to: termios())
    return unsafe modes
  }()
  private static let signals = [SIGINT, SIGTERM, SIGHUP, SIGQUIT]

  static func restoringOnSignals<Result>(_ body: () -> Result) -> Result {
    guard unsafe tcgetattr(STDIN_FILENO, saved) == 0 else { return body() }
    for number in signals {
      signal(number) { number in
        unsafe tcsetattr(STDIN_FILENO, TCSANOW, TerminalModes.saved)
        TerminalModes.send(PastedKeys.off)
        signal(number, SIG_DFL)
        raise(number)
      }
    }
    // The prompt comes before the editor takes over: what is typed in between would be shown twice, and edited by the system.
    var silent = unsafe saved.pointee
    silent.c_lflag &= ~tcflag_t(ECHO | ICANON)
    unsafe tcsetattr(STDIN_FILENO, TCSANOW, &silent)
    send(PastedKeys.on)
    defer {
      send(PastedKeys.off)
      unsafe tcsetattr(STDIN_FILENO, TCSANOW, saved)
      for number in signals { signal(number, SIG_DFL) }
    }
    return body()
  }

  /// Sends a request to the terminal, from a handler of signals, too.
  private static func send(_ request: StaticString) {
    unsafe _ = write(STDERR_FILENO, request.utf8Start, request.utf8CodeUnitCount)
  }
}
