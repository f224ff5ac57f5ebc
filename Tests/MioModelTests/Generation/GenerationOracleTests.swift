import Foundation
import MioKernels
import MioModel
import MioTestSupport
import Testing

/// Greedy search, beam search and sampling against transformers 4.34 on the tiny checkpoint, in 32-bit arithmetic.
@Suite struct GenerationOracleTests {
  struct SearchCases: Decodable {
    struct Case: Decodable, CustomStringConvertible {
      struct Arguments: Decodable {
        var num_beams: Int?
        var max_new_tokens: Int
        var repetition_penalty: Double?
        var length_penalty: Double?
        var eos_token_id: Int32
      }
      var kind: String
      var prompts: [String]
      var prompt_ids: [[Int32]]
      var padded_prompt_length: Int
      var args: Arguments
      var sequences: [[Int32]]
      var sequence_scores: [Double]?

      var description: String { "\(kind) \(prompts) \(args)" }
    }
    var cases: [Case]
  }

  struct SamplingCases: Decodable {
    struct Case: Decodable {
      struct Step: Decodable {
        var u: Double
        var token: Int32
        var kept: Int
        var mass_before_last: Double
        var mass_through_last: Double
      }
      var prompt: String
      var prompt_ids: [Int32]
      var repetition_penalty: Double
      var top_p: Double
      var temperature: Double
      var steps: [Step]
    }
    var cases: [Case]
  }

  static func load<T: Decodable>(_ type: T.Type, _ name: String) throws -> T {
    try JSONDecoder().decode(type, from: Data(contentsOf: Goldens.speech("expected/\(name)")))
  }

  static func session(
    _ folder: TemporaryFolder, format: WeightFormat = .f32, cache: KeyValueFormat = .f32, threads: Int = 1
  ) throws -> LanguageSession {
    let file = try LanguageFile.make(from: Goldens.speech("tiny-mio"), format: format, in: folder)
    return LanguageSession(
      try LanguageModel(from: file), cache: cache, context: KernelContext(threads: threads))
  }

  @Test func `finds the reference's greedy and beam sequences and scores`() throws {
    let folder = try TemporaryFolder()
    let decoder = try Self.session(folder)
    let cases = try Self.load(SearchCases.self, "llm_generation.json").cases
    #expect(cases.count > 30)
    for sample in cases {
      let generator = Generator(decoder, batchLimit: 10)
      let arguments = sample.args
      for ids in sample.prompt_ids {
        var request = GenerationRequest(
          prompt: ids,
          options: SamplingOptions(
            strategy: arguments.num_beams.map { .beamSearch(width: $0) } ?? .greedy, topP: 0.7,
            repetitionPenalty: arguments.repetition_penalty ?? 1, lengthPenalty: arguments.length_penalty ?? 1,
            maxTokens: arguments.max_new_tokens, stopIds: [arguments.eos_token_id]))
        request.paddingCount = sample.padded_prompt_length - ids.count
        _ = try generator.submit(request)
      }
      let outputs = try generator.finishAll()
      for (index, expected) in sample.sequences.enumerated() {
        // The reference pads the shorter reply of a batch on the right with id 0.
        var reply = Array(expected.dropFirst(sample.padded_prompt_length))
        if sample.prompt_ids.count > 1, let stop = reply.firstIndex(of: arguments.eos_token_id) {
          reply.removeSubrange((stop + 1)...)
        }
        let output = try #require(outputs[index])
        #expect(output.ids == reply, "\(sample)")
        if let score = sample.sequence_scores?[index] {
          #expect(abs((output.score ?? 0) - score) <= 1e-4 * abs(score), "\(sample)")
        }
      }
    }
  }

  @Test func `draws the reference's tokens with given uniforms`() throws {
    let folder = try TemporaryFolder()
    let decoder = try Self.session(folder)
    for sample in try Self.load(SamplingCases.self, "llm_sampling.json").cases {
      var sampler = Sampler(vocabularySize: decoder.vocabularySize)
      var logits = Activations(rows: 1, columns: decoder.vocabularySize)
      var seen = SeenIds(vocabularySize: decoder.vocabularySize)
      for id in sample.prompt_ids { seen.insert(id) }
      let sequence = decoder.makeSequence()
      var tokens = sample.prompt_ids
      for step in sample.steps {
        try decoder.evaluate([DecoderInput(sequence: sequence, tokens: tokens)], into: &logits)
        let row = unsafe Logits(logits.row(0))
        row.penalize(seen, by: Float(sample.repetition_penalty))
        let draw = sampler.draw(
          from: row, allowed: [0..<decoder.vocabularySize], temperature: sample.temperature, topK: 0, topP: sample.top_p,
          uniform: step.u)
        #expect(draw.id == Int(step.token))
        #expect(draw.keptCount == step.kept)
        if sample.top_p < 1 {
          // Logits that differ by at most 1e-4 change a probability by at most twice that.
          #expect(abs(draw.keptMass - step.mass_through_last) < 2e-4)
          #expect(abs(draw.massBeforeLast - step.mass_before_last) < 2e-4)
        }
        tokens = [step.token]
        seen.insert(step.token)
      }
    }
  }

  @Test(arguments: [WeightFormat.q4, .q8, .f16]) func `replies of a real network do not depend on batch or threads`(
    format: WeightFormat
  ) throws {
    let folder = try TemporaryFolder()
    let system = try #require(try Self.load(SamplingCases.self, "llm_sampling.json").cases.first).prompt_ids
    let requests = (0..<6).map { index in
      let own: [Int32] = (0..<(1 + 9 * index)).map { Int32(20 + $0 + index) }
      let strategies: [SamplingOptions.Strategy] = [.greedy, .sampling, .beamSearch(width: 3)]
      var request = GenerationRequest(
        prompt: system + own,
        options: SamplingOptions(
          strategy: strategies[index % 3], topP: 0.8, repetitionPenalty: 1.15,
          maxTokens: 12 + index, seed: 9, stopIds: [7]))
      request.stream = UInt64(index)
      return request
    }
    let alone = try Self.session(folder, format: format, cache: .int8, threads: 1)
    let single = try requests.map { request in
      let generator = Generator(alone, prefixLimit: 0)
      let id = try generator.submit(request)
      return try generator.finishAll()[id]
    }
    let generator = Generator(try Self.session(folder, format: format, cache: .int8, threads: 2), promptChunk: 7)
    let ids = try requests.map { try generator.submit($0) }
    let outputs = try generator.finishAll()
    #expect(ids.map { outputs[$0] } == single)
  }
}

extension Generator {
  /// Runs until every request is finished; outputs by request, in order of submission.
  func finishAll() throws -> [Int: GenerationOutput] {
    var outputs: [Int: GenerationOutput] = [:]
    while !isIdle {
      for case .finished(let request, let output) in try step() { outputs[request] = output }
    }
    return outputs
  }
}
