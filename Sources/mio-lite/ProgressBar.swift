import Foundation

/// A progress line on standard error: drawn on a terminal, silent elsewhere and under `--quiet`.
final class ProgressBar: @unchecked Sendable {
  private let title: String
  private let shown: Bool
  private let started = ContinuousClock.now
  private var lastDrawn: ContinuousClock.Instant?
  private let lock = NSLock()

  init(_ title: String, quiet: Bool) {
    self.title = title
    shown = !quiet && isatty(STDERR_FILENO) == 1
  }

  /// Draws `fraction` (0...1) with the time left, at most ten times a second.
  func update(_ fraction: Double, detail: String = "") {
    guard shown else { return }
    lock.withLock {
      let now = ContinuousClock.now
      if let lastDrawn, now - lastDrawn < .milliseconds(100), fraction < 1 { return }
      lastDrawn = now
      let width = 24
      let filled = min(width, max(0, Int(fraction * Double(width))))
      let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: width - filled)
      let elapsed = (now - started).seconds
      let left = fraction > 0.01 ? " \(Self.clock(elapsed / fraction - elapsed)) left" : ""
      let line = "\(title) [\(bar)] \(Int(fraction * 100)) %\(left) \(detail)"
      FileHandle.standardError.write(Data("\r\u{1B}[K\(line.prefix(110))".utf8))
    }
  }

  /// Removes the line.
  func finish() {
    guard shown else { return }
    lock.withLock { FileHandle.standardError.write(Data("\r\u{1B}[K".utf8)) }
  }

  private static func clock(_ seconds: Double) -> String {
    let total = Int(max(0, seconds).rounded())
    return total >= 60 ? "\(total / 60) min \(total % 60) s" : "\(total) s"
  }
}

extension Duration {
  /// The duration in seconds.
  var seconds: Double {
    Double(components.seconds) + Double(components.attoseconds) * 1e-18
  }
}
