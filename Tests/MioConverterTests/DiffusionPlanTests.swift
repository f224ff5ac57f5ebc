import Foundation
import MioCheckpoints
import MioConverter
import MioFormat
import MioTestSupport
import Testing

@Suite struct DiffusionPlanTests {
  private let folder: TemporaryFolder
  private let model = "stable-diffusion-2-1-unclip"

  init() throws {
    folder = try TemporaryFolder()
    _ = try folder.copy(Goldens.image("tiny-mio/\(model)"), as: model)
  }

  private func replace(_ file: String, _ old: String, by new: String) throws {
    let url = folder.url.appendingPathComponent("\(model)/\(file)")
    let text = try String(contentsOf: url, encoding: .utf8)
    #expect(text.contains(old))
    try folder.write("\(model)/\(file)", text.replacingOccurrences(of: old, with: new))
  }

  private func problems() -> [ConversionError.Problem] {
    MioConverterTests.problems { _ = try Conversion(checkpoint: folder.url.path, threads: 1) }
  }

  /// Digests of the tensors of the converted checkpoint, by name.
  private func digests() throws -> [String: Digest] {
    let output = folder.path("\(UUID().uuidString).mio")
    _ = try Conversion(checkpoint: folder.url.path, quantization: .f32, threads: 1).run(output: output)
    let tensors = try ModelFile.open(path: output).tensors.filter { $0.component == "diffusion" }
    return Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0.digest) })
  }

  @Test func `the empty prompt's encoding is the text encoder's`() throws {
    let goldens = try GoldenTensors(Goldens.image("expected/unet.safetensors"))
    let prompt = try EmptyPrompt(
      CheckpointDirectory(path: folder.url.path), folder: "\(model)/", width: goldens.shape("prompt_embeds")[1],
      threads: 2)
    #expect(try prompt.ids.map { Int32($0) } == goldens.integers("prompt_ids"))
    #expect(largestDifference(prompt.encoding, try goldens.floats("prompt_embeds")) < 1e-5)
  }

  @Test func `leaves out what never runs`() throws {
    let names = try Set(digests().keys)
    #expect(names.contains("up_blocks.1.attentions.0.transformer_blocks.0.attn2.keys"))
    let unwanted = ["attn2.to_k", "attn2.to_v", "text_model", "quant_conv"]
    #expect(
      !names.contains { name in
        name.hasPrefix("encoder.")
          || unwanted.contains {
            name.contains($0) && name != "post_quant_conv.weight"
              && name != "post_quant_conv.bias"
          }
      })
  }

  @Test func `keeps 8 bits of what sees and draws for a small file`() throws {
    _ = try folder.copy(Goldens.image("tiny-mio/seed-tokenizer-2"), as: "seed-tokenizer-2")
    func encodings(small: Bool, _ quantization: Quantization = .q4) throws -> [String: TensorEncoding] {
      let output = folder.path("\(UUID().uuidString).mio")
      let conversion = try Conversion(
        checkpoint: folder.url.path, quantization: quantization, smallImages: small, threads: 1)
      _ = try conversion.run(output: output)
      let tensors = try ModelFile.open(path: output).tensors
      return Dictionary(uniqueKeysWithValues: tensors.map { ("\($0.component) \($0.name)", $0.encoding) })
    }
    let (large, small) = (try encodings(small: false), try encodings(small: true))
    let changed = large.keys.filter { large[$0] != small[$0] }
    #expect(changed.allSatisfy { large[$0] == .panelF16 && small[$0] == .panelQ8 })
    #expect(changed.contains("diffusion conv_in.weight"))
    #expect(changed.contains("image-tokenizer visual_encoder.blocks.0.attn.qkv.weight"))
    #expect(!changed.contains { $0.hasPrefix("diffusion decoder.") }, "rounding is seen in the pixels of the decoder")
    #expect(try encodings(small: true, .f16) == encodings(small: false, .f16))
  }

  @Test(arguments: ["diffusion_pytorch_model.fp16.safetensors", "diffusion_pytorch_model.bin"])
  func `reads every form of the weights`(form: String) throws {
    let expected = try digests()
    let vae = folder.url.appendingPathComponent("\(model)/vae")
    let file = vae.appendingPathComponent("diffusion_pytorch_model.safetensors")
    if form.hasSuffix(".bin") {
      let tensors = try SafetensorsFile(path: file.path)
      let values = try tensors.names.map { (name: $0, shape: try tensors.shape(of: $0), values: try tensors.floats($0)) }
      let torch = TorchFile(
        values.map { TensorSpecification($0.name, $0.shape, type: .f32, deviation: 0) }, stem: "vae")
      try folder.write(
        "\(model)/vae/\(form)", torch.bytes(values.map { unsafe $0.values.withUnsafeBytes { unsafe Array($0) } }))
      try FileManager.default.removeItem(at: file)
    } else {
      try FileManager.default.moveItem(at: file, to: vae.appendingPathComponent(form))
    }
    #expect(try digests() == expected)
  }

  @Test(arguments: [false, true])
  func `reads every naming of the decoder's attention`(asConvolution: Bool) throws {
    let expected = try digests()
    let file = folder.path("\(model)/vae/diffusion_pytorch_model.safetensors")
    let tensors = try SafetensorsFile(path: file)
    var writer = SafetensorsWriter()
    for name in tensors.names {
      var (target, shape) = (name, try tensors.shape(of: name))
      if name.contains("mid_block.attentions.0.") {
        for (old, new) in [("query", "to_q"), ("key", "to_k"), ("value", "to_v"), ("proj_attn", "to_out.0")] {
          target = target.replacingOccurrences(of: ".\(old).", with: ".\(new).")
        }
        if asConvolution, shape.count == 2 { shape += [1, 1] }
      }
      writer.add(target, shape, try tensors.floats(name))
    }
    try writer.write(to: file)
    #expect(try digests() == expected)
  }

  @Test func `names weights that are missing`() throws {
    try FileManager.default.removeItem(
      at: folder.url.appendingPathComponent("\(model)/unet/diffusion_pytorch_model.safetensors"))
    let found = problems()
    #expect(found.map(\.code) == [.missingFile])
    #expect(found.first?.message.contains("diffusion_pytorch_model.fp16.bin") == true)
  }

  @Test func `names every tensor that the configuration contradicts`() throws {
    try replace("unet/config.json", "\"layers_per_block\": 2", by: "\"layers_per_block\": 3")
    #expect(problems().contains { $0.code == .missingTensor && $0.tensor == "down_blocks.3.resnets.2.conv1.weight" })
  }

  @Test(arguments: [
    ("unet/config.json", "\"projection\"", "\"timestep\""), ("unet/config.json", "\"silu\"", "\"gelu\""),
    ("unet/config.json", "\"DownBlock2D\"", "\"AttnDownBlock2D\""),
    ("unet/config.json", "\"sample_size\": 16", "\"sample_size\": 17"),
    ("scheduler/scheduler_config.json", "v_prediction", "epsilon"),
    ("scheduler/scheduler_config.json", "PNDMScheduler", "DDIMScheduler"),
    ("vae/config.json", "\"latent_channels\": 4", "\"latent_channels\": 8"),
    ("text_encoder/config.json", "\"gelu\"", "\"quick_gelu\""),
  ]) func `refuses settings that mean another network`(file: String, old: String, new: String) throws {
    try replace(file, old, by: new)
    let found = problems()
    #expect(Set(found.map(\.code)) == [.unsupported])
    #expect(found.allSatisfy { $0.file.hasSuffix(file) })
  }
}
