import MioFormat
import MioKernels
import MioModel
import MioTestSupport

/// The tiny language model of the goldens in every format, and sessions on it.
enum Fixture {
  static func model(_ format: WeightFormat, head: WeightFormat? = nil) throws -> LanguageModel {
    let folder = try TemporaryFolder()
    // The mapping outlives the file's name.
    return try LanguageModel(
      from: LanguageFile.make(from: Goldens.speech("tiny-mio"), format: format, head: head, in: folder))
  }

  static func session(_ model: LanguageModel, _ cache: KeyValueFormat, threads: Int = 1) -> LanguageSession {
    LanguageSession(model, contextLength: 1024, cache: cache, context: KernelContext(threads: threads))
  }

  /// Random ids of the tiny model.
  static func tokens(_ count: Int, seed: Int) -> [Int32] {
    var state = UInt64(seed) &* 0x9E37_79B9_7F4A_7C15 &+ 0x1234_5678
    return (0..<count).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int32((state >> 33) % 13_192)
    }
  }
}

extension LanguageSession {
  /// The logits after appending each input's tokens.
  func logits(_ inputs: [(sequence: Int, tokens: [Int32])]) throws -> [[Float]] {
    var logits = Activations(rows: inputs.count, columns: vocabularySize)
    try evaluate(inputs.map { DecoderInput(sequence: $0.sequence, tokens: $0.tokens) }, into: &logits)
    return logits.rowValues
  }
}

extension Activations {
  /// The rows as arrays.
  var rowValues: [[Float]] {
    let values = self.values
    return (0..<rows).map { Array(values[$0 * columns..<($0 + 1) * columns]) }
  }
}
