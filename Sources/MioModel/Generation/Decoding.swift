import MioKernels

/// One request on its way through the engine: the sequences it occupies and what it does with their scores.
protocol Decoding: AnyObject {
  var plan: SequenceState { get }

  /// The sequence that holds the prompt, as far as it is evaluated.
  var leadSequence: Int { get }

  /// Appends what must be evaluated next, at most `limit` tokens for each sequence.
  func appendInputs(to inputs: inout [DecoderInput], limit: Int)

  /// Uses the scores of the inputs appended last, which begin at `firstRow`.
  ///
  /// - Returns: the whole reply when it is complete.
  func advance(
    _ logits: borrowing Activations, firstRow: Int, on engine: DecodingEngine, events: inout [GenerationEvent]
  ) throws -> GenerationOutput?

  /// The reply as far as it is certain.
  func cancelled() -> GenerationOutput

  /// Gives the sequences back.
  func release(on decoder: any SequenceDecoder)

  /// Gives the sequences back, but for one that later requests may go on from.
  func retire(on engine: DecodingEngine)
}

/// What all requests of a generator share while they use their scores.
final class DecodingEngine {
  let decoder: any SequenceDecoder
  var sampler: Sampler
  private var prefixes: PrefixCache

  init(_ decoder: any SequenceDecoder, prefixLimit: Int) {
    self.decoder = decoder
    sampler = Sampler(vocabularySize: decoder.vocabularySize)
    prefixes = PrefixCache(
      limit: prefixLimit, tokenLimit: max(decoder.pageLimit / 4 * decoder.pageLength, decoder.contextLength))
  }

  var keepsPrefixes: Bool { prefixes.limit > 0 }

  /// The longest evaluated beginning of a prompt that is kept.
  func longestPrefix(for prompt: [Int32]) -> (sequence: Int, count: Int)? { prefixes.longest(for: prompt) }

  /// A new sequence with the first `count` tokens of another one; an empty one for nil.
  func start(behind prefix: (sequence: Int, count: Int)?) throws -> (sequence: Int, evaluated: Int) {
    guard let prefix else { return (try decoder.makeSequence(), 0) }
    let sequence = try decoder.fork(prefix.sequence)
    decoder.truncate(sequence, to: prefix.count)
    return (sequence, prefix.count)
  }

  /// Hands a sequence over, of which the first tokens are `tokens`, for requests that begin alike.
  func keep(_ sequence: Int, _ tokens: some Collection<Int32>) {
    decoder.truncate(sequence, to: tokens.count)
    prefixes.insert(Array(tokens), sequence: sequence, decoder: decoder)
  }

  func forgetPrefixes() { prefixes.removeAll(decoder: decoder) }

  /// Forgets kept beginnings until the cache can take the inputs.
  func makeRoom(for inputs: [DecoderInput]) {
    while decoder.missingPages(for: inputs) > 0, prefixes.removeOldest(decoder: decoder) {}
  }
}
