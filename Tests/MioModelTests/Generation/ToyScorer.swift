import MioKernels
import MioModel

/// A decoder whose next-token scores are any function of the tokens before: for laws that hold whatever the model says.
///
/// It checks that its caller keeps the contract of `SequenceDecoder`.
final class ToyScorer: SequenceDecoder {
  struct Failure: Error {}

  let vocabularySize: Int
  let contextLength: Int
  private let score: (_ tokens: [Int32], _ id: Int) -> Float
  private var sequences: [Int: [Int32]] = [:]
  private var nextHandle = 0
  private(set) var evaluatedCount = 0
  private(set) var widestBatch = 0
  private(set) var longestInput = 0
  /// Evaluations that succeed before one fails.
  var patience = Int.max

  init(vocabularySize: Int, contextLength: Int = 4096, score: @escaping (_ tokens: [Int32], _ id: Int) -> Float) {
    self.vocabularySize = vocabularySize
    self.contextLength = contextLength
    self.score = score
  }

  var liveCount: Int { sequences.count }

  func makeSequence() -> Int {
    sequences[nextHandle] = []
    nextHandle += 1
    return nextHandle - 1
  }

  func fork(_ sequence: Int) -> Int {
    sequences[nextHandle] = sequences[sequence]!
    nextHandle += 1
    return nextHandle - 1
  }

  func release(_ sequence: Int) {
    precondition(sequences.removeValue(forKey: sequence) != nil, "sequence \(sequence) was released twice")
  }

  func truncate(_ sequence: Int, to length: Int) {
    precondition(length <= sequences[sequence]!.count, "a sequence can only be truncated to a shorter length")
    sequences[sequence] = Array(sequences[sequence]![..<length])
  }

  func length(of sequence: Int) -> Int { sequences[sequence]!.count }

  let pageLength = 16
  /// No page is shared here, so a limit is met earlier than with a real cache.
  var pageLimit = Int.max / 64

  /// The most pages that were in use.
  private(set) var maxPages = 0

  private func pages(_ tokens: Int) -> Int { (tokens + pageLength - 1) / pageLength }

  func missingPages(for inputs: [DecoderInput]) -> Int {
    let added = Dictionary(uniqueKeysWithValues: inputs.map { ($0.sequence, $0.tokens.count) })
    let needed = sequences.reduce(0) { $0 + pages($1.value.count + (added[$1.key] ?? 0)) }
    return max(0, needed - pageLimit)
  }

  func evaluate(_ inputs: [DecoderInput], into logits: inout Activations) throws {
    patience -= 1
    if patience < 0 { throw Failure() }
    precondition(logits.rows == inputs.count && logits.columns == vocabularySize, "logits of another shape")
    precondition(Set(inputs.map(\.sequence)).count == inputs.count, "a sequence is in the batch twice")
    precondition(missingPages(for: inputs) == 0, "the cache is full")
    widestBatch = max(widestBatch, inputs.count)
    defer { maxPages = max(maxPages, sequences.values.reduce(0) { $0 + pages($1.count) }) }
    for (row, input) in inputs.enumerated() {
      precondition(!input.tokens.isEmpty, "an input without tokens")
      sequences[input.sequence]! += input.tokens
      let tokens = sequences[input.sequence]!
      precondition(tokens.count <= contextLength, "the sequence is longer than the context")
      evaluatedCount += input.tokens.count
      longestInput = max(longestInput, input.tokens.count)
      if !input.wantsLogits { continue }
      for id in 0..<vocabularySize { logits[row, id] = input.allowed == nil ? score(tokens, id) : -.infinity }
      for range in input.allowed ?? [] { for id in range { logits[row, id] = score(tokens, id) } }
    }
  }

  /// Scores that look random but are a function of the last tokens, their count and the id.
  static func random(seed: UInt64, spread: Float = 6) -> (_ tokens: [Int32], _ id: Int) -> Float {
    { tokens, id in
      var key = seed &+ UInt64(tokens.count) &* 0x9E37_79B9
      for token in tokens.suffix(3) { key = (key ^ UInt64(UInt32(bitPattern: token))) &* 0x1000_0000_01B3 }
      var stream = RandomStream(seed: key, number: UInt64(id))
      return Float(stream.uniform()) * spread
    }
  }

  /// Scores of the kinds that break arithmetic: not numbers, infinities, huge, all equal.
  static func hostile(seed: UInt64) -> (_ tokens: [Int32], _ id: Int) -> Float {
    { tokens, id in
      var stream = RandomStream(seed: seed &+ UInt64(tokens.count), number: UInt64(id))
      let kinds: [Float] = [
        .nan, .infinity, -.infinity, .greatestFiniteMagnitude, -.greatestFiniteMagnitude, 0, -0.0,
        .leastNonzeroMagnitude, 3,
      ]
      let row = RandomStream(seed: seed, number: UInt64(tokens.count)).firstWord % 4
      switch row {
      case 0: return .nan
      case 1: return -.infinity
      case 2: return kinds[Int(stream.next() % 9)]
      default: return 1
      }
    }
  }
}

extension RandomStream {
  fileprivate var firstWord: UInt64 {
    var copy = self
    return copy.next()
  }
}

/// A small vocabulary with speech of four codebooks and images, its ids scattered.
struct ToyVocabulary {
  static let size = 120
  static let stop: Int32 = 7
  static let speech = TokenClasses.Speech(
    open: 60, close: 41,
    codebooks: [[90, 91, 92, 93, 94], [20, 22, 24, 26, 28], [70, 71, 72, 73, 74], [80, 79, 78, 77, 76]])
  static let image = TokenClasses.Image(open: 100, close: 42, codes: [101, 103, 105, 107, 109, 111], blockLength: 32)

  static func classes(frameMultiple: Int = 1) throws -> TokenClasses {
    var speech = speech
    speech.frameMultiple = frameMultiple
    return try TokenClasses(
      vocabularySize: size, text: [8..<20, 30..<40, 43..<50], stopIds: [stop], speech: speech, image: image)
  }
}
