import ArgumentParser

/// An option of commands that listen.
struct VerboseFlag: ParsableArguments {
  @Flag(name: .shortAndLong, help: "Say what is done to sound before it is listened to: level, offset, channels.")
  var verbose = false

  /// What is told of such work.
  func report(about path: String) -> (@Sendable (String) -> Void)? {
    guard verbose else { return nil }
    return { remark in Output.note("mio-lite: \(path): \(remark)") }
  }
}
