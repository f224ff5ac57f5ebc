import ArgumentParser
import Foundation
import MioLite

/// The forms in which a transcript is written.
enum TranscriptFormat: String, CaseIterable, ExpressibleByArgument {
  case text, srt, vtt, json, tsv
}

/// Writes the segments of transcripts as they are found; those of several files are one well-formed text.
struct TranscriptWriter {
  private let format: TranscriptFormat
  private let fileCount: Int
  private var file = ""
  private var segments: [Segment] = []
  /// Segments of this file, and of all, that were written.
  private var (count, total) = (0, 0)
  private var hasHeader = false

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

  init(_ format: TranscriptFormat, fileCount: Int) {
    self.format = format
    self.fileCount = fileCount
  }

  /// Begins the transcript of a file.
  mutating func begin(_ path: String) {
    file = PathText.shown(path)
    segments = []
    count = 0
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
    try writeHeader()
    if count == 0, fileCount > 1, format == .vtt {
      try Output.line("NOTE \(file.onOneLine.replacing("-->", with: "->"))\n")
    }
    count += 1
    total += 1
    switch format {
    case .text: try Output.write((count > 1 ? " " : "") + segment.text)
    case .srt:
      try Output.line("\(total)\n\(Self.span(segment, ","))\n\(segment.text.onOneLine)\n")
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
    case .vtt, .tsv, .srt: break
    }
  }

  /// Completes the whole text.
  mutating func end() throws { try writeHeader() }

  private mutating func writeHeader() throws {
    if hasHeader { return }
    hasHeader = true
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
