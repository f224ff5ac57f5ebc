import Foundation
import MioCheckpoints
import MioConverter
import MioFormat
import MioModel
import MioTestSupport
import Testing

/// Checkpoint directories in every form, and wrong ones.
@Suite struct CheckpointTests {
  @Test(arguments: RandomCheckpoint.Form.allCases, [StoredType.bf16, .f16, .f32])
  func `reads the same weights from shards of either form`(_ form: RandomCheckpoint.Form, _ type: StoredType) throws {
    let folder = try TemporaryFolder()
    var checkpoint = small()
    checkpoint.form = form
    checkpoint.language?.type = type
    try write(checkpoint, folder, "whole")
    checkpoint.shardByteCount = 30_000
    try write(checkpoint, folder, "shards")
    let whole = try CheckpointDirectory(path: folder.path("whole")).languageTensors()
    let shards = try CheckpointDirectory(path: folder.path("shards")).languageTensors()
    #expect(whole.tensors.files.count == 1)
    #expect(shards.tensors.files.count > 2)
    #expect(whole.tensors.names == shards.tensors.names)
    for name in whole.tensors.names {
      #expect(whole.tensors[name]?.type == type)
      #expect(try whole.tensors[name]?.floats() == shards.tensors[name]?.floats())
    }
  }

  @Test(arguments: [(3, 3), (5, 1), (6, 3)], [false, true])
  func `converts odd sizes and tied embeddings`(_ heads: (query: Int, keyValue: Int), _ isTied: Bool) throws {
    let folder = try TemporaryFolder()
    var checkpoint = small()
    checkpoint.language?.headCount = heads.query
    checkpoint.language?.kvHeadCount = heads.keyValue
    checkpoint.language?.width = 10 * heads.query
    checkpoint.language?.innerWidth = 71
    checkpoint.language?.isTied = isTied
    checkpoint.language?.rows = 13200
    try write(checkpoint, folder, "c")
    let conversion = try Conversion(checkpoint: folder.path("c"), quantization: .f32, threads: 2)
    _ = try conversion.run(output: folder.path("c.mio"))
    let file = try ModelFile.open(path: folder.path("c.mio"))
    let source = try conversion.checkpoint.languageTensors().tensors
    for record in file.tensors where record.component == "language" {
      #expect(try rows(of: record.name, in: file, component: "language") == source[record.name]?.floats())
    }
    #expect(file.hasTensor("language", "lm_head.weight") == !isTied)
    #expect(try file.component("language")?.config.bool("tied_embeddings") == isTied)
  }

  @Test func `prefers safetensors, as transformers does`() throws {
    let folder = try TemporaryFolder()
    var checkpoint = small()
    try write(checkpoint, folder, "c")
    checkpoint.form = .bin
    checkpoint.seed = 2
    try write(checkpoint, folder, "c")
    #expect(try CheckpointDirectory(path: folder.path("c")).languageTensors().tensors.files == ["model.safetensors"])
  }

  @Test func `makes the same checkpoint on any number of threads, and another for another seed`() throws {
    let folder = try TemporaryFolder()
    var checkpoint = small()
    checkpoint.form = .bin
    try write(checkpoint, folder, "a")
    checkpoint.threads = 3
    try write(checkpoint, folder, "b")
    checkpoint.seed = 2
    try write(checkpoint, folder, "c")
    let files = try FileManager.default.subpathsOfDirectory(atPath: folder.path("a")).filter { $0.contains(".") }
    #expect(files.contains("SpeechTokenizer/SpeechTokenizer.pt"))
    for name in files {
      #expect(FileManager.default.contentsEqual(atPath: folder.path("a/" + name), andPath: folder.path("b/" + name)))
    }
    let weights = "/pytorch_model.bin"
    #expect(!FileManager.default.contentsEqual(atPath: folder.path("a" + weights), andPath: folder.path("c" + weights)))
  }

  @Test func `has MIO's shapes by default`() throws {
    let golden = try CheckpointDirectory(path: Goldens.speech("tiny-mio").path)
      .torchTensors("SpeechTokenizer/SpeechTokenizer.pt")
    let folder = try TemporaryFolder()
    var checkpoint = small()
    checkpoint.speech?.filterCount = 3
    checkpoint.speech?.width = 16
    checkpoint.speech?.semanticWidth = 12
    try write(checkpoint, folder, "c")
    let made = try CheckpointDirectory(path: folder.path("c")).torchTensors("SpeechTokenizer/SpeechTokenizer.pt")
    #expect(made.names == golden.names)
    for name in made.names { #expect(made[name]?.shape == golden[name]?.shape, "\(name)") }
    // The fact sheet's count of numbers at full size.
    let full = SpeechSizes()
    #expect(full.filterCount == 64)
    #expect(RandomCheckpoint.elementCount(full) == 120_461_002)
    #expect(RandomCheckpoint.elementCount(LanguageSizes(), rows: 76292) == 6_161_731_584)
  }

  // MARK: - Wrong checkpoints

  @Test func `says that a directory is no checkpoint`() throws {
    let folder = try TemporaryFolder()
    #expect(problem { _ = try Conversion(checkpoint: folder.path("none"), threads: 1) }?.code == .notACheckpoint)
    #expect(problem { _ = try Conversion(checkpoint: folder.url.path, threads: 1) }?.code == .notACheckpoint)
    let file = try folder.write("file", "x")
    #expect(problem { _ = try Conversion(checkpoint: file, threads: 1) }?.code == .notACheckpoint)
  }

  @Test func `names every shard that is missing`() throws {
    let folder = try TemporaryFolder()
    var checkpoint = small()
    checkpoint.shardByteCount = 30_000
    try write(checkpoint, folder, "c")
    let shards = try CheckpointDirectory(path: folder.path("c")).languageTensors().tensors.files
    for shard in [shards[0], shards[2]] { try FileManager.default.removeItem(atPath: folder.path("c/" + shard)) }
    let found = problems { _ = try Conversion(checkpoint: folder.path("c"), threads: 1) }
    #expect(found.map(\.code) == [.missingFile, .missingFile])
    #expect(found.map(\.file) == [shards[0], shards[2]])
  }

  @Test func `names every tensor that the index has wrong`() throws {
    let folder = try TemporaryFolder()
    let path = try folder.copy(Goldens.speech("tiny-mio"), as: "c")
    let index = path + "/model.safetensors.index.json"
    var text = try String(contentsOfFile: index, encoding: .utf8)
    text = text.replacingOccurrences(
      of: "\"model.norm.weight\":",
      with: "\"model.ghost.weight\": \"model-00001-of-00002.safetensors\",\n\"model.spirit.weight\":")
    try folder.write("c/model.safetensors.index.json", text)
    let found = problems { _ = try Conversion(checkpoint: path, threads: 1) }
    #expect(Set(found.map(\.code)) == [.badIndex])
    #expect(Set(found.compactMap(\.tensor)) == ["model.ghost.weight", "model.spirit.weight", "model.norm.weight"])
  }

  @Test(arguments: [
    "{", "[]", "{}", "{\"weight_map\": {}}", "{\"weight_map\": {\"x\": 1}}",
    "{\"weight_map\": {\"x\": \"../../etc/passwd\"}}",
    "{\"weight_map\": {\"x\": \"..\"}}", "{\"weight_map\": {\"x\": \"\"}}",
  ])
  func `refuses an index that is none`(_ text: String) throws {
    let folder = try TemporaryFolder()
    let path = try folder.copy(Goldens.speech("tiny-mio"), as: "c")
    try folder.write("c/model.safetensors.index.json", text)
    let found = problems { _ = try Conversion(checkpoint: path, threads: 1) }
    #expect(found.count == 1)
    #expect(found.first?.code == .badIndex || found.first?.code == .badJSON)
  }

  @Test func `names every missing, extra, misshapen and mistyped tensor`() throws {
    let folder = try TemporaryFolder()
    let path = try folder.copy(Goldens.speech("llm-other-format"), as: "c")
    var tensors = try tensors(of: path)
    tensors.removeAll { $0.name == "model.norm.weight" || $0.name.hasSuffix("k_proj.weight") }
    tensors.append(("model.layers.0.self_attn.q_proj.bias", .f32, [64]))
    tensors.append(("model.layers.1.mlp.up_proj.weight", .f32, [160, 64]))
    tensors.append(("model.layers.0.self_attn.rotary_emb.inv_freq", .f32, [8]))
    let lying = try #require(tensors.firstIndex { $0.name.hasSuffix("down_proj.weight") })
    tensors[lying].shape = [160, 64]
    let bytes = try #require(tensors.firstIndex { $0.name.hasSuffix("up_proj.weight") })
    tensors[bytes].type = .i8
    try folder.write("c/model.safetensors", zeros(tensors))
    let found = problems { _ = try Conversion(checkpoint: path, threads: 1) }
    let byCode = Dictionary(grouping: found, by: \.code).mapValues { Set($0.compactMap(\.tensor)) }
    #expect(byCode[.missingTensor] == ["model.norm.weight", "model.layers.0.self_attn.k_proj.weight"])
    #expect(byCode[.extraTensor] == ["model.layers.0.self_attn.q_proj.bias", "model.layers.1.mlp.up_proj.weight"])
    #expect(byCode[.wrongShape] == ["model.layers.0.mlp.down_proj.weight"])
    #expect(byCode[.wrongType] == ["model.layers.0.mlp.up_proj.weight"])
    #expect(found.count == 6)
  }

  @Test(arguments: [
    ("rope_scaling", "{\"type\": \"linear\", \"factor\": 2.0}"), ("attention_bias", "true"), ("hidden_act", "\"gelu\""),
    ("model_type", "\"mistral\""), ("num_attention_heads", "3"), ("num_attention_heads", "0"),
    ("num_key_value_heads", "3"),
    ("hidden_size", "\"64\""), ("hidden_size", "-64"), ("hidden_size", "99999999999"), ("hidden_size", "64.5"),
    ("rms_norm_eps", "0"), ("rope_theta", "null, \"rope_parameters\": {\"rope_type\": \"yarn\"}"),
    ("tie_word_embeddings", "1"), ("vocab_size", "null"), ("head_dim", "15"), ("head_dim", "0"), ("quantization_config", "{}"),
  ])
  func `refuses a setting it does not understand`(_ key: String, _ value: String) throws {
    let folder = try TemporaryFolder()
    let path = try folder.copy(Goldens.speech("llm-other-format"), as: "c")
    let config = try String(contentsOfFile: path + "/config.json", encoding: .utf8)
    let kept = config.split(separator: "\n").dropFirst().filter { !$0.contains("\"\(key)\":") }.joined(separator: "\n")
    let edited = "{\n\"\(key)\": \(value),\n" + kept.replacingOccurrences(of: ",\n}", with: "\n}")
    try folder.write("c/config.json", edited)
    let found = problems { _ = try Conversion(checkpoint: path, threads: 1) }
    #expect(Set(found.map(\.code)) == [.unsupported])
    let named = value.contains("rope_parameters") ? "rope_parameters" : key
    #expect(found.first?.message.hasPrefix(named) == true, "\(found)")
  }

  @Test(arguments: [16, 24]) func `heads may have a width of their own`(_ headWidth: Int) throws {
    let folder = try TemporaryFolder()
    let path = try folder.copy(Goldens.speech("llm-other-format"), as: "c")
    let config = try String(contentsOfFile: path + "/config.json", encoding: .utf8)
    try folder.write("c/config.json", "{\n\"head_dim\": \(headWidth)," + config.dropFirst())
    let stored = try tensors(of: path)
    let shapes = [
      "q_proj": [4 * headWidth, 64], "k_proj": [2 * headWidth, 64], "v_proj": [2 * headWidth, 64],
      "o_proj": [64, 4 * headWidth],
    ]
    try folder.write(
      "c/model.safetensors",
      zeros(
        stored.map { tensor in
          var tensor = tensor
          tensor.shape = shapes.first { tensor.name.contains($0.key) }?.value ?? tensor.shape
          return tensor
        }))
    _ = try folder.write("ids.json", "[[1, 2, 3, 4, 5, 6, 7]]")
    _ = try Conversion(checkpoint: path, threads: 1).run(
      output: folder.path("a.mio"), calibration: .file(folder.path("ids.json")))
    let file = try ModelFile.open(path: folder.path("a.mio"))
    let stated = try #require(file.component("language")).config.intIfPresent("head_width")
    #expect(stated == (headWidth == 16 ? nil : headWidth))
    #expect(try LanguageModel(from: file).config.headWidth == headWidth)
  }

  @Test func `reports all wrong settings together`() throws {
    let folder = try TemporaryFolder()
    let path = try folder.copy(Goldens.speech("llm-other-format"), as: "c")
    try folder.write("c/config.json", "{\"hidden_act\": \"relu\", \"attention_bias\": true}")
    let found = problems { _ = try Conversion(checkpoint: path, threads: 1) }
    #expect(found.count == 7)
  }

  @Test func `asks for the files that are missing`() throws {
    let folder = try TemporaryFolder()
    let path = try folder.copy(Goldens.speech("tiny-mio"), as: "c")
    try FileManager.default.removeItem(atPath: path + "/config.json")
    #expect(problem { _ = try Conversion(checkpoint: path, threads: 1) }?.file == "config.json")
    try folder.write("d/config.json", "{}")
    #expect(
      problems { _ = try Conversion(checkpoint: folder.path("d"), threads: 1) }.contains { $0.code == .missingFile })
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity, 70000])
  func `refuses weights that the encoding cannot hold`(_ value: Float) throws {
    let folder = try TemporaryFolder()
    let path = try folder.copy(Goldens.speech("llm-other-format"), as: "c")
    let tensors = try tensors(of: path).map { ($0.name, StoredType.f32, $0.shape) }
    var bytes = zeros(tensors)
    let start = SafetensorsWriter.header(tensors).count
    for shift in 0..<4 { bytes[start + shift] = UInt8(truncatingIfNeeded: value.bitPattern >> (8 * shift)) }
    try folder.write("c/model.safetensors", bytes)
    for quantization in [Quantization.q4, .f32] {
      let conversion = try Conversion(checkpoint: path, quantization: quantization, threads: 2)
      let found = problem { _ = try conversion.run(output: folder.path("c.mio")) }
      if value.isFinite {
        // Beyond 16-bit floats: that tensor keeps 32 bits, whatever was asked for.
        #expect(found == nil)
        let tensors = try ModelFile.open(path: folder.path("c.mio")).tensors
        #expect(tensors.first { $0.name == "lm_head.weight" }?.encoding == .panelF32)
        try FileManager.default.removeItem(atPath: folder.path("c.mio"))
      } else {
        #expect(found?.code == .badWeight)
        #expect(found?.tensor == "lm_head.weight")
        #expect(folder.contents == ["c"])
      }
    }
  }

  @Test func `takes no weights from a pickle that runs code`() throws {
    let folder = try TemporaryFolder()
    let path = try folder.copy(Goldens.speech("llm-other-format"), as: "c")
    var pickle = PickleWriter()
    pickle.global("os", "system")
    pickle.string("touch \(folder.path("executed"))")
    pickle.raw([0x85])
    pickle.op("R")
    pickle.op(".")
    let file = TorchFile(tensorByteCounts: [], pickle: pickle.bytes, stem: "pytorch_model-00001-of-00002")
    try folder.write("c/pytorch_model-00001-of-00002.bin", file.bytes([]))
    let found = problem { _ = try Conversion(checkpoint: path, threads: 1) }
    #expect(found?.code == .forbiddenPickle)
    #expect(found?.file == "pytorch_model-00001-of-00002.bin")
    #expect(folder.contents == ["c"])
  }

  @Test func `notices a tokenizer of another checkpoint`() throws {
    let folder = try TemporaryFolder()
    let path = try folder.copy(Goldens.speech("llm-other-format"), as: "c")
    for name in ["tokenizer.model", "tokenizer_config.json"] {
      _ = try folder.copy(Goldens.speech("tiny-mio/" + name), as: "c/" + name)
    }
    #expect(problem { _ = try Conversion(checkpoint: path, threads: 1) }?.code == .badTokenizer)
  }

  // MARK: - Making checkpoints

  private func small() -> RandomCheckpoint {
    var sizes = LanguageSizes()
    sizes.width = 32
    sizes.innerWidth = 96
    sizes.layerCount = 2
    sizes.headCount = 4
    sizes.kvHeadCount = 2
    var checkpoint = RandomCheckpoint()
    checkpoint.language = sizes
    checkpoint.speech = SpeechSizes().scaled(by: 1 / 64)
    checkpoint.pieceCount = 900
    return checkpoint
  }

  private func write(_ checkpoint: RandomCheckpoint, _ folder: TemporaryFolder, _ name: String) throws {
    let model = try Data(contentsOf: Goldens.speech("tiny-mio/tokenizer.model"))
    try checkpoint.write(to: folder.path(name), tokenizer: [UInt8](model))
  }

  private typealias Tensor = (name: String, type: StoredType, shape: [Int])

  /// The tensors of a checkpoint in the order of their names.
  private func tensors(of path: String) throws -> [Tensor] {
    let set = try CheckpointDirectory(path: path).languageTensors().tensors
    return set.names.compactMap { set[$0] }.map { ($0.name, $0.type, $0.shape) }
  }

  /// A safetensors file of zeros.
  private func zeros(_ tensors: [Tensor]) -> [UInt8] {
    let count = tensors.reduce(0) { $0 + $1.shape.reduce($1.type.byteCount, *) }
    return SafetensorsWriter.header(tensors) + [UInt8](repeating: 0, count: count)
  }
}
