import MioFormat
import MioKernels
import MioModel
import MioTestSupport
import Testing

/// Models of uncommon shapes against 64-bit arithmetic, and files that no model can be made from.
@Suite struct LanguageShapeTests {
  private static let models = [
    RandomLanguageModel(
      width: 60, innerWidth: 70, layerCount: 3, headCount: 3, kvHeadCount: 3, vocabularySize: 37, isTied: false, seed: 1),
    RandomLanguageModel(
      width: 72, innerWidth: 100, layerCount: 2, headCount: 9, kvHeadCount: 3, vocabularySize: 50, isTied: true, seed: 2),
    RandomLanguageModel(
      width: 50, innerWidth: 33, layerCount: 1, headCount: 5, kvHeadCount: 1, vocabularySize: 16, isTied: false, seed: 3),
    RandomLanguageModel(
      width: 132, innerWidth: 257, layerCount: 2, headCount: 1, kvHeadCount: 1, vocabularySize: 129, isTied: true,
      seed: 4),
    // Heads that are wider together than the model, and narrower.
    RandomLanguageModel(
      width: 64, innerWidth: 48, layerCount: 2, headCount: 6, kvHeadCount: 3, headWidth: 32, vocabularySize: 40, isTied: false,
      seed: 5),
    RandomLanguageModel(
      width: 70, innerWidth: 64, layerCount: 2, headCount: 4, kvHeadCount: 1, headWidth: 10, vocabularySize: 40, isTied: true,
      seed: 6),
  ]

  @Test(arguments: models.indices)
  func `agrees with 64-bit arithmetic at any shape`(index: Int) throws {
    let random = Self.models[index]
    let folder = try TemporaryFolder()
    let model = try LanguageModel(from: random.file(in: folder))
    let tokens = Fixture.tokens(70, seed: index).map { $0 % Int32(random.vocabularySize) }
    let expected = random.logits(tokens).map { Float($0) }
    let exact = try LanguageTrace(of: tokens, model: model, on: KernelContext(threads: 2))
    // Logits have a deviation of about 1. Measured at most 1e-5, 0.0038 and 0.082; allowed twice.
    #expect(largestDifference(exact.logits, expected) < 2e-5)
    let half = try LanguageTrace(of: tokens, model: model, cache: .f16, on: KernelContext(threads: 2))
    #expect(largestDifference(half.logits, expected) < 8e-3)
    let bytes = try LanguageTrace(of: tokens, model: model, cache: .int8, on: KernelContext(threads: 2))
    #expect(largestDifference(bytes.logits, expected) < 0.17)
  }

  @Test(arguments: [
    ("width", ConfigValue.int(0)), ("layer_count", .int(-1)), ("head_count", .int(7)), ("kv_head_count", .int(2)),
    ("rope_theta", .float(0)), ("norm_epsilon", .float(-1)), ("vocabulary_size", .string("many")),
  ])
  func `refuses configurations that no model can have`(key: String, value: ConfigValue) throws {
    let good: [(String, ConfigValue)] = [
      ("width", .int(60)), ("inner_width", .int(70)), ("layer_count", .int(1)), ("head_count", .int(3)),
      ("kv_head_count", .int(3)), ("norm_epsilon", .float(1e-5)), ("rope_theta", .float(1e4)),
      ("vocabulary_size", .int(37)), ("context_length", .int(256)), ("tied_embeddings", .bool(false)),
    ]
    #expect(try LanguageConfig(ConfigTable(good)).headWidth == 20)
    #expect(try LanguageConfig(ConfigTable(good + [("head_width", .int(32))])).headWidth == 32)
    for bad in [ConfigValue.int(0), .int(31), .int(1 << 40), .string("32")] {
      #expect(throws: ModelFileError.self) { try LanguageConfig(ConfigTable(good + [("head_width", bad)])) }
    }
    #expect(throws: ModelFileError.self) {
      _ = try LanguageConfig(ConfigTable(good.map { $0.0 == key ? (key, value) : $0 }))
    }
    #expect(throws: ModelFileError.self) { _ = try LanguageConfig(ConfigTable(good.filter { $0.0 != key })) }
  }
}
