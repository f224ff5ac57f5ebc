import MioFormat
import MioKernels
import MioModel
import MioTestSupport
import Testing

/// What holds for every batch, cut and cache.
@Suite struct LanguageSessionTests {
  private static let setups: [(WeightFormat, KeyValueFormat)] = [(.f32, .f32), (.f16, .f16), (.q8, .int8), (.q4, .int8)]

  @Test(arguments: setups)
  func `a prompt gives the same bits at once and token by token`(weights: WeightFormat, cache: KeyValueFormat) throws {
    let model = try Fixture.model(weights)
    let tokens = Fixture.tokens(70, seed: 1)
    let whole = Fixture.session(model, cache)
    let expected = try whole.logits([(whole.makeSequence(), tokens)])[0]
    let stepped = Fixture.session(model, cache, threads: 2)
    let sequence = stepped.makeSequence()
    var last: [Float] = []
    for token in tokens { last = try stepped.logits([(sequence, [token])])[0] }
    #expect(last == expected)
    #expect(stepped.length(of: sequence) == tokens.count)
  }

  @Test func `a prompt longer than a pass gives the same bits`() throws {
    let model = try Fixture.model(.q4)
    let tokens = Fixture.tokens(LanguageSession.maxRows + 130, seed: 2)
    let whole = Fixture.session(model, .int8)
    let expected = try whole.logits([(whole.makeSequence(), tokens)])[0]
    let cut = Fixture.session(model, .int8)
    let sequence = cut.makeSequence()
    _ = try cut.logits([(sequence, Array(tokens[..<99]))])
    #expect(try cut.logits([(sequence, Array(tokens[99...]))])[0] == expected)
  }

  @Test(arguments: setups)
  func `neighbours in the batch and threads do not matter`(weights: WeightFormat, cache: KeyValueFormat) throws {
    let model = try Fixture.model(weights)
    let prompts = [40, 1, 3, 200, 17].enumerated().map { Fixture.tokens($1, seed: $0 + 10) }
    let steps: [Int32] = [5, 900, 13_000, 77, 4_000]
    let alone = try zip(prompts, steps).map { prompt, step in
      let session = Fixture.session(model, cache)
      let sequence = session.makeSequence()
      return try [session.logits([(sequence, prompt)])[0], session.logits([(sequence, [step])])[0]]
    }
    for threads in [1, 3] {
      let session = Fixture.session(model, cache, threads: threads)
      let sequences = prompts.map { _ in session.makeSequence() }
      #expect(try session.logits(Array(zip(sequences, prompts))) == alone.map { $0[0] })
      // The first three step while the others wait, then the others, in another order.
      #expect(try session.logits((0..<3).map { (sequences[$0], [steps[$0]]) }) == alone[..<3].map { $0[1] })
      #expect(try session.logits([4, 3].map { (sequences[$0], [steps[$0]]) }) == [4, 3].map { alone[$0][1] })
    }
  }

  @Test func `a fork continues as a fresh sequence does`() throws {
    let model = try Fixture.model(.q4)
    let prompt = Fixture.tokens(90, seed: 3)
    let session = Fixture.session(model, .int8)
    let first = session.makeSequence()
    _ = try session.logits([(first, prompt)])
    let second = session.fork(first)
    let pages = session.cacheByteCount
    let results = try session.logits([(first, [11, 12]), (second, [21])])
    for (tokens, result) in zip([[11, 12], [21]] as [[Int32]], results) {
      let fresh = Fixture.session(model, .int8)
      #expect(try fresh.logits([(fresh.makeSequence(), prompt + tokens)])[0] == result)
    }
    // One page was copied, the other one is shared.
    #expect(session.cacheByteCount == pages / 2 * 3)
    session.release(first)
    session.release(second)
    // Handles and pages are used again, without traces of what was there.
    let third = session.makeSequence()
    #expect(session.length(of: third) == 0)
    let fresh = Fixture.session(model, .int8)
    #expect(try session.logits([(third, [7])]) == fresh.logits([(fresh.makeSequence(), [7])]))
    #expect(session.cacheByteCount == pages / 2 * 3)
  }

  @Test func `scores only allowed ids, and only where logits are wanted`() throws {
    let model = try Fixture.model(.q8)
    let prompts = (0..<3).map { Fixture.tokens(5, seed: $0 + 30) }
    let plain = Fixture.session(model, .int8)
    let expected = try plain.logits(prompts.map { (plain.makeSequence(), $0) })
    let session = Fixture.session(model, .int8)
    let allowed = [[7..<8, 900..<1924, 13_190..<13_192], nil, nil]
    let inputs = zip(prompts, allowed).enumerated().map { index, input in
      DecoderInput(
        sequence: session.makeSequence(), tokens: input.0, allowed: input.1, wantsLogits: index != 1)
    }
    var logits = Activations(rows: 3, columns: session.vocabularySize)
    logits.fill(0.5)
    try session.evaluate(inputs, into: &logits)
    let rows = logits.rowValues
    for (id, score) in rows[0].enumerated() {
      let isLegal = id == 7 || (900..<1924).contains(id) || id >= 13_190
      #expect(score == (isLegal ? expected[0][id] : -.infinity))
    }
    #expect(rows[1].allSatisfy { $0 == 0.5 })
    #expect(rows[2] == expected[2])
    // All wanted, all limited: the head computes only these rows.
    let both = [0, 1].map { DecoderInput(sequence: inputs[$0].sequence, tokens: [3], allowed: [20..<30]) }
    var limited = Activations(rows: 2, columns: session.vocabularySize)
    try session.evaluate(both, into: &limited)
    #expect(
      limited.rowValues.allSatisfy { row in
        row.indices.allSatisfy { (20..<30).contains($0) ? row[$0].isFinite : row[$0] == -.infinity }
      })
  }

  @Test func `refuses what does not fit, and changes nothing`() throws {
    let model = try Fixture.model(.q4)
    let session = LanguageSession(model, contextLength: 100, capacity: 192, context: KernelContext(threads: 1))
    let first = session.makeSequence()
    let second = session.makeSequence()
    let third = session.makeSequence()
    _ = try session.logits([(first, Fixture.tokens(90, seed: 4))])
    func expect(_ code: LanguageError.Code, _ inputs: [(Int, [Int32])]) {
      do {
        _ = try session.logits(inputs)
        Issue.record("\(code) expected")
      } catch {
        #expect((error as? LanguageError)?.code == code)
      }
      #expect(session.length(of: first) == 90 && session.length(of: second) == 0)
    }
    expect(.contextFull, [(second, [1]), (first, Fixture.tokens(11, seed: 5))])
    expect(.tokenOutOfRange, [(second, [1]), (first, [13_192])])
    expect(.tokenOutOfRange, [(first, [-1])])
    expect(.cacheFull, [(second, Fixture.tokens(70, seed: 5))])
    expect(.cacheFull, [(second, [1]), (third, [1])])
    _ = try session.logits([(first, Fixture.tokens(10, seed: 5)), (second, Fixture.tokens(64, seed: 5))])
    #expect(session.length(of: first) == 100)
  }

  @Test func `gives the logits of the trace`() throws {
    let model = try Fixture.model(.f32)
    let tokens = Fixture.tokens(60, seed: 6)
    let trace = try LanguageTrace(of: tokens, model: model, on: KernelContext(threads: 1))
    let session = Fixture.session(model, .f32)
    let result = try session.logits([(session.makeSequence(), tokens)])[0]
    #expect(result == Array(trace.logits.suffix(session.vocabularySize)))
  }

  @Test func `tells the size of its cache`() throws {
    let model = try Fixture.model(.q4)
    // 3 layers, 2 heads of 16 columns stored as 32: keys and values with one scale each.
    #expect(model.cacheShape(.int8).bytesPerToken == 3 * 2 * 2 * 34)
    #expect(model.cacheShape(.f16).bytesPerToken == 3 * 2 * 2 * 64)
    #expect(model.cacheShape(.f32).byteCount(tokens: 65) == 128 * 3 * 2 * 2 * 128)
  }
}
