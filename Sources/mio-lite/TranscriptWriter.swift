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
  /// Whether every segment of plain text is a line, for who reads along.
  private let hasLines: Bool
  private var file = ""
  private var segments: [Segment] = []
  /// Segments of this file, and of all, that were written.
  private var (count, total) = (0, 0)
  private var hasHeader = false
  /// Where the text goes.
  private let write: (String) throws -> Void

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

  init(
    _ format: TranscriptFormat, fileCount: Int, hasLines: Bool = false,
    write: @escaping (String) throws -> Void = { try Output.write($0) }
  ) {
    self.hasLines = hasLines
    self.format = format
    self.fileCount = fileCount
    self.write = write
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
    let text = segment.text
    if format == .json {
      // Finer than a sample of 16 kHz can be heard; more digits would only be noise of the arithmetic.
      func rounded(_ seconds: Double) -> Double { (seconds * 10_000).rounded() / 10_000 }
      segments.append(Segment(start: rounded(segment.start), end: rounded(segment.end), text: text))
      return
    }
    if text.isEmpty { return }
    try writeHeader()
    if count == 0, fileCount > 1, format == .vtt {
      try line("NOTE \(file.onOneLine.replacing("-->", with: "->"))\n")
    }
    count += 1
    total += 1
    switch format {
    case .text: try hasLines ? line(text) : write((count > 1 ? " " : "") + text)
    case .srt:
      try line(segment.subRip(number: total))
    case .vtt: try line(segment.webVTT)
    case .tsv: try line(segment.tabSeparated)
    case .json: break
    }
  }

  /// Completes the transcript, also one that breaks off.
  func finish() throws {
    switch format {
    case .text: if !hasLines { try line("") }
    case .json:
      let text = segments.map(\.text).filter { !$0.isEmpty }.joined(separator: " ")
      try line(Output.jsonText(Transcript(file: file, text: text, segments: segments)))
    case .vtt, .tsv, .srt: break
    }
  }

  /// Completes the whole text.
  mutating func end() throws { try writeHeader() }

  private mutating func writeHeader() throws {
    if hasHeader { return }
    hasHeader = true
    if format == .vtt { try line("WEBVTT\n") }
    if format == .tsv { try line("start\tend\ttext") }
  }

  private func line(_ text: String) throws { try write(text + "\n") }
}

/// A file that says when what is said.
struct TimingsFile {
  private final class Text {
    var text = ""
  }

  private let path: String
  private let text = Text()
  private var writer: TranscriptWriter
  private var pieces: [TranscriptSegment] = []

  /// Refuses, before any work, what could not be written.
  init(_ path: String) throws {
    let suffix = path.split(separator: ".", omittingEmptySubsequences: false).dropFirst().last.map { $0.lowercased() }
    guard let format = suffix.flatMap(TranscriptFormat.init), format != .text else {
      throw Failure(
        .wrongInput, "\(PathText.shown(path)): times are written as .srt, .vtt, .json or .tsv; end the name with one")
    }
    try OutputFile.check(URL(fileURLWithPath: path))
    self.path = path
    writer = TranscriptWriter(format, fileCount: 1) { [text] in text.text += $0 }
    writer.begin(path)
  }

  mutating func add(_ text: String, from start: Double, lasting seconds: Double) {
    pieces.append(TranscriptSegment(text: text, start: start, end: start + seconds))
  }

  mutating func finish() throws {
    for piece in pieces { try writer.add(piece) }
    try writer.finish()
    try writer.end()
    try Output.write(Array(text.text.utf8), to: path)
  }
}
