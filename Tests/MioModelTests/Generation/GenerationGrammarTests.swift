import MioKernels
import MioModel
import Testing

@Suite struct GenerationGrammarTests {
  typealias Rules = ModalityGrammar.Rules

  static let rules: [Rules] = [
    .textOnly, .anything, .speechOnly, .imageOnly, .video, .story, Rules(text: false, speech: .allCodebooks),
    Rules(speech: .contentOnly), Rules(text: false, speech: .contentOnly, startsWithBlock: true, maxBlocks: 1),
    Rules(speech: .allCodebooks, maxBlocks: 2, maxSpeechFrames: 3),
    Rules(text: false, speech: .allCodebooks, images: true, startsWithBlock: true, maxSpeechFrames: 1),
  ]

  /// One random request: rules, budget, strategy, prompt, voice, scores.
  struct Trial {
    let request: GenerationRequest
    let decoder: ToyScorer
    let openTokens: [Int32]

    init(seed: UInt64) throws {
      var random = RandomStream(seed: seed)
      let classes = try ToyVocabulary.classes(frameMultiple: [1, 1, 2, 5].randomElement(using: &random)!)
      let rules = GenerationGrammarTests.rules.randomElement(using: &random)!
      var voice: VoicePrompt?
      if rules.speech == .allCodebooks && Int.random(in: 0..<4, using: &random) == 0 {
        voice = VoicePrompt(codebooks: [[0, 1, 2], [4, 3, 2], [1, 1, 1], [0, 2, 4]])
      }
      let grammar = ModalityGrammar(classes, rules: rules, voice: voice)
      let ends: [[Int32]] =
        [[], [], [60, 8], [60, 90, 91, 41], [100, 101, 103]] + (rules.speech == .allCodebooks ? [[60]] : [])
      let end = ends.randomElement(using: &random)!
      openTokens = end == [60] || end.count == 3 ? end : []
      let prompt: [Int32] = [1, 7, 60, 8, 41] + end
      let strategies: [SamplingOptions.Strategy] = [.greedy, .sampling, .sampling, .beamSearch(width: 3)]
      let least = grammar.minimumTokens(from: grammar.start(after: prompt))
      request = GenerationRequest(
        prompt: prompt,
        options: SamplingOptions(
          strategy: strategies.randomElement(using: &random)!, temperature: [0.5, 1, 3].randomElement(using: &random)!,
          topK: [0, 0, 1, 5].randomElement(using: &random)!, topP: [0, 0.7, 1].randomElement(using: &random)!,
          repetitionPenalty: [0.5, 1, 1.15, 2].randomElement(using: &random)!,
          maxTokens: least + Int.random(in: 0..<90, using: &random), seed: seed),
        grammar: grammar)
      let score = Bool.random(using: &random) ? ToyScorer.random(seed: seed) : ToyScorer.hostile(seed: seed)
      decoder = ToyScorer(
        vocabularySize: ToyVocabulary.size + 5,
        contextLength: prompt.count + least + Int.random(in: 0..<90, using: &random),
        score: score)
    }
  }

  @Test(arguments: 0..<40) func `whatever the scores say, every output can be decoded`(block: UInt64) throws {
    for seed in block * 100..<block * 100 + 100 {
      let trial = try Trial(seed: seed)
      let grammar = try #require(trial.request.grammar)
      let generator = Generator(trial.decoder)
      _ = try generator.submit(trial.request)
      var (streamed, blocks, output): ([Int32], [MediaBlock], GenerationOutput?) = ([], [], nil)
      while !generator.isIdle {
        for event in try generator.step() {
          switch event {
          case .token(_, let id): streamed.append(id)
          case .blockFinished(_, let block): blocks.append(block)
          case .finished(_, let finished): output = finished
          case .failed(_, let error): Issue.record("seed \(seed): \(error)")
          }
        }
      }
      let ids = try #require(output?.ids)
      #expect(streamed == ids, "seed \(seed)")
      let given = grammar.voiceTokenCount(from: grammar.start(after: trial.request.prompt))
      #expect(ids.count <= trial.request.options.maxTokens + given, "seed \(seed)")
      let codebookCount = grammar.rules.speech == .contentOnly ? 1 : 4
      let checker = OutputChecker(
        trial.openTokens + ids, classes: grammar.classes, codebookCount: codebookCount, stops: output?.reason == .stopToken)
      #expect(checker.fault == nil, "seed \(seed): \(checker.fault ?? "") in \(ids)")
      #expect(blocks.map(Self.codes) == checker.blocks.map(Self.codes), "seed \(seed)")
      Self.check(blocks, grammar, seed: seed)
      generator.forgetPrefixes()
      #expect(trial.decoder.liveCount == 0, "seed \(seed)")
    }
  }

  static func codes(_ block: MediaBlock) -> [[Int]] {
    switch block {
    case .speech(let speech): speech.codebooks
    case .image(let codes): [codes]
    }
  }

  static func check(_ blocks: [MediaBlock], _ grammar: ModalityGrammar, seed: UInt64) {
    for (index, block) in blocks.enumerated() {
      guard case .speech(let speech) = block, let tables = grammar.classes.speech else { continue }
      #expect(speech.codebooks[0].count % tables.frameMultiple == 0, "seed \(seed)")
      if let voice = grammar.voice, index == 0 {
        #expect(speech.voiceFrameCount == 3, "seed \(seed)")
        #expect(speech.codebooks.map { Array($0.prefix(3)) } == voice.codebooks, "seed \(seed)")
        #expect(speech.ownCodebooks[0].count > 0, "seed \(seed)")
      } else {
        #expect(speech.voiceFrameCount == 0, "seed \(seed)")
      }
    }
    if let limit = grammar.rules.maxBlocks { #expect(blocks.count <= limit, "seed \(seed)") }
    if grammar.rules.startsWithBlock { #expect(!blocks.isEmpty, "seed \(seed)") }
  }

  @Test func `content ends when a token of the first timbre codebook is the best`() throws {
    // Content is preferred for three frames, then timbre.
    let decoder = ToyScorer(vocabularySize: ToyVocabulary.size) { tokens, id in
      if id == 93 { return 2 }
      return id == 24 ? (tokens.count > 4 ? 3 : 1) : 0
    }
    let generator = Generator(decoder)
    let grammar = ModalityGrammar(try ToyVocabulary.classes(), rules: .speechOnly)
    _ = try generator.submit(
      GenerationRequest(prompt: [1], options: SamplingOptions(maxTokens: 100), grammar: grammar))
    var blocks: [MediaBlock] = []
    while !generator.isIdle {
      for case .blockFinished(_, let block) in try generator.step() { blocks.append(block) }
    }
    #expect(blocks == [.speech(SpeechBlock(codebooks: [[3, 3, 3], [2, 2, 2], [0, 0, 0], [0, 0, 0].map { _ in 4 }]))])
  }

  @Test(arguments: [6, 7, 9, 10, 14, 41, 42]) func `content is cut off so that the block closes in time`(budget: Int)
    throws
  {
    let decoder = ToyScorer(vocabularySize: ToyVocabulary.size) { _, id in id == 90 ? 5 : 0 }
    let generator = Generator(decoder)
    let grammar = ModalityGrammar(try ToyVocabulary.classes(), rules: .speechOnly)
    _ = try generator.submit(
      GenerationRequest(prompt: [1], options: SamplingOptions(maxTokens: budget), grammar: grammar))
    var blocks: [MediaBlock] = []
    while !generator.isIdle {
      for case .blockFinished(_, let block) in try generator.step() { blocks.append(block) }
    }
    guard case .speech(let speech) = try #require(blocks.first) else { return #expect(Bool(false)) }
    #expect(speech.codebooks.map(\.count) == Array(repeating: (budget - 2) / 4, count: 4))
    #expect(speech.isCutShort)
  }

  @Test func `no prompt of words opens a block`() throws {
    let grammar = ModalityGrammar(try ToyVocabulary.classes(), rules: .anything)
    #expect(!grammar.start(after: [60, 8]).isInBlock)
    #expect(!grammar.start(after: [60, 90, 41]).isInBlock)
    #expect(!grammar.start(after: [60, 90, 22, 91]).isInBlock)
    #expect(grammar.start(after: [8, 60]).isInBlock)
    #expect(grammar.start(after: [60, 90, 91, 22]).isInBlock)
    #expect(grammar.start(after: [100, 101]).isInBlock)
  }

  @Test func `tables that contradict each other are refused`() throws {
    func code(_ make: () throws -> TokenClasses) -> GenerationError.Code? {
      do { _ = try make() } catch let error as GenerationError { return error.code } catch {}
      return nil
    }
    var speech = ToyVocabulary.speech
    speech.codebooks[2][1] = 90
    #expect(code { try TokenClasses(vocabularySize: 120, text: [], stopIds: [], speech: speech) } == .invalidTokenTable)
    speech.codebooks[2][1] = 120
    #expect(code { try TokenClasses(vocabularySize: 120, text: [], stopIds: [], speech: speech) } == .invalidTokenTable)
    speech.codebooks[2] = []
    #expect(code { try TokenClasses(vocabularySize: 120, text: [], stopIds: [], speech: speech) } == .invalidTokenTable)
    #expect(code { try TokenClasses(vocabularySize: 120, text: [100..<130], stopIds: []) } == .invalidTokenTable)
    #expect(code { try TokenClasses(vocabularySize: 120, text: [], stopIds: [-1]) } == .invalidTokenTable)
  }
}
