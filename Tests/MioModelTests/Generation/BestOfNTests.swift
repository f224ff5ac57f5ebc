import Foundation
import MioKernels
import MioModel
import Testing

/// Several readings, of which the one that is understood best is kept.
@Suite struct BestOfNTests {
  private static let text: [[Int32]] = [[9, 12, 9, ToyVocabulary.stop], [30, 31, ToyVocabulary.stop]]

  static func candidates(_ count: Int) -> BestOfN {
    BestOfN(count: count, transcripts: text) { content in [1, 2] + content.map { 90 + Int32($0) } + [3] }
  }

  private static func request(_ count: Int?, stream: UInt64 = 4, seed: UInt64 = 3) throws -> GenerationRequest {
    var request = GenerationRequest(
      prompt: (0..<10).map { Int32($0) },
      options: SamplingOptions(strategy: .sampling, topP: 0.9, repetitionPenalty: 1.15, maxTokens: 80, seed: seed),
      grammar: ModalityGrammar(try ToyVocabulary.classes(), rules: .speechOnly), stream: stream)
    request.candidates = count.map(candidates)
    return request
  }

  private static func reply(_ request: GenerationRequest, chunk: Int = 512) throws -> [Int32] {
    try GenerationBatchTests.outputs([request], Generator(GenerationBatchTests.decoder(), promptChunk: chunk))[0].ids
  }

  /// The log-probability of the likelier text after a prompt that ends with `reply`'s content, from the definition.
  private static func score(of reply: [Int32]) throws -> Double {
    let codes = reply.compactMap { ToyVocabulary.speech.codebooks[0].firstIndex(of: $0) }
    let grammar = ModalityGrammar(try ToyVocabulary.classes(), rules: .textOnly)
    let allowed = grammar.allowed(in: grammar.start(after: []), remaining: 100)
    let decoder = GenerationBatchTests.decoder()
    var logits = Activations(rows: 1, columns: ToyVocabulary.size)
    return try text.map { text in
      let sequence = decoder.makeSequence()
      var next = try candidates(1).prompt(codes)
      return try text.reduce(0.0) { sum, id in
        try decoder.evaluate([DecoderInput(sequence: sequence, tokens: next, allowed: allowed)], into: &logits)
        next = [id]
        let total = allowed.joined().reduce(0.0) { $0 + exp(Double(logits[0, $1])) }
        return sum + Double(logits[0, Int(id)]) - log(total)
      }
    }.max()!
  }

  @Test(arguments: [UInt64](0..<12), [1, 512]) func `the candidate that is understood best is the reply`(
    seed: UInt64, chunk: Int
  )
    throws
  {
    let draws = try (0..<4).map { try Self.reply(Self.request(nil, stream: 4 ^ $0 << 32, seed: seed)) }
    let scores = try draws.map(Self.score)
    let best = scores.indices.max { scores[$0] < scores[$1] }!
    #expect(Set(draws).count > 1)
    #expect(try Self.reply(Self.request(4, seed: seed), chunk: chunk) == draws[best])
  }

  @Test(arguments: [9, 12, 64], [2, 512]) func `the reply does not depend on the batch`(limit: Int, chunk: Int) throws {
    let requests = try (0..<6).map { try Self.request(1 + $0 % 3, seed: UInt64($0)) }
    let alone = try requests.map { try Self.reply($0) }
    let decoder = GenerationBatchTests.decoder()
    let generator = Generator(decoder, batchLimit: limit, promptChunk: chunk, prefixLimit: 0)
    #expect(try GenerationBatchTests.outputs(requests, generator).map(\.ids) == alone)
    #expect(decoder.widestBatch <= limit)
    #expect(decoder.liveCount == 0)
  }

  @Test func `one candidate is what would be drawn anyway`() throws {
    #expect(try Self.reply(Self.request(1)) == Self.reply(Self.request(nil)))
  }

  @Test func `the events are those of the reply`() throws {
    let generator = Generator(GenerationBatchTests.decoder())
    let id = try generator.submit(Self.request(3))
    var tokens: [Int32] = []
    var blocks = 0
    var output: GenerationOutput?
    while !generator.isIdle {
      for event in try generator.step() {
        switch event {
        case .token(id, let token): tokens.append(token)
        case .blockFinished(id, .speech): blocks += 1
        case .finished(id, let end): output = end
        default: Issue.record("another event: \(event)")
        }
      }
    }
    #expect(tokens == output?.ids)
    #expect(blocks == 1)
  }

  @Test(arguments: 1..<100) func `a request that is cancelled leaves nothing, whenever it is`(step: Int) throws {
    let decoder = GenerationBatchTests.decoder()
    let generator = Generator(decoder, promptChunk: 3, prefixLimit: 0)
    let id = try generator.submit(Self.request(3))
    for _ in 0..<step { _ = try generator.step() }
    generator.cancel(id)
    _ = try generator.step()
    #expect(generator.isIdle)
    #expect(decoder.liveCount == 0)
  }

  @Test(arguments: 1..<100) func `a model that fails leaves nothing, whenever it does`(step: Int) throws {
    let decoder = GenerationBatchTests.decoder()
    let generator = Generator(decoder, promptChunk: 3, prefixLimit: 0)
    _ = try generator.submit(Self.request(3))
    decoder.patience = step
    do { while !generator.isIdle { _ = try generator.step() } } catch { #expect(error.code == .scoringFailed) }
    #expect(decoder.liveCount == 0)
  }

  @Test(arguments: [UInt64](0..<20)) func `scores that are not numbers do no harm`(seed: UInt64) throws {
    let decoder = ToyScorer(vocabularySize: ToyVocabulary.size, score: ToyScorer.hostile(seed: seed))
    let output = try GenerationBatchTests.outputs([Self.request(3)], Generator(decoder, prefixLimit: 0))[0]
    #expect(output.ids.last == ToyVocabulary.speech.close || output.ids.last == ToyVocabulary.stop)
    #expect(decoder.liveCount == 0)
  }

  @Test func `a transcript that does not fit the context is an error`() throws {
    var request = try Self.request(2)
    request.candidates?.prompt = { _ in Array(repeating: 1, count: 498) }
    let generator = Generator(GenerationBatchTests.decoder(contextLength: 500))
    let failing = try generator.submit(request)
    let other = try generator.submit(GenerationBatchTests.requests()[0])
    var error: GenerationError?
    var output: GenerationOutput?
    while !generator.isIdle {
      for event in try generator.step() {
        if case .failed(failing, let failure) = event { error = failure }
        if case .finished(other, let end) = event { output = end }
      }
    }
    #expect(error?.code == .promptTooLong && error?.location == "candidates")
    // It concerns nobody else.
    #expect(
      try GenerationBatchTests.outputs([GenerationBatchTests.requests()[0]], Generator(GenerationBatchTests.decoder())) == [
        output
      ])
  }

  @Test func `plain words`() {
    let spellings = [
      "Hello, World!": "hello world", "It's  o’clock -- 'now'.": "it's o'clock now", "7 Äpfel": "7 äpfel", " ...'' ": "",
    ]
    for (text, plain) in spellings { #expect(BestOfN.plainWords(text) == plain) }
  }

  @Test func `takes that make no sense are refused`() throws {
    func refusal(_ change: (inout GenerationRequest) -> Void, batch: Int = 16) throws -> GenerationError? {
      var request = try Self.request(2)
      change(&request)
      let generator = Generator(GenerationBatchTests.decoder(), batchLimit: batch)
      do { _ = try generator.submit(request) } catch { return error }
      return nil
    }
    #expect(try refusal { _ in } == nil)
    let refused: [GenerationError?] = [
      try refusal { $0.candidates?.count = 0 }, try refusal { $0.candidates?.count = 65 },
      try refusal { $0.options.strategy = .greedy }, try refusal { $0.options.temperature = 0 },
      try refusal { $0.options.strategy = .beamSearch(width: 2) }, try refusal({ _ in }, batch: 5),
    ]
    #expect(refused.allSatisfy { $0?.code == .invalidOption && $0?.location == "candidates" })
    #expect(try refusal { $0.candidates?.transcripts = [[9, Int32(ToyVocabulary.size)]] }?.code == .tokenOutOfRange)
  }
}
