import MioKernels
import MioModel
import Testing

/// Laws of the engine that hold for any model.
@Suite struct GenerationBatchTests {
  static func decoder(contextLength: Int = 500) -> ToyScorer {
    ToyScorer(
      vocabularySize: ToyVocabulary.size, contextLength: contextLength, score: ToyScorer.random(seed: 11, spread: 9))
  }

  /// Requests of every kind with a common beginning, some much longer than others.
  static func requests() throws -> [GenerationRequest] {
    let classes = try ToyVocabulary.classes()
    let system = (0..<20).map { Int32($0 % 50) }
    let kinds: [(SamplingOptions.Strategy, ModalityGrammar.Rules?)] = [
      (.greedy, .anything), (.sampling, .speechOnly), (.beamSearch(width: 3), .anything), (.sampling, nil),
      (.beamSearch(width: 2), nil), (.sampling, .speechOnly), (.greedy, nil), (.beamSearch(width: 4), .imageOnly),
    ]
    return kinds.enumerated().map { index, kind in
      let own: [Int32] = (0..<(index * 7 + 1)).map { Int32(($0 * 31 + index) % 100) }
      var request = GenerationRequest(
        prompt: system + own,
        options: SamplingOptions(
          strategy: kind.0, topP: 0.9, repetitionPenalty: 1.15, maxTokens: 60 + index, seed: 3,
          stopIds: [ToyVocabulary.stop]),
        grammar: kind.1.map { ModalityGrammar(classes, rules: $0) })
      request.stream = UInt64(index)
      if index == 5 { request.candidates = BestOfNTests.candidates(1) }
      return request
    }
  }

  static func outputs(_ requests: [GenerationRequest], _ generator: Generator) throws -> [GenerationOutput] {
    let ids = try requests.map { try generator.submit($0) }
    let outputs = try generator.finishAll()
    return ids.compactMap { outputs[$0] }
  }

  @Test(arguments: [4, 5, 9, 64], [1, 3, 512]) func `a reply does not depend on the batch`(limit: Int, chunk: Int)
    throws
  {
    let requests = try Self.requests()
    let alone = try requests.map { try Self.outputs([$0], Generator(Self.decoder()))[0] }
    let decoder = Self.decoder()
    var generator: Generator? = Generator(decoder, batchLimit: limit, promptChunk: chunk)
    let together = try Self.outputs(requests, generator!)
    generator = nil
    #expect(decoder.liveCount == 0)
    #expect(together == alone)
    #expect(decoder.widestBatch <= limit)
    #expect(decoder.longestInput <= chunk)
    let reversed = try Self.outputs(
      requests.reversed(), Generator(Self.decoder(), batchLimit: limit, promptChunk: chunk))
    #expect(reversed.reversed() == alone)
  }

  @Test(arguments: [.greedy, .sampling, .beamSearch(width: 4)] as [SamplingOptions.Strategy])
  func `ids without a token are never chosen`(_ strategy: SamplingOptions.Strategy) throws {
    // Rows beyond the tokenizer's, and a gap, that score far above all others.
    let tokens = [0..<40, 45..<80]
    let decoder = ToyScorer(vocabularySize: 100) { _, id in
      tokens.contains { $0.contains(id) } ? Float(id % 7) : 50
    }
    var request = GenerationRequest(
      prompt: [1, 99], options: SamplingOptions(strategy: strategy, maxTokens: 50, seed: 1, stopIds: []))
    let free = try Self.outputs([request], Generator(decoder))[0]
    #expect(free.ids.contains { id in !tokens.contains { $0.contains(Int(id)) } })
    request.tokens = tokens
    let bound = try Self.outputs([request], Generator(decoder))[0]
    #expect(bound.ids.count == 50 && bound.ids.allSatisfy { id in tokens.contains { $0.contains(Int(id)) } })
  }

  @Test func `requests join and leave while others run`() throws {
    let requests = try Self.requests()
    let alone = try requests.map { try Self.outputs([$0], Generator(Self.decoder()))[0] }
    let generator = Generator(Self.decoder(), batchLimit: 7)
    var outputs: [Int: GenerationOutput] = [:]
    var waiting = requests[...]
    var step = 0
    while !generator.isIdle || !waiting.isEmpty {
      if step % 5 == 0, let next = waiting.popFirst() { _ = try generator.submit(next) }
      for case .finished(let id, let output) in try generator.step() { outputs[id] = output }
      step += 1
    }
    #expect(requests.indices.map { outputs[$0] } == alone)
  }

  @Test func `a common beginning of prompts is evaluated once`() throws {
    let system = (0..<100).map { Int32($0) }
    let requests = (0..<5).map {
      GenerationRequest(prompt: system + [Int32($0), 3], options: SamplingOptions(maxTokens: 1))
    }
    let decoder = Self.decoder()
    let generator = Generator(decoder)
    _ = try Self.outputs(requests, generator)
    #expect(decoder.evaluatedCount == 100 + 5 * 2)
    // And it stays for later requests, until it is forgotten: for one that is known, and one that differs at its end.
    _ = try Self.outputs([requests[0]], generator)
    #expect(decoder.evaluatedCount == 100 + 5 * 2 + 1)
    let other = GenerationRequest(prompt: Array(system[..<60]) + [1, 2, 3], options: SamplingOptions(maxTokens: 1))
    let alone = try Self.outputs([other], Generator(Self.decoder()))
    #expect(try Self.outputs([other], generator) == alone)
    #expect(decoder.evaluatedCount == 100 + 5 * 2 + 1 + 3)
    #expect(decoder.liveCount == 6)
    generator.forgetPrefixes()
    #expect(decoder.liveCount == 0)
  }

  @Test func `five beams evaluate the prompt once`() throws {
    let decoder = Self.decoder()
    let request = GenerationRequest(
      prompt: (0..<100).map { Int32($0) }, options: SamplingOptions(strategy: .beamSearch(width: 5), maxTokens: 3))
    _ = try Self.outputs([request], Generator(decoder))
    #expect(decoder.evaluatedCount == 100 + 2 * 5)
  }

  @Test(arguments: [SamplingOptions.Strategy.greedy, .beamSearch(width: 3)])
  func `a kept cache serves the next turn and changes nothing`(strategy: SamplingOptions.Strategy) throws {
    let decoder = Self.decoder()
    let generator = Generator(decoder)
    var first = GenerationRequest(
      prompt: (0..<30).map { Int32($0) }, options: SamplingOptions(strategy: strategy, maxTokens: 12))
    first.keepsReply = true
    let reply = try Self.outputs([first], generator)[0]
    let before = decoder.evaluatedCount
    let second = GenerationRequest(prompt: first.prompt + reply.ids + [5, 6], options: first.options)
    let cached = try Self.outputs([second], generator)[0]
    let evaluated = decoder.evaluatedCount - before
    let fresh = Self.decoder()
    #expect(try Self.outputs([second], Generator(fresh))[0] == cached)
    #expect(fresh.evaluatedCount - evaluated >= (strategy == .greedy ? 41 : 35))
  }

  @Test func `the same seed draws the same, another seed or stream something else`() throws {
    func ids(seed: UInt64, stream: UInt64) throws -> [Int32] {
      var request = GenerationRequest(
        prompt: [1], options: SamplingOptions(strategy: .sampling, maxTokens: 30, seed: seed))
      request.stream = stream
      return try Self.outputs([request], Generator(Self.decoder()))[0].ids
    }
    #expect(try ids(seed: 1, stream: 0) == ids(seed: 1, stream: 0))
    #expect(try ids(seed: 1, stream: 0) != ids(seed: 2, stream: 0))
    #expect(try ids(seed: 1, stream: 0) != ids(seed: 1, stream: 1))
  }

  @Test func `a cancelled request ends before the next step, running or waiting`() throws {
    let generator = Generator(Self.decoder(), batchLimit: 1)
    let request = GenerationRequest(prompt: [1], options: SamplingOptions(maxTokens: 100))
    let running = try generator.submit(request)
    let waiting = try generator.submit(GenerationRequest(prompt: [2], options: SamplingOptions(maxTokens: 2)))
    let other = try generator.submit(GenerationRequest(prompt: [2], options: SamplingOptions(maxTokens: 2)))
    for _ in 0..<3 { _ = try generator.step() }
    generator.cancel(running)
    generator.cancel(waiting)
    let events = try generator.step()
    guard case .finished(running, let output) = events[0], case .finished(waiting, let unborn) = events[1] else {
      return #expect(Bool(false))
    }
    #expect(output.reason == .cancelled && output.ids.count == 3)
    #expect(unborn == GenerationOutput(ids: [], reason: .cancelled))
    #expect(try generator.finishAll()[other]?.ids.count == 2)
  }

  @Test func `a failing model ends the step with its error and leaves nothing behind`() throws {
    let decoder = Self.decoder()
    let generator = Generator(decoder, batchLimit: 8)
    for request in try Self.requests() { _ = try generator.submit(request) }
    decoder.patience = 9
    let error = #expect(throws: GenerationError.self) {
      for _ in 0..<20 { _ = try generator.step() }
    }
    #expect(error?.code == .scoringFailed && error?.underlying is ToyScorer.Failure)
    #expect(generator.isIdle)
    generator.forgetPrefixes()
    #expect(decoder.liveCount == 0)
    decoder.patience = .max
    #expect(
      try Self.outputs([GenerationRequest(prompt: [1], options: SamplingOptions(maxTokens: 4))], generator).count == 1)
  }

  @Test(arguments: [9, 14, 40]) func `a small cache is shared out in turn and never fails who has started`(pages: Int) throws {
    // No image needs more than 8 pages here; beams and takes need more, and are refused where that is too much.
    let requests = try Self.requests() + Self.requests()
    let decoder = Self.decoder()
    decoder.pageLimit = pages
    let generator = Generator(decoder, batchLimit: 64)
    var expected: [GenerationOutput] = []
    var ids: [Int] = []
    for request in requests {
      do {
        ids.append(try generator.submit(request))
        expected += try Self.outputs([request], Generator(Self.decoder()))
      } catch { #expect((error as? GenerationError)?.code == .cacheTooSmall) }
    }
    #expect(ids.count >= (pages == 40 ? 16 : 6))
    let outputs = try generator.finishAll()
    #expect(ids.map { outputs[$0] } == expected)
    #expect(decoder.maxPages <= pages)
  }

  @Test func `a paused request stands still while others go on, and ends as it would have`() throws {
    let requests = try Self.requests()
    let alone = try requests.prefix(3).map { try Self.outputs([$0], Generator(Self.decoder()))[0] }
    let generator = Generator(Self.decoder())
    let ids = try requests.prefix(3).map { try generator.submit($0) }
    for _ in 0..<4 { _ = try generator.step() }
    generator.pause(ids[1], true)
    var outputs: [Int: GenerationOutput] = [:]
    while generator.canAdvance {
      for event in try generator.step() {
        #expect(event.request != ids[1])
        if case .finished(let id, let output) = event { outputs[id] = output }
      }
    }
    #expect(outputs.count == 2 && !generator.isIdle)
    generator.pause(ids[1], false)
    outputs.merge(try generator.finishAll()) { $1 }
    #expect(ids.map { outputs[$0] } == alone)
  }

  @Test func `requests that cannot be served are refused`() throws {
    let generator = Generator(Self.decoder(contextLength: 40), batchLimit: 4)
    let grammar = ModalityGrammar(try ToyVocabulary.classes(), rules: .speechOnly)
    func code(_ prompt: [Int32], _ options: SamplingOptions, _ grammar: ModalityGrammar? = nil) -> GenerationError.Code? {
      do { _ = try generator.submit(GenerationRequest(prompt: prompt, options: options, grammar: grammar)) } catch {
        return error.code
      }
      return nil
    }
    #expect(code([], SamplingOptions()) == .emptyPrompt)
    #expect(code([1, 120], SamplingOptions()) == .tokenOutOfRange)
    #expect(code([-1], SamplingOptions()) == .tokenOutOfRange)
    #expect(code([1], SamplingOptions(stopIds: [120])) == .tokenOutOfRange)
    #expect(code([1], SamplingOptions(topP: 2)) == .invalidOption)
    #expect(code([1], SamplingOptions(strategy: .beamSearch(width: 5))) == .invalidOption)
    #expect(code(Array(repeating: 1, count: 40), SamplingOptions()) == .promptTooLong)
    #expect(code(Array(repeating: 1, count: 39), SamplingOptions()) == nil)
    #expect(code(Array(repeating: 1, count: 35), SamplingOptions(), grammar) == .promptTooLong)
    #expect(code([1], SamplingOptions(maxTokens: 5), grammar) == .budgetTooSmall)
    #expect(code([1], SamplingOptions(maxTokens: 6), grammar) == nil)
  }

  @Test func `a long prompt is trimmed where it may be and keeps its end`() throws {
    let decoder = Self.decoder(contextLength: 40)
    let generator = Generator(decoder)
    var request = GenerationRequest(
      prompt: (0..<60).map { Int32($0) }, options: SamplingOptions(maxTokens: 100))
    request.overflow = .trim(10..<50, reserving: 12)
    let trimmed = try Self.outputs([request], generator)[0]
    let same = GenerationRequest(
      prompt: (0..<18).map { Int32($0) } + (50..<60).map { Int32($0) }, options: SamplingOptions(maxTokens: 100))
    #expect(try Self.outputs([same], generator)[0] == trimmed)
    #expect(trimmed.ids.count == 12 && trimmed.reason == .contextLimit)
    request.overflow = .trim(10..<30, reserving: 12)
    #expect(throws: GenerationError.self) { _ = try generator.submit(request) }
    request.overflow = .trim(10..<35, reserving: 12)  // room for 5 instead of 12
    #expect(try Self.outputs([request], generator)[0].ids.count == 5)
  }

  @Test func `a voice prompt is evaluated in bulk and spoken on`() throws {
    let voice = VoicePrompt(codebooks: (0..<4).map { codebook in (0..<50).map { ($0 + codebook) % 5 } })
    let grammar = ModalityGrammar(try ToyVocabulary.classes(), rules: .speechOnly, voice: voice)
    let generator = Generator(Self.decoder())
    _ = try generator.submit(
      GenerationRequest(
        prompt: [1, 2], options: SamplingOptions(strategy: .sampling, maxTokens: 60, seed: 4), grammar: grammar))
    var (steps, block): (Int, SpeechBlock?) = (0, nil)
    while !generator.isIdle {
      for case .blockFinished(_, .speech(let speech)) in try generator.step() { block = speech }
      steps += 1
    }
    let speech = try #require(block)
    #expect(speech.codebooks.map { Array($0.prefix(50)) } == voice.codebooks)
    let own = speech.ownCodebooks[0].count
    #expect(speech.codebooks[0].count == 50 + own && own > 0)
    // One step for every token of its own, and one that ends the content.
    #expect(steps == 4 * own + 1)
    #expect(VoicePrompt(speech)?.frameCount == own)
  }

  @Test func `beams report a token as soon as all agree on it`() throws {
    // One continuation is certain, so that the beams differ in the last tokens only.
    let decoder = ToyScorer(vocabularySize: 50) { tokens, id in
      id == tokens.count % 40 + 1 ? 20 : Float(id % 7)
    }
    let generator = Generator(decoder)
    _ = try generator.submit(
      GenerationRequest(prompt: [1], options: SamplingOptions(strategy: .beamSearch(width: 2), maxTokens: 30)))
    var (early, step) = (0, 0)
    while !generator.isIdle {
      for case .token in try generator.step() where !generator.isIdle { early += 1 }
      step += 1
    }
    #expect(step == 30)
    #expect(early > 10)
  }
}
