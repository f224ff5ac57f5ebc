import CMioKernels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// How products of few rows, which wait for memory, read weights.
///
/// Every way gives the same bits; which one is fastest depends on the processor. The environment variable `MIO_STREAMING`
/// chooses another than what the processor is known for, as ``init(parsing:)`` reads it.
package struct WeightStreaming: Hashable, Sendable, CustomStringConvertible {
  /// Panels read side by side: 1, 2 or 4.
  package let panels: Int
  /// Groups of 32 columns asked for early; with 0 that is left to the processor.
  package let groupsAhead: Int
  /// Whether they are asked for past the caches rather than into all of them.
  package let isPastCaches: Bool

  package init(panels: Int, groupsAhead: Int, isPastCaches: Bool) {
    precondition([1, 2, 4].contains(panels) && (0...Self.maxGroupsAhead).contains(groupsAhead))
    self.panels = panels
    self.groupsAhead = groupsAhead
    self.isPastCaches = isPastCaches
  }

  /// Reads `PANELS:GROUPS` or `PANELS:GROUPS:nta`, such as `2:12`: panels read side by side, groups asked for early, and
  /// whether past the caches; nil for anything else.
  package init?(parsing text: String) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard (2...3).contains(parts.count), parts.count == 2 || parts[2] == "nta" else { return nil }
    guard let panels = Int(parts[0]), [1, 2, 4].contains(panels) else { return nil }
    guard let groups = Int(parts[1]), (0...Self.maxGroupsAhead).contains(groups) else { return nil }
    self.init(panels: panels, groupsAhead: groups, isPastCaches: parts.count == 3)
  }

  package var description: String { "\(panels):\(groupsAhead)\(isPastCaches ? ":nta" : "")" }

  /// What `MIO_STREAMING` says if that can be read, otherwise what this processor is known for.
  package static let preferred: WeightStreaming = {
    if let wanted = unsafe getenv("MIO_STREAMING"), let chosen = unsafe WeightStreaming(parsing: String(cString: wanted)) {
      return chosen
    }
    let known = mio_default_streaming()
    return WeightStreaming(
      panels: Int(known.panels), groupsAhead: Int(known.groups_ahead), isPastCaches: known.past_caches != 0)
  }()

  private static let maxGroupsAhead = 64

  var value: mio_streaming {
    mio_streaming(panels: UInt8(panels), groups_ahead: UInt8(groupsAhead), past_caches: isPastCaches ? 1 : 0)
  }
}
