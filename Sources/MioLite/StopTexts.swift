/// Watches text for the words at which it is to end.
package struct StopTexts {
  private let stops: [String]
  /// Text that may be the beginning of such words.
  private var held = ""
  /// Whether they came; what follows is not wanted.
  package private(set) var isMet = false

  package init(_ stops: [String]) { self.stops = stops.filter { !$0.isEmpty } }

  /// Takes more text and returns what is certain to come before the words.
  package mutating func append(_ text: String) -> String {
    if stops.isEmpty { return text }
    if isMet { return "" }
    held += text
    if let end = stops.compactMap({ held.firstRange(of: $0)?.lowerBound }).min() {
      isMet = true
      defer { held = "" }
      return String(held[..<end])
    }
    let kept = longestBeginning
    defer { held = String(held.suffix(kept)) }
    return String(held.dropLast(kept))
  }

  /// What was held back; nothing follows.
  package mutating func finish() -> String {
    defer { held = "" }
    return held
  }

  /// Characters at the end of what is held that some words begin with.
  private var longestBeginning: Int {
    let longest = stops.map(\.count).max() ?? 0
    for count in stride(from: min(longest - 1, held.count), to: 0, by: -1) {
      let end = held.suffix(count)
      if stops.contains(where: { $0.hasPrefix(end) }) { return count }
    }
    return 0
  }
}
