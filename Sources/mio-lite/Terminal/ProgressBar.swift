import Foundation
import Synchronization

/// A progress line on standard error: drawn on a terminal, silent elsewhere and under `--quiet`.
final class ProgressBar: Sendable {
  private let title: String
  private let isShown: Bool
  private let started = ContinuousClock.now
  private let lastDrawn = Mutex<ContinuousClock.Instant?>(nil)

  init(_ title: String, quiet: Bool) {
    self.title = title
    isShown = !quiet && Terminal.shared.understandsControls
  }

  /// Draws `fraction` (0...1) with the time left, at most ten times a second.
  func update(_ fraction: Double, detail: String = "") {
    guard isShown, isDue(fraction) else { return }
    let fraction = fraction.isFinite ? min(max(fraction, 0), 1) : 0
    let elapsed = (ContinuousClock.now - started).seconds
    let left = fraction > 0.01 ? "\(Self.clock(elapsed / fraction - elapsed)) left" : ""
    Terminal.shared.showBar { Self.line(title, fraction, left: left, detail: detail.onOneLine, columns: $0) }
  }

  /// Removes the line.
  func finish() {
    if isShown { Terminal.shared.removeBar() }
  }

  private func isDue(_ fraction: Double) -> Bool {
    lastDrawn.withLock { last in
      let now = ContinuousClock.now
      if let last, now - last < .milliseconds(100), fraction < 1 { return false }
      last = now
      return true
    }
  }

  /// As much as `columns` allow: the share first, then the title, the time left, the bar, and the detail.
  private static func line(_ title: String, _ fraction: Double, left: String, detail: String, columns: Int) -> String {
    let share = "\(Int(fraction * 100)) %"
    var before = title + " "
    var after = left.isEmpty ? "" : " " + left
    if before.count + share.count + after.count > columns { after = "" }
    if before.count + share.count > columns { before = "" }
    let width = min(24, columns - before.count - share.count - after.count - 3)
    if width >= 5 {
      let filled = Int(fraction * Double(width))
      before += "[" + String(repeating: "#", count: filled) + String(repeating: ".", count: width - filled) + "] "
    }
    let room = columns - before.count - share.count - after.count - 1
    let shown = room >= 6 ? detail.cut(toColumns: room) : ""
    return before + share + after + (shown.isEmpty ? "" : " " + shown)
  }

  private static func clock(_ seconds: Double) -> String {
    let total = Int(min(max(0, seconds), 3_599_999).rounded())
    if total >= 3600 { return "\(total / 3600) h \(total / 60 % 60) min" }
    return total >= 60 ? "\(total / 60) min \(total % 60) s" : "\(total) s"
  }
}

extension Duration {
  /// The duration in seconds.
  var seconds: Double {
    Double(components.seconds) + Double(components.attoseconds) * 1e-18
  }
}
