import Foundation
import MioKernels
import MioModel
import Testing

@Suite struct GenerationSamplerTests {
  /// Every way of cutting a vocabulary into allowed ranges, vector tails included.
  static let legals: [[Range<Int>]] = [
    [0..<100], [0..<1], [99..<100], [0..<7, 8..<9, 17..<40], [3..<4, 5..<6, 7..<8], [1..<17, 92..<100],
  ]

  /// Top-k and top-p as the definitions say, by sorting everything in Float64.
  static func naive(
    _ scores: [Float], allowed: [Range<Int>], temperature: Double, topK: Int, topP: Double
  ) -> (kept: [(id: Int, probability: Double)], isNearBorder: Bool) {
    let ids = allowed.flatMap { $0 }.filter { !scores[$0].isNaN }
    var sorted = ids.sorted { scores[$0] != scores[$1] ? scores[$0] > scores[$1] : $0 < $1 }
    if topK > 0 && topK < sorted.count {
      let least = scores[sorted[topK - 1]]
      sorted = sorted.filter { scores[$0] >= least }
    }
    let weights = sorted.map { exp((Double(scores[$0]) - Double(scores[sorted[0]])) / temperature) }
    let total = weights.reduce(0, +)
    var kept: [(id: Int, probability: Double)] = []
    var above = 0.0
    var isNearBorder = false
    for (id, weight) in zip(sorted, weights) {
      // Dropped if the mass of this and all less probable tokens is at most 1 - p; too close to call within 1e-6.
      isNearBorder = isNearBorder || abs((total - above) / total - (1 - topP)) < 1e-6
      if !kept.isEmpty && topP < 1 && (total - above) / total <= 1 - topP { break }
      kept.append((id, weight))
      above += weight
    }
    return (kept.map { ($0.id, $0.probability / above) }.sorted { $0.id < $1.id }, isNearBorder)
  }

  @Test(arguments: [0, 1, 3, 20, 1000], [0, 0.1, 0.7, 0.95, 0.9999, 1])
  func `keeps and draws what sorting the vocabulary gives`(topK: Int, topP: Double) {
    var random = RandomStream(seed: UInt64(topK), number: UInt64(topP * 1000))
    var sampler = Sampler(vocabularySize: 100)
    for trial in 0..<200 {
      let spread = [0.1, 3, 30][trial % 3]
      // Rounded scores tie often.
      let scores = (0..<100).map { _ in Float((random.uniform() * spread * 4).rounded() / 4 - 5) }
      let allowed = Self.legals[trial % Self.legals.count]
      let temperature = [1, 0.5, 2][trial % 3]
      let (expected, isNearBorder) = Self.naive(scores, allowed: allowed, temperature: temperature, topK: topK, topP: topP)
      let logits = Activations(rows: 1, columns: 100, values: scores)
      let uniform = random.uniform()
      let draw = sampler.draw(
        from: unsafe Logits(logits.row(0)), allowed: allowed, temperature: temperature, topK: topK, topP: topP,
        uniform: uniform)
      var sum = 0.0
      let chosen =
        expected.first {
          sum += $0.probability
          return sum > uniform
        } ?? expected[expected.count - 1]
      if isNearBorder { continue }
      #expect(draw.keptCount == expected.count, "trial \(trial)")
      if abs(sum - uniform) > 1e-5 { #expect(draw.id == chosen.id, "trial \(trial)") }
    }
  }

  @Test func `draws as often as the probabilities say`() {
    var random = RandomStream(seed: 5)
    var sampler = Sampler(vocabularySize: 9)
    let logits = Activations(rows: 1, columns: 9, values: (0..<9).map { Float($0) * 0.5 })
    var counts = Array(repeating: 0, count: 9)
    let draws = 20_000
    for _ in 0..<draws {
      let draw = sampler.draw(
        from: unsafe Logits(logits.row(0)), allowed: [0..<9], temperature: 1, topK: 0, topP: 1,
        uniform: random.uniform())
      counts[draw.id] += 1
    }
    let total = (0..<9).reduce(0.0) { $0 + exp(Double($1) * 0.5) }
    for id in 0..<9 {
      let p = exp(Double(id) * 0.5) / total
      // Five standard deviations of a binomial count.
      #expect(abs(Double(counts[id]) - Double(draws) * p) < 5 * (Double(draws) * p * (1 - p)).squareRoot())
    }
  }

  @Test func `the first of equal scores wins and nothing illegal ever does`() {
    let nan = Float.nan
    func best(_ scores: [Float], _ allowed: [Range<Int>]) -> Int {
      let logits = Activations(rows: 1, columns: scores.count, values: scores)
      return unsafe Logits(logits.row(0)).bestId(in: allowed)
    }
    #expect(best([1, 3, 3, 2], [0..<4]) == 1)
    #expect(best([9, 3, 3, 2], [2..<4]) == 2)
    #expect(best([nan, nan, -5, nan], [0..<4]) == 2)
    #expect(best([nan, nan, nan, nan], [1..<4]) == 1)
    #expect(best([-.infinity, -.infinity], [1..<2]) == 1)
    #expect(best([0, .infinity, .infinity], [0..<3]) == 1)
    #expect(best(Array(repeating: -1, count: 17) + [5], [0..<18]) == 17)
  }

  @Test func `a repetition penalty weakens either sign once`() {
    let logits = Activations(rows: 1, columns: 4, values: [2, -2, 3, 0])
    var seen = SeenIds(vocabularySize: 4)
    for id in [0, 1, 1, 0, 3] as [Int32] { seen.insert(id) }
    unsafe Logits(logits.row(0)).penalize(seen, by: 2)
    #expect(logits.values == [1, -4, 3, 0])
  }

  @Test func `random streams are xoshiro256 starstar`() {
    // Computed by an independent program from the published algorithms.
    func words(_ seed: UInt64, _ number: UInt64) -> [UInt64] {
      var stream = RandomStream(seed: seed, number: number)
      return [stream.next(), stream.next(), stream.next()]
    }
    #expect(words(0, 0) == [0xFB54_05F7_BD79_C540, 0x780C_98E2_6CEA_5883, 0x2A14_6E09_80FE_BC66])
    #expect(words(42, 0) == [0x1FF7_8547_4F11_3B15, 0x4B78_67CE_FF5D_8325, 0x90CA_7A95_A990_9966])
    #expect(words(42, 1) == [0x5848_70A5_3E6D_DCDF, 0x2486_2B58_AB08_8C44, 0xB77A_F7EA_4C59_709E])
    #expect(words(.max, 3) == [0x19B7_1738_009A_8F02, 0xDB5E_906F_1A05_3A79, 0xA854_8D2A_D91C_EDE5])
    var stream = RandomStream(seed: 1)
    #expect((0..<1000).allSatisfy { _ in (0..<1).contains(stream.uniform()) })
  }

  @Test func `settings outside their range are refused by name`() {
    func fault(_ change: (inout SamplingOptions) -> Void) -> String? {
      var options = SamplingOptions()
      change(&options)
      do { try options.validate() } catch { return error.code == .invalidOption ? error.location : "?" }
      return nil
    }
    #expect(fault { _ in } == nil)
    #expect(fault { $0.temperature = -1 } == "temperature")
    #expect(fault { $0.temperature = .nan } == "temperature")
    #expect(fault { $0.topK = -1 } == "top-k")
    #expect(fault { $0.topP = 1.1 } == "top-p")
    #expect(fault { $0.topP = .nan } == "top-p")
    #expect(fault { $0.repetitionPenalty = 0 } == "repetition-penalty")
    #expect(fault { $0.lengthPenalty = .infinity } == "length-penalty")
    #expect(fault { $0.maxTokens = 0 } == "max-tokens")
    #expect(fault { $0.strategy = .beamSearch(width: 0) } == "beams")
    for task in GenerationTask.allCases { #expect(fault { $0 = .defaults(for: task) } == nil) }
  }

  @Test func `defaults are those of infer.py`() {
    let speech = SamplingOptions.defaults(for: .textToSpeech)
    #expect(speech.strategy == .sampling && speech.topP == 0.7 && speech.repetitionPenalty == 1.15)
    let text = SamplingOptions.defaults(for: .text)
    #expect(text.strategy == .beamSearch(width: 5) && text.repetitionPenalty == 1 && text.maxTokens == 512)
    #expect(SamplingOptions.defaults(for: .speechGeneration).repetitionPenalty == 2)
  }
}
