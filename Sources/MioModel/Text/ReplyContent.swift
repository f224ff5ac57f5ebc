/// Something in a reply that is not as it should be; the reply stays usable.
package struct ReplyProblem: Hashable, Sendable, CustomStringConvertible {
  /// The kind of problem; extensible.
  package struct Code: Hashable, Sendable, RawRepresentable {
    package let rawValue: String
    package init(rawValue: String) { self.rawValue = rawValue }

    /// Speech without a single code.
    package static let noSpeechCodes = Code(rawValue: "noSpeechCodes")
    /// A `<spchN>` beyond the four codebooks.
    package static let numberOutOfRange = Code(rawValue: "numberOutOfRange")
    /// Not one run of each of the four codebooks.
    package static let wrongRunCount = Code(rawValue: "wrongRunCount")
    /// Codebooks that do not come as content, timbre 0, 1, 2.
    package static let wrongOrder = Code(rawValue: "wrongOrder")
    /// Codebooks with different numbers of frames.
    package static let unequalCodebooks = Code(rawValue: "unequalCodebooks")
    /// An image that does not have 32 codes.
    package static let wrongImageLength = Code(rawValue: "wrongImageLength")
    /// A block without its end token.
    package static let unfinishedBlock = Code(rawValue: "unfinishedBlock")
    /// Media tokens that belong to no block.
    package static let strayTokens = Code(rawValue: "strayTokens")
  }

  package let code: Code
  /// Index of the part of the reply.
  package let part: Int
  package let message: String

  package var description: String { message }
}

/// Speech in a reply.
package struct ReplySpeech: Hashable, Sendable {
  /// N of every `<spchN>`, as generated.
  package let numbers: [Int]
  /// `[Q, T]`: what can be decoded, all codebooks equally long; empty if nothing can.
  package let codebooks: [[Int]]
  /// Whether the block has its end token.
  package let isFinished: Bool
  /// Why it is not four equally long codebooks in order, if it is not.
  package let fault: ReplyProblem.Code?

  /// Codebooks that MIO speaks: content and three of timbre.
  package static let codebookCount = 4

  /// - Parameter codesPerCodebook: K of ``MediaTokens``.
  package init(numbers: [Int], codesPerCodebook: Int = 1024, isFinished: Bool) {
    self.numbers = numbers
    self.isFinished = isFinished
    let runs = Self.runs(numbers, codesPerCodebook)
    fault = Self.fault(numbers, runs)
    codebooks = Self.usableCodebooks(runs)
  }

  private struct Run {
    var codebook: Int
    var codes: [Int]
  }

  private static func runs(_ numbers: [Int], _ codesPerCodebook: Int) -> [Run] {
    var runs: [Run] = []
    for number in numbers {
      let (codebook, code) = number.quotientAndRemainder(dividingBy: codesPerCodebook)
      if runs.last?.codebook != codebook { runs.append(Run(codebook: codebook, codes: [])) }
      runs[runs.count - 1].codes.append(code)
    }
    return runs
  }

  /// The rules of `check_speech_completeness` in MIO's `tokenization_mio.py`, in its order.
  private static func fault(_ numbers: [Int], _ runs: [Run]) -> ReplyProblem.Code? {
    if numbers.isEmpty { return .noSpeechCodes }
    if runs.contains(where: { $0.codebook >= codebookCount }) { return .numberOutOfRange }
    if runs.count != codebookCount { return .wrongRunCount }
    if runs.map(\.codebook) != Array(0..<codebookCount) { return .wrongOrder }
    if runs.contains(where: { $0.codes.count != runs[0].codes.count }) { return .unequalCodebooks }
    return nil
  }

  /// Where the reference raises an exception, we keep what can be heard: the first run of each codebook, up to the first
  /// codebook that is absent. Four codebooks are cut to the shortest; with fewer, the reply broke off, and a last codebook
  /// that is shorter than the content is left out for the sake of the others.
  private static func usableCodebooks(_ runs: [Run]) -> [[Int]] {
    var codebooks: [[Int]] = []
    while codebooks.count < codebookCount, let run = runs.first(where: { $0.codebook == codebooks.count }) {
      codebooks.append(run.codes)
    }
    guard let content = codebooks.first else { return [] }
    if codebooks.count < codebookCount {
      codebooks = Array(codebooks.prefix { $0.count >= content.count })
    }
    let frameCount = codebooks.map(\.count).min() ?? 0
    return codebooks.map { Array($0.prefix(frameCount)) }
  }
}

/// An image in a reply.
package struct ReplyImage: Hashable, Sendable {
  /// N of every `<imgN>`.
  package let codes: [Int]
  /// Whether the block has its end token.
  package let isFinished: Bool

  /// Whether it can be drawn: exactly 32 codes, with or without the end token.
  package var isComplete: Bool { codes.count == MediaTokens.imageLength }
}

/// One part of a reply, in the order in which the parts were generated.
package enum ReplyPart: Hashable, Sendable {
  case text(String)
  case image(ReplyImage)
  case speech(ReplySpeech)
  /// Strings of media tokens that belong to no block.
  case stray(String)
}

/// A reply taken apart: what was written, drawn and said.
package struct ReplyContent: Hashable, Sendable {
  /// Neighbouring texts are one part; white space at both ends of the reply is removed.
  package let parts: [ReplyPart]
  package let problems: [ReplyProblem]

  /// - Parameters:
  ///   - ids: The generated tokens.
  ///   - prompt: The tokens before them; matters where they end inside a block, as `… <spch>` does.
  package init(_ ids: [Int32], after prompt: [Int32] = [], tokenizer: TextTokenizer) {
    var parser = ReplyParser(tokenizer, after: prompt)
    var parts: [ReplyPart] = []
    for id in ids { parts += parser.append(id) }
    self.init(joining: parts + parser.finish())
  }

  /// Joins the parts that a ``ReplyParser`` put out.
  package init(joining increments: [ReplyPart]) {
    var parts: [ReplyPart] = []
    for part in increments {
      switch (parts.last, part) {
      case (.text(let first), .text(let second)): parts[parts.count - 1] = .text(first + second)
      case (.stray(let first), .stray(let second)): parts[parts.count - 1] = .stray(first + second)
      default: parts.append(part)
      }
    }
    Self.trim(&parts)
    self.parts = parts
    problems = parts.enumerated().flatMap { Self.problems($1, at: $0) }
  }

  private static func trim(_ parts: inout [ReplyPart]) {
    if case .text(let text) = parts.first {
      parts[0] = .text(String(decoding: PythonWhitespace.trim(Array(text.utf8)[...], right: false), as: UTF8.self))
    }
    if case .text(let text) = parts.last {
      parts[parts.count - 1] = .text(
        String(decoding: PythonWhitespace.trim(Array(text.utf8)[...], left: false), as: UTF8.self))
    }
    parts.removeAll { $0 == .text("") }
  }

  private static func problems(_ part: ReplyPart, at index: Int) -> [ReplyProblem] {
    func problem(_ code: ReplyProblem.Code, _ message: String) -> ReplyProblem {
      ReplyProblem(code: code, part: index, message: message)
    }
    switch part {
    case .text: return []
    case .stray(let text):
      return [problem(.strayTokens, "the reply holds media tokens outside of any block: \(text.prefix(60))")]
    case .image(let image):
      var problems: [ReplyProblem] = []
      if !image.isFinished { problems.append(problem(.unfinishedBlock, "an image broke off; allow more tokens")) }
      if !image.isComplete {
        problems.append(
          problem(.wrongImageLength, "an image has \(image.codes.count) codes, \(MediaTokens.imageLength) are needed"))
      }
      return problems
    case .speech(let speech):
      var problems: [ReplyProblem] = []
      if !speech.isFinished { problems.append(problem(.unfinishedBlock, "speech broke off; allow more tokens")) }
      if let fault = speech.fault {
        let usable = speech.codebooks.first?.count ?? 0
        problems.append(
          problem(
            fault, "speech is not four equally long codebooks (\(fault.rawValue)); \(usable) frames of it can be heard"))
      }
      return problems
    }
  }

  /// What was written, without media.
  package var text: String {
    parts.map { if case .text(let text) = $0 { text } else { "" } }.joined()
  }

  /// The text with `<image_placeholder_n>` and `<speech_placeholder_n>` for finished media and token strings for the
  /// rest: what `detokenize` of the reference gives, without the spaces it puts around media.
  package var textWithPlaceholders: String {
    var (imageCount, speechCount) = (0, 0)
    var text = ""
    for part in parts {
      switch part {
      case .text(let more), .stray(let more): text += more
      case .image(let image) where image.isFinished:
        text += "<image_placeholder_\(imageCount)>"
        imageCount += 1
      case .image(let image): text += "<image>" + image.codes.map { "<img\($0)>" }.joined()
      case .speech(let speech) where speech.isFinished:
        text += "<speech_placeholder_\(speechCount)>"
        speechCount += 1
      case .speech(let speech): text += "<spch>" + speech.numbers.map { "<spch\($0)>" }.joined()
      }
    }
    return text
  }

  package var images: [ReplyImage] { parts.compactMap { if case .image(let image) = $0 { image } else { nil } } }
  package var speeches: [ReplySpeech] { parts.compactMap { if case .speech(let speech) = $0 { speech } else { nil } } }
}
