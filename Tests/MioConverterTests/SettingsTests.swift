import Foundation
import MioConverter
import MioFormat
import MioTestSupport
import Testing

/// Nothing that a configuration says is passed over in silence: it changes the file, or it is refused, or a table says why
/// it changes nothing.
@Suite struct SettingsTests {
  private let folder: TemporaryFolder
  private let path: String

  init() throws {
    folder = try TemporaryFolder()
    path = try folder.copy(Goldens.speech("llm-other-format"), as: "c")
  }

  /// Replaces members of a configuration; nil removes one.
  private func edit(_ file: String, _ changes: [String: Any?]) throws {
    let url = URL(fileURLWithPath: path + "/" + file)
    var object = try #require(
      try JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [String: Any])
    for (key, value) in changes {
      object.updateValue(value as Any, forKey: key)
      if value == nil { object[key] = nil }
    }
    try JSONSerialization.data(withJSONObject: object).write(to: url)
  }

  private func value(_ json: String) throws -> Any {
    try JSONSerialization.jsonObject(with: Data(json.utf8), options: .fragmentsAllowed)
  }

  private func convert() throws -> (file: ModelFile, notes: [String]) {
    let conversion = try Conversion(checkpoint: path, quantization: .f32, threads: 1)
    let output = folder.path("\(UUID().uuidString).mio")
    _ = try conversion.run(output: output)
    return (try ModelFile.open(path: output), conversion.notes.filter { !$0.hasPrefix("no ") })
  }

  /// The golden checkpoint's weights by name.
  private func weights() throws -> [(name: String, shape: [Int], values: [Float])] {
    let tensors = try CheckpointDirectory(path: Goldens.speech("llm-other-format").path).languageTensors().tensors
    return try tensors.names.compactMap { name in try tensors[name].map { (name, $0.shape, try $0.floats()) } }
  }

  /// Writes weights as one safetensors file, which is preferred to what is there.
  private func write(_ weights: [(name: String, shape: [Int], values: [Float])]) throws {
    var writer = SafetensorsWriter()
    for tensor in weights { writer.add(tensor.name, tensor.shape, tensor.values) }
    try writer.write(to: path + "/model.safetensors")
  }

  private func digests(_ file: ModelFile) -> [String: Digest] {
    Dictionary(uniqueKeysWithValues: file.tensors.map { ($0.name, $0.digest) })
  }

  // MARK: - Embedding and head

  @Test func `a head that differs from the embedding is kept although they are said to be one`() throws {
    let plain = try convert()
    try edit("config.json", ["tie_word_embeddings": true])
    let tied = try convert()
    #expect(tied.notes.contains { $0.contains("tie_word_embeddings") })
    #expect(try tied.file.component("language")?.config.bool("tied_embeddings") == false)
    #expect(digests(tied.file) == digests(plain.file))
  }

  @Test func `a head that is a copy of the embedding is stored once`() throws {
    var tensors = try weights()
    let embedding = try #require(tensors.first { $0.name == "model.embed_tokens.weight" })
    let head = try #require(tensors.firstIndex { $0.name == "lm_head.weight" })
    tensors[head].values = embedding.values
    try write(tensors)
    try edit("config.json", ["tie_word_embeddings": true])
    let tied = try convert()
    #expect(tied.notes.isEmpty)
    #expect(try tied.file.component("language")?.config.bool("tied_embeddings") == true)
    #expect(!digests(tied.file).keys.contains("lm_head.weight"))
    // A difference in the very last element counts.
    tensors[head].values[tensors[head].values.count - 1] += 1
    try write(tensors)
    #expect(try convert().file.component("language")?.config.bool("tied_embeddings") == false)
  }

  @Test(arguments: ["lm_head.weight", "model.embed_tokens.weight"])
  func `of tied weights either one may be missing`(_ missing: String) throws {
    let all = try weights()
    let kept = all.filter { $0.name != missing }
    try write(kept)
    try edit("config.json", ["tie_word_embeddings": true])
    let tied = try convert()
    #expect(try tied.file.component("language")?.config.bool("tied_embeddings") == true)
    // The embedding holds what was there, under its own name.
    let other = try #require(
      all.first { $0.name != missing && ["lm_head.weight", "model.embed_tokens.weight"].contains($0.name) })
    try write(
      all.map { $0.name == "model.embed_tokens.weight" ? ($0.name, $0.shape, other.values) : $0 }.filter {
        $0.name != "lm_head.weight"
      })
    #expect(digests(try convert().file) == digests(tied.file))
  }

  // MARK: - Rotary embedding

  @Test(arguments: [
    #"{"rope_parameters": {"rope_theta": 12345.0, "rope_type": "default"}}"#,
    #"{"rope_parameters": {"rope_theta": 12345}, "rope_theta": null}"#,
    #"{"rope_parameters": {"rope_theta": 12345, "type": "linear", "factor": 1.0}}"#,
    #"{"rope_scaling": {"rope_theta": 12345, "rope_type": "default"}}"#,
    #"{"rope_scaling": {}, "rope_theta": 12345.0}"#,
    #"{"rope_scaling": {"type": "dynamic", "factor": 1}, "rope_theta": 12345.0}"#,
  ])
  func `the base of the rotation is found wherever it is, the newer place first`(_ json: String) throws {
    try edit("config.json", try #require(value(json) as? [String: Any]))
    let found = try convert()
    #expect(try found.file.component("language")?.config.float("rope_theta") == 12345)
    // The checkpoint says 5,000,000 in the older place.
    #expect(
      found.notes.isEmpty
        == !(json.contains("\"rope_theta\": 12345, \"type") || json.contains("12345.0, \"rope_type")
        || json.contains("{\"rope_scaling\": {\"rope_theta")))
  }

  @Test(arguments: [
    #"{"type": "linear", "factor": 2.0}"#, #"{"rope_type": "linear", "factor": 8}"#, #"{"type": "linear"}"#,
    #"{"rope_type": "yarn", "factor": 1.0}"#, #"{"rope_type": "llama3"}"#, #"{"rope_type": "default", "factor": 4}"#,
    #"{"rope_type": "default", "partial_rotary_factor": 0.5}"#, #"{"rope_type": "default", "type": "linear"}"#,
    #"{"full_attention": {"rope_type": "default"}}"#, #"{"rope_theta": "10000"}"#, #"{"rope_theta": 0}"#, "7",
    #"{"mrope_section": [1, 2]}"#,
  ])
  func `a scaled rotation is refused in either place`(_ json: String) throws {
    for key in ["rope_parameters", "rope_scaling"] {
      try edit("config.json", ["rope_parameters": nil, "rope_scaling": nil])
      try edit("config.json", [key: try value(json)])
      let found = problems { _ = try Conversion(checkpoint: path, threads: 1) }
      #expect(found.count >= 1 && found.allSatisfy { $0.code == .unsupported && $0.message.hasPrefix(key) }, "\(found)")
    }
  }

  @Test func `two places that contradict each other are refused`() throws {
    try edit("config.json", ["rope_parameters": ["rope_theta": 1000], "rope_scaling": ["rope_theta": 2000]])
    #expect(problem { _ = try Conversion(checkpoint: path, threads: 1) }?.message.contains("contradicts") == true)
  }

  // MARK: - Every other key

  @Test func `settings that change nothing are accepted`() throws {
    let plain = digests(try convert().file)
    try edit(
      "config.json",
      [
        "hidden_act": "swish", "pad_token_id": -1, "sliding_window": NSNull(), "partial_rotary_factor": 1.0,
        "pruned_heads": [:],
        "layer_types": ["full_attention"], "is_decoder": true, "typical_p": 1.0, "unsloth_version": "2025.1",
      ])
    let file = try convert().file
    #expect(digests(file) == plain)
    #expect(try file.component("generation")?.config.ints("stop_ids") == [2])
  }

  @Test(arguments: [
    ("config.json", "attention_multiplier", "0.5"), ("config.json", "logits_scaling", "8"),
    ("config.json", "sliding_window", "4096"),
    ("config.json", "layer_types", #"["sliding_attention"]"#), ("config.json", "partial_rotary_factor", "0.5"),
    ("config.json", "is_encoder_decoder", "true"), ("config.json", "pruned_heads", #"{"0": [1]}"#),
    ("config.json", "no_repeat_ngram_size", "3"), ("generation_config.json", "no_repeat_ngram_size", "3"),
    ("generation_config.json", "typical_p", "0.9"), ("generation_config.json", "suppress_tokens", "[5]"),
    ("generation_config.json", "early_stopping", "true"), ("generation_config.json", "surprise", "\"me\""),
  ])
  func `settings that would change something are refused by name`(_ file: String, _ key: String, _ json: String) throws {
    try edit(file, [key: try value(json)])
    let found = problems { _ = try Conversion(checkpoint: path, threads: 1) }
    #expect(found.count == 1 && found.first?.code == .unsupported && found.first?.file == file, "\(found)")
    #expect(found.first?.message.hasPrefix(key) == true, "\(found)")
  }

  @Test func `an unknown setting can be passed over`() throws {
    try edit("config.json", ["my_own_note": "hello"])
    let found = problem { _ = try Conversion(checkpoint: path, threads: 1) }
    #expect(found?.message.contains("--ignore-setting my_own_note") == true)
    _ = try Conversion(checkpoint: path, ignoringSettings: ["my_own_note"], threads: 1)
  }

  @Test func `no key is in a table twice`() {
    for table in SettingsTable.all {
      let keys = table.used + table.inert.flatMap(\.keys)
      let twice = Dictionary(grouping: keys) { $0 }.filter { $0.value.count > 1 }.keys
      #expect(twice.isEmpty, "\(table.file): \(twice.sorted())")
    }
  }
}
