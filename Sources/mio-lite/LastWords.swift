import Foundation

/// What is said where the system ends the program and no error can be thrown: no memory is left for the language's own
/// runtime, or a file that is mapped has become shorter. One line and status 1, instead of a trace.
enum LastWords {
  static func prepare() {
    handle(SIGABRT) { _, _, _ in
      LastWords.end(
        "\nmio-lite: there is no memory left to go on; close other programs, or use a smaller model or a shorter --context\n")
    }
    handle(SIGBUS) { signal, info, _ in
      // An address that is mapped, but has no bytes of the file behind it; other faults are ours.
      guard let info = unsafe info, unsafe info.pointee.si_code == 2 else {
        Glibc.signal(signal, SIG_DFL)
        return
      }
      LastWords.end(
        "\nmio-lite: a file became shorter while it was read, or its disk failed; copy it again, and leave it alone then\n")
    }
  }

  private static func handle(
    _ signal: Int32,
    _ handler: @escaping @convention(c) (Int32, UnsafeMutablePointer<siginfo_t>?, UnsafeMutableRawPointer?) -> Void
  ) {
    var action = sigaction()
    unsafe action.__sigaction_handler.sa_sigaction = handler
    action.sa_flags = SA_SIGINFO
    unsafe sigaction(signal, &action, nil)
  }

  /// System calls only, as a signal allows.
  private static func end(_ words: StaticString) -> Never {
    unsafe _ = write(STDERR_FILENO, words.utf8Start, words.utf8CodeUnitCount)
    _exit(1)
  }
}
