/// The frame in which a reply grows: its prompt, how long it may become, what may follow and what ends it.
struct SequenceState {
  let request: Int  // id of the request
  let prompt: [Int32]
  let options: SamplingOptions
  let grammar: ModalityGrammar?
  let stopIds: [Int32]
  /// Most tokens of the reply, those of a voice prompt included.
  let budget: Int
  /// Whether the context, not the request, set the budget.
  let isContextBound: Bool
  let start: ModalityGrammar.State
  private(set) var stream: UInt64
  let candidates: BestOfN?
  let paddingCount: Int
  let keepsReply: Bool
  /// Tokens of the question by which candidates are judged, without the content.
  private let judgingLength: Int
  private let everyId: [Range<Int>]

  /// Checks a request and fits its prompt into the context.
  init(_ request: GenerationRequest, id: Int, vocabularySize: Int, contextLength: Int) throws(GenerationError) {
    try request.options.validate()
    try request.candidates?.validate(request.options, request.grammar)
    if let grammar = request.grammar, grammar.classes.vocabularySize > vocabularySize {
      throw GenerationError(
        .invalidTokenTable, at: "grammar",
        "names \(grammar.classes.vocabularySize) ids, the model scores \(vocabularySize); use the tables of this model")
    }
    stopIds = request.options.stopIds ?? request.grammar?.classes.stopIds ?? []
    try Self.check(request.prompt, vocabularySize, "prompt")
    try Self.check(stopIds, vocabularySize, "stop ids")
    for transcript in request.candidates?.transcripts ?? [] { try Self.check(transcript, vocabularySize, "candidates") }
    if let grammar = request.grammar, grammar.classes.stopIds != stopIds {
      self.grammar = ModalityGrammar(
        try grammar.classes.stopping(at: stopIds), rules: grammar.rules, voice: grammar.voice)
    } else {
      grammar = request.grammar
    }
    start = grammar?.start(after: request.prompt) ?? .init()
    let least = grammar?.minimumTokens(from: start) ?? 1
    // A voice prompt is given, not generated: it does not use up what the request allows.
    let given = grammar?.voiceTokenCount(from: start) ?? 0
    let allowed = request.options.maxTokens + given
    guard allowed >= least else {
      throw GenerationError(
        .budgetTooSmall, at: "max-tokens",
        "this task needs at least \(least - given) tokens, \(request.options.maxTokens) are allowed; raise --max-tokens")
    }
    prompt = try Self.fit(request, least: least, contextLength: contextLength)
    budget = min(allowed, contextLength - prompt.count)
    isContextBound = budget < allowed
    self.request = id
    options = request.options
    stream = request.stream
    candidates = request.candidates
    paddingCount = request.paddingCount
    keepsReply = request.keepsReply
    judgingLength = try Self.judgingLength(request.candidates)
    everyId = request.tokens?.map { $0.clamped(to: 0..<vocabularySize) }.filter { !$0.isEmpty } ?? [0..<vocabularySize]
  }

  /// Sequences of a batch that the request occupies.
  var rowCount: Int { candidates.map { BestOfN.rowCount($0.count) } ?? options.rowCount }

  /// Pages of the cache that the request can need at most.
  func maxPages(pageLength: Int) -> Int {
    func pages(_ count: Int) -> Int { (count + pageLength - 1) / pageLength }
    // Every sequence may begin with a page that it shared and then wrote to.
    func pages(sequences: Int, of length: Int) -> Int { sequences * (pages(length) + 1) }
    var count = pages(prompt.count) + pages(sequences: candidates?.count ?? options.rowCount, of: budget)
    if let candidates {
      let codebooks = max(1, grammar?.classes.speech?.codebooks.count ?? 1)
      count += candidates.count * pages(judgingLength + budget / codebooks)
      for transcript in candidates.transcripts { count += pages(sequences: candidates.count, of: transcript.count) }
    }
    return count
  }

  private static func judgingLength(_ candidates: BestOfN?) throws(GenerationError) -> Int {
    guard let candidates, candidates.count > 1 else { return 0 }
    do { return try candidates.prompt([]).count } catch {
      throw GenerationError(.invalidOption, at: "candidates", "\(error)", underlying: error)
    }
  }

  /// The same for one of several candidates: the first draws as if it were the only one.
  func candidate(_ index: Int) -> SequenceState {
    var plan = self
    plan.stream ^= UInt64(index) << 32
    return plan
  }

  /// Allowed next ids after `reply`.
  func allowed(after reply: Reply) -> [Range<Int>] {
    grammar?.allowed(in: reply.state, remaining: budget - reply.ids.count) ?? everyId
  }

  /// Why `reply` ends with its last token, if it does.
  func end(of reply: Reply) -> GenerationOutput.Reason? {
    if let last = reply.ids.last, stopIds.contains(last) { return .stopToken }
    if reply.ids.count >= budget { return isContextBound ? .contextLimit : .tokenLimit }
    return allowed(after: reply).isEmpty ? .complete : nil
  }

  /// Ids that a repetition penalty weakens from the first step on; empty if there is no penalty.
  func seenIds(vocabularySize: Int) -> SeenIds {
    guard options.repetitionPenalty != 1 else { return SeenIds(vocabularySize: 0) }
    var seen = SeenIds(vocabularySize: vocabularySize)
    if paddingCount > 0 { seen.insert(0) }
    for id in prompt { seen.insert(id) }
    return seen
  }

  private static func check(_ ids: [Int32], _ vocabularySize: Int, _ name: String) throws(GenerationError) {
    for (index, id) in ids.enumerated() where id < 0 || Int(id) >= vocabularySize {
      throw GenerationError(
        .tokenOutOfRange, at: "\(name)[\(index)]", "token id \(id) is not in a vocabulary of \(vocabularySize)")
    }
  }

  /// The prompt with room for `least` tokens behind it.
  private static func fit(
    _ request: GenerationRequest, least: Int, contextLength: Int
  ) throws(GenerationError) -> [Int32] {
    let prompt = request.prompt
    guard !prompt.isEmpty else {
      throw GenerationError(.emptyPrompt, at: "prompt", "has no tokens; give at least one, such as the bos token")
    }
    var surplus = prompt.count + least - contextLength
    if case .trim(let range, let reserving) = request.overflow {
      precondition(
        range.lowerBound >= 0 && range.upperBound <= prompt.count, "the range to trim is not a part of the prompt")
      // A generous reserve is a request, not a reason to refuse.
      surplus = min(prompt.count + max(least, reserving) - contextLength, max(surplus, range.count))
      if surplus > 0 && surplus <= range.count {
        return Array(prompt[..<(range.upperBound - surplus)] + prompt[range.upperBound...])
      }
    }
    guard surplus <= 0 else {
      throw GenerationError(
        .promptTooLong, at: "prompt",
        "\(prompt.count) tokens and at least \(least) for the reply do not fit a context of \(contextLength); "
          + "shorten the prompt or raise --context")
    }
    return prompt
  }
}

/// A reply in the making: its tokens and where the grammar stands.
struct Reply {
  var ids: [Int32] = []
  var state: ModalityGrammar.State

  mutating func append(_ id: Int32, _ grammar: ModalityGrammar?) {
    ids.append(id)
    grammar?.advance(&state, by: id)
  }
}
