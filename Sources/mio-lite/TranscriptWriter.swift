import ArgumentParser
import Foundation
import MioLite

/// The forms in which a transcript is written.
enum TranscriptFormat: String, CaseIterable, ExpressibleByArgument {
  case text, srt, vtt, json, tsv
}

/// Writes the segments of one transcript as they are found.
struct TranscriptWriter {
  private let format: TranscriptFormat
  private let file: String
  private var segments: [Segment] = []
  private var count = 0

  private struct Segment: Encodable {
    let start: Double
    let end: Double
    let text: String
  }

  private struct Transcript: Encodable {
    let file: String
    let text: String
    let segments: [Segment]
  }

  /// - Parameter file: what the sound is called.
  init(_ format: TranscriptFormat, file: String) {
    self.format = format
    self.file = PathText.shown(file)
  }

  /// Whether there is something that is worth being kept.
  var isEmpty: Bool { segments.isEmpty && count == 0 }

  mutating func add(_ segment: TranscriptSegment) throws {
    if format == .json {
      // Finer than a sample of 16 kHz can be heard; more digits would only be noise of the arithmetic.
      func rounded(_ seconds: Double) -> Double { (seconds * 10_000).rounded() / 10_000 }
      segments.append(Segment(start: rounded(segment.start), end: rounded(segment.end), text: segment.text))
      return
    }
    if segment.text.isEmpty { return }
    if count == 0 { try begin() }
    count += 1
    switch format {
    case .text: try Output.write((count > 1 ? " " : "") + segment.text)
    case .srt:
      try Output.line("\(count)\n\(Self.span(segment, ","))\n\(segment.text.onOneLine)\n")
    case .vtt: try Output.line("\(Self.span(segment, "."))\n\(Self.escaped(segment.text.onOneLine))\n")
    case .tsv:
      let times = [segment.start, segment.end].map { "\(Self.milliseconds($0))" }
      try Output.line((times + [segment.text.onOneLine]).joined(separator: "\t"))
    case .json: break
    }
  }

  /// Completes the transcript, also one that breaks off.
  func finish() throws {
    switch format {
    case .text: try Output.line("")
    case .json:
      let text = segments.map(\.text).filter { !$0.isEmpty }.joined(separator: " ")
      try Output.json(Transcript(file: file, text: text, segments: segments))
    case .vtt, .tsv: if count == 0 { try begin() }
    case .srt: break
    }
  }

  private func begin() throws {
    if format == .vtt { try Output.line("WEBVTT\n") }
    if format == .tsv { try Output.line("start\tend\ttext") }
  }

  private static func span(_ segment: TranscriptSegment, _ mark: String) -> String {
    "\(clock(segment.start, mark)) --> \(clock(segment.end, mark))"
  }

  private static func milliseconds(_ seconds: Double) -> Int { Int((max(0, seconds) * 1000).rounded()) }

  private static func clock(_ seconds: Double, _ mark: String) -> String {
    let all = milliseconds(seconds)
    func digits(_ value: Int, _ count: Int) -> String {
      String(repeating: "0", count: max(0, count - "\(value)".count)) + "\(value)"
    }
    let (hours, minutes, rest) = (all / 3_600_000, all / 60_000 % 60, all % 60_000)
    return "\(digits(hours, 2)):\(digits(minutes, 2)):\(digits(rest / 1000, 2))\(mark)\(digits(rest % 1000, 3))"
  }

  /// Words that mean only themselves in WebVTT.
  private static func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
  }
}
