import MioFormat

/// The diffusion component: a Stable Diffusion 2.1 unCLIP model without the parts that never run when MIO draws.
///
/// The text encoder sees one prompt only, the empty one. It runs here, once, and is left out together with the
/// tokenizer, the image encoder, the normalizer, the noising schedule and the image encoder.
enum DiffusionPlan {
  static let component = "diffusion"
  static let folder = "stable-diffusion-2-1-unclip/"

  /// How the tensors of this component are stored.
  static let rules = [
    DiffusionTensors.sturdy, DiffusionTensors.matrices, DiffusionTensors.decoder, DiffusionTensors.vectors,
  ]

  private static let configs = ["unet/config.json", "vae/config.json", "scheduler/scheduler_config.json"]
    .map { folder + $0 }

  /// Reads the configurations, computes the text's encoding and lists the tensors; nil if the checkpoint cannot draw.
  static func plan(for checkpoint: CheckpointDirectory, threads: Int) throws(ConversionError) -> ComponentPlan? {
    let weightFiles = DiffusersWeights.forms(of: folder + "unet/diffusion_pytorch_model")
    guard ([configs[0]] + weightFiles).contains(where: checkpoint.has) else { return nil }
    var readers: [SettingsReader] = []
    for file in configs { readers.append(try checkpoint.settings(file)) }
    let sizes = DiffusionSizes(unet: readers[0], decoder: readers[1], schedule: readers[2])
    var problems = sizes.problems
    var parts: [TensorSet] = []
    for part in ["unet", "vae"] {
      do { parts.append(try DiffusersWeights.tensors(checkpoint, folder + part + "/diffusion_pytorch_model")) } catch {
        problems += error.problems
      }
    }
    guard problems.isEmpty else { throw ConversionError(problems) }
    let prompt = try EmptyPrompt(checkpoint, folder: folder, width: sizes.textWidth, threads: threads)
    let source = try TensorSet(merging: parts)
    let tensors = DiffusionTensors(source, sizes, text: prompt.encoding)
    return ComponentPlan(
      component, config: sizes.config(textLength: prompt.length), tensors: tensors.planned, source: source,
      files: configs + prompt.files
    ) { isUnused($0) }
  }

  /// The half of the autoencoder that turns images into latents.
  private static func isUnused(_ name: String) -> Bool {
    name.hasPrefix("encoder.") || name == "quant_conv.weight" || name == "quant_conv.bias"
  }
}

/// The weight files of a model that diffusers or transformers saved.
enum DiffusersWeights {
  /// The names that the weights of a model may have, the preferred first.
  static func forms(of stem: String, torch: String? = nil) -> [String] {
    let torch = torch ?? stem
    return [stem + ".safetensors", torch + ".bin", stem + ".fp16.safetensors", torch + ".fp16.bin"]
  }

  /// - Parameter torch: the stem of the files that `torch.save` wrote, where it differs.
  static func tensors(
    _ checkpoint: CheckpointDirectory, _ stem: String, torch: String? = nil
  ) throws(ConversionError) -> TensorSet {
    let forms = forms(of: stem, torch: torch)
    guard let file = forms.first(where: checkpoint.has) else {
      throw ConversionError(
        .missingFile, file: forms[0], "no weights; expected one of " + forms.joined(separator: ", "))
    }
    return file.hasSuffix(".bin") ? try checkpoint.torchTensors(file) : try checkpoint.safetensors(file)
  }
}

extension TensorSet {
  /// The tensors of several sets.
  init(merging parts: [TensorSet]) throws(ConversionError) {
    try self.init(parts.flatMap { part in part.names.compactMap { part[$0] } }, files: parts.flatMap(\.files))
  }
}
