import MioFormat
import MioKernels
import MioModel
import MioTestSupport
import Testing

/// Against the reference implementation's tensors: same weights, 32-bit arithmetic.
@Suite struct LanguageTraceTests {
  /// Largest absolute difference of logits, whose spread is 3 to 4; a 64-bit implementation agrees with the goldens to 7e-5.
  private static let logitTolerance: Float = 3e-4

  @Test(arguments: ["chat", "speech", "bos", "image"])
  func `gives the reference's logits`(prompt: String) throws {
    let goldens = try GoldenTensors(Goldens.speech("expected/llm_prefill.safetensors"))
    let trace = try trace("tiny-mio", goldens.integers("\(prompt)/ids"))
    let rows = try goldens.integers("\(prompt)/ids").count
    let count = trace.logits.count / rows
    let expected = try goldens.floats("\(prompt)/logits")
    for (index, position) in try goldens.integers("\(prompt)/logit_positions").enumerated() {
      let row = Array(trace.logits[Int(position) * count..<(Int(position) + 1) * count])
      let difference = largestDifference(row, Array(expected[index * count..<(index + 1) * count]))
      #expect(difference < Self.logitTolerance)
    }
    let best = try goldens.integers("\(prompt)/argmax")
    let sums = try goldens.floats("\(prompt)/logsumexp")
    for position in 0..<rows {
      let row = Array(trace.logits[position * count..<(position + 1) * count])
      let peak = row.max() ?? 0
      // Near-ties may fall either way; the reference's choice must then be within the tolerance of the best.
      #expect(peak - row[Int(best[position])] < 2 * Self.logitTolerance)
      let sum = Double(peak) + row.reduce(0) { $0 + Double($1 - peak).exponential }.logarithm
      #expect(abs(sum - Double(sums[position])) < Double(Self.logitTolerance))
    }
  }

  @Test func `gives the reference's hidden states`() throws {
    let goldens = try GoldenTensors(Goldens.speech("expected/llm_prefill.safetensors"))
    let trace = try trace("tiny-mio", goldens.integers("chat/ids"))
    let last = trace.hidden.count - 1
    // The reference's last entry is after the final norm.
    for layer in 0..<last {
      let difference = largestDifference(trace.hidden[layer], try goldens.floats("chat/hidden\(layer)"))
      #expect(difference < 1e-4, "hidden \(layer)")
    }
    #expect(largestDifference(trace.normalized, try goldens.floats("chat/hidden\(last)")) < 1e-4)
    #expect(largestDifference(trace.hidden[1], try goldens.floats("chat/layer0/layer")) < 1e-4)
  }

  @Test func `reads a model of one layer from shards of pickles`() throws {
    let goldens = try GoldenTensors(Goldens.speech("expected/llm_other_format.safetensors"))
    let trace = try trace("llm-other-format", goldens.integers("ids"))
    #expect(largestDifference(trace.logits, try goldens.floats("logits")) < Self.logitTolerance)
  }

  @Test func `refuses ids that are not in the vocabulary`() throws {
    let folder = try TemporaryFolder()
    let model = try LanguageModel(
      from: LanguageFile.make(from: Goldens.speech("llm-other-format"), format: .f32, in: folder))
    #expect(throws: LanguageError.self) {
      _ = try LanguageTrace(of: [0, 300], model: model, on: KernelContext(threads: 1))
    }
    #expect(throws: LanguageError.self) {
      _ = try LanguageTrace(of: [-1], model: model, on: KernelContext(threads: 1))
    }
  }

  private func trace(_ checkpoint: String, _ ids: [Int32]) throws -> LanguageTrace {
    let folder = try TemporaryFolder()
    let model = try LanguageModel(
      from: LanguageFile.make(from: Goldens.speech(checkpoint), format: .f32, in: folder))
    return try LanguageTrace(of: ids, model: model, on: KernelContext(threads: 2))
  }
}
