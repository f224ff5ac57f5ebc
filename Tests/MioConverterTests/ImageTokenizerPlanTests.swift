import Foundation
import MioCheckpoints
import MioConverter
import MioFormat
import MioTestSupport
import Testing

@Suite struct ImageTokenizerPlanTests {
  private static let files = ["eva_vit_g.pth", "seed_quantizer.pt"]

  /// A checkpoint of the image tokenizer alone.
  private func checkpoint(_ folder: TemporaryFolder) throws -> String {
    _ = try folder.copy(Goldens.image("tiny-mio/seed-tokenizer-2"), as: "seed-tokenizer-2")
    return folder.url.path
  }

  /// Rewrites one file with its tensors changed.
  private func rewrite(
    _ folder: TemporaryFolder, _ file: String,
    _ change: (inout [(name: String, shape: [Int], values: [Float])]) throws -> Void
  ) throws {
    let source = try CheckpointDirectory(path: folder.url.path).torchTensors("seed-tokenizer-2/" + file)
    var tensors: [(name: String, shape: [Int], values: [Float])] = []
    for name in source.names {
      guard let tensor = source[name], tensor.type.isConvertible else { continue }
      tensors.append((name, tensor.shape, try tensor.floats()))
    }
    try change(&tensors)
    let written = TorchFile(
      tensors.map { TensorSpecification($0.name, $0.shape, type: .f32, deviation: 0) }, stem: "archive")
    try folder.write(
      "seed-tokenizer-2/" + file, written.bytes(tensors.map { unsafe $0.values.withUnsafeBytes { unsafe Array($0) } }))
  }

  private func digests(_ folder: TemporaryFolder) throws -> [Digest] {
    let conversion = try Conversion(checkpoint: folder.url.path, quantization: .f32, threads: 2)
    _ = try conversion.run(output: folder.path("out.mio"))
    return try ModelFile.open(path: folder.path("out.mio")).tensors.map(\.digest)
  }

  @Test func `converts the tokenizer alone, with sizes from its tensors, and nothing that never runs`() throws {
    let folder = try TemporaryFolder()
    let conversion = try Conversion(checkpoint: checkpoint(folder), threads: 1)
    #expect(conversion.components.map(\.component) == ["image-tokenizer"])
    #expect(!conversion.notes.contains { $0.contains("see images") })
    _ = try conversion.run(output: folder.path("out.mio"))
    let file = try ModelFile.open(path: folder.path("out.mio"))
    let config = try #require(file.component("image-tokenizer")).config
    #expect(try config.int("image_size") == 224 && config.int("patch_size") == 14)
    #expect(try config.int("vision_head_count") == 2 && config.int("query_head_count") == 2)
    #expect(try config.int("vision_layer_count") == 2 && config.int("embedder_layer_count") == 1)
    #expect(try config.bool("causal") && config.ints("embedder_widths") == [256, 128, 32])
    let names = Set(file.tensors.map(\.name))
    let unused = ["cls.", "word_embeddings", "position_ids", "intermediate.dense", "layer.0.output.dense", "pos_embed."]
    #expect(!names.contains { name in unused.contains { name.contains($0) } || name.hasPrefix("blocks.") })
    #expect(names.contains("visual_encoder.token_start") && !names.contains("visual_encoder.norm.weight"))
  }

  @Test func `takes the vision transformer from either file`() throws {
    let (apart, together) = (try TemporaryFolder(), try TemporaryFolder())
    _ = try checkpoint(apart)
    _ = try checkpoint(together)
    let vision = try CheckpointDirectory(path: together.url.path).torchTensors("seed-tokenizer-2/eva_vit_g.pth")
    try rewrite(together, "seed_quantizer.pt") { tensors in
      for name in vision.names {
        guard let tensor = vision[name] else { continue }
        tensors.append(("visual_encoder." + name, tensor.shape, try tensor.floats()))
      }
    }
    try FileManager.default.removeItem(atPath: together.path("seed-tokenizer-2/eva_vit_g.pth"))
    #expect(try digests(apart) == digests(together))
  }

  @Test func `drops blocks beyond the thirty-ninth and other extras`() throws {
    let folder = try TemporaryFolder()
    _ = try checkpoint(folder)
    try rewrite(folder, "eva_vit_g.pth") { tensors in
      let first = tensors.filter { $0.name.hasPrefix("blocks.0.") }
      for index in 2..<41 {
        tensors += first.map { ("blocks.\(index)." + $0.name.dropFirst("blocks.0.".count), $0.shape, $0.values) }
      }
      tensors.append(("head.weight", [2, 2], [1, 2, 3, 4]))
    }
    let conversion = try Conversion(checkpoint: folder.url.path, threads: 1)
    let names = conversion.components[0].tensors.map(\.name)
    #expect(names.contains("visual_encoder.blocks.38.norm1.weight"))
    #expect(!names.contains { $0.hasPrefix("visual_encoder.blocks.39.") || $0.hasPrefix("visual_encoder.blocks.40.") })
  }

  @Test(arguments: [
    ("eva_vit_g.pth", "blocks.1.attn.v_bias"), ("eva_vit_g.pth", "cls_token"), ("eva_vit_g.pth", "pos_embed"),
    ("seed_quantizer.pt", "Qformer.bert.encoder.layer.0.crossattention.self.key.weight"),
    ("seed_quantizer.pt", "distill_image_proj.bias"), ("seed_quantizer.pt", "quantize.embedding.weight"),
  ]) func `names a tensor that is missing`(file: String, name: String) throws {
    let folder = try TemporaryFolder()
    _ = try checkpoint(folder)
    try rewrite(folder, file) { tensors in tensors.removeAll { $0.name == name } }
    let found = problems { _ = try Conversion(checkpoint: folder.url.path, threads: 1) }
    #expect(found.contains { $0.code == .missingTensor && $0.tensor?.hasSuffix(name) == true })
  }

  @Test(arguments: files) func `needs both files`(file: String) throws {
    let folder = try TemporaryFolder()
    _ = try checkpoint(folder)
    try FileManager.default.removeItem(atPath: folder.path("seed-tokenizer-2/" + file))
    let problem = problem { _ = try Conversion(checkpoint: folder.url.path, threads: 1) }
    #expect(problem?.code == .missingFile && problem?.file == "seed-tokenizer-2/" + file)
  }

  @Test func `refuses sizes that are no tokenizer of this kind`() throws {
    let folder = try TemporaryFolder()
    _ = try checkpoint(folder)
    try rewrite(folder, "eva_vit_g.pth") { tensors in
      for index in tensors.indices where tensors[index].name == "pos_embed" {
        tensors[index] = ("pos_embed", [1, 200, 176], Array(tensors[index].values.prefix(200 * 176)))
      }
    }
    let problem = problem { _ = try Conversion(checkpoint: folder.url.path, threads: 1) }
    #expect(problem?.code == .unsupported && problem?.tensor == "visual_encoder.pos_embed")
  }
}
