/// Transcripts as subtitles.
extension TranscriptSegment {
  /// The segment as a subtitle of SubRip (.srt), with the empty line that ends it.
  ///
  /// - Parameter number: counted from 1.
  public func subRip(number: Int) -> String { "\(number)\n\(span(","))\n\(text.oneLine)\n" }

  /// The segment as a cue of WebVTT (.vtt), with the empty line that ends it.
  public var webVTT: String {
    let words = text.oneLine.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
    return "\(span("."))\n\(words)\n"
  }

  /// Start and end in milliseconds, and the words, with tabs between them.
  public var tabSeparated: String {
    "\(Self.milliseconds(start))\t\(Self.milliseconds(end))\t\(text.oneLine)"
  }

  private func span(_ mark: String) -> String { "\(Self.clock(start, mark)) --> \(Self.clock(end, mark))" }

  private static func milliseconds(_ seconds: Double) -> Int { Int((max(0, seconds) * 1000).rounded()) }

  private static func clock(_ seconds: Double, _ mark: String) -> String {
    let all = milliseconds(seconds)
    func digits(_ value: Int, _ count: Int) -> String {
      String(repeating: "0", count: max(0, count - "\(value)".count)) + "\(value)"
    }
    let (hours, minutes, rest) = (all / 3_600_000, all / 60_000 % 60, all % 60_000)
    return "\(digits(hours, 2)):\(digits(minutes, 2)):\(digits(rest / 1000, 2))\(mark)\(digits(rest % 1000, 3))"
  }
}

extension Transcript {
  /// The whole transcript as SubRip subtitles (.srt).
  public var subRip: String {
    segments.filter { !$0.text.isEmpty }.enumerated().map { $1.subRip(number: $0 + 1) + "\n" }.joined()
  }

  /// The whole transcript as WebVTT (.vtt).
  public var webVTT: String {
    "WEBVTT\n\n" + segments.filter { !$0.text.isEmpty }.map { $0.webVTT + "\n" }.joined()
  }
}

extension String {
  /// Every run of white space is a space.
  fileprivate var oneLine: String { split(whereSeparator: \.isWhitespace).joined(separator: " ") }
}
