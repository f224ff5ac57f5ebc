import MioFormat
import MioKernels

/// EVA ViT-g: an image to one vector per patch and one for the whole.
///
/// Fang et al. 2022, arXiv:2211.07636; `seed_qformer/eva_vit.py` of MIO-Team/MIO. No norm and no pooling at the end: all
/// tokens go on, behind `ln_vision`.
struct VisionTransformer: Sendable {
  struct Scratch: ~Copyable {
    var patches: Activations  // [P, 3 p p]
    var products: Activations  // [P, E]
    var block: VisionBlock.Scratch

    init(_ vision: VisionTransformer) {
      let config = vision.config
      patches = Activations(rows: config.tokenCount - 1, columns: config.patchLength)
      products = Activations(rows: config.tokenCount - 1, columns: config.visionWidth)
      block = VisionBlock.Scratch(vision.blockConfig, tokens: config.tokenCount)
    }
  }

  let config: ImageTokenizerConfig
  let blockConfig: VisionBlock.Config
  let patchWeight: PackedMatrix  // [E, 3 p p]
  /// What every token starts from: class token and bias of the patches, each with its position; [T, E].
  let tokenStart: WeightVector
  let blocks: [VisionBlock]
  let norm: LayerNorm

  init(_ config: ImageTokenizerConfig, from root: WeightScope) throws(ModelFileError) {
    let weights = root["visual_encoder"]
    let e = config.visionWidth
    let blockConfig = VisionBlock.Config(
      width: e, innerWidth: config.visionInnerWidth, headCount: config.visionHeadCount)
    var blocks: [VisionBlock] = []
    for index in 0..<config.visionLayerCount {
      blocks.append(try VisionBlock(blockConfig, from: weights["blocks"][index]))
    }
    patchWeight = try weights.matrix("patch_embed.proj.weight", [e, config.patchLength])
    tokenStart = try weights.vector("token_start", shape: [config.tokenCount, e])
    norm = try LayerNorm("ln_vision", width: e, epsilon: 1e-5, from: root)
    self.config = config
    self.blockConfig = blockConfig
    self.blocks = blocks
  }

  /// Encodes one image.
  ///
  /// - Parameters:
  ///   - pixels: [3, S, S], normalized.
  ///   - x: [T, E] with the class token first, overwritten.
  func forward(
    pixels: [Float], into x: inout Activations, scratch: inout Scratch, trace: ImageTrace?, on context: KernelContext
  ) {
    scratch.patches.gatherPatches(of: pixels, channels: 3, size: config.imageSize, patch: config.patchSize)
    patchWeight.apply(scratch.patches, into: &scratch.products, on: context)
    x.reshape(rows: config.tokenCount, columns: config.visionWidth)
    x.overwrite(with: tokenStart)
    x.addRows(of: scratch.products, from: 1)
    trace?.recordStep("vision.start", x)
    for (index, block) in blocks.enumerated() {
      block.forward(&x, scratch: &scratch.block, on: context)
      trace?.recordStep("vision.\(index)", x)
    }
    x.layerNormalize(weight: norm.weight, bias: norm.bias, epsilon: norm.epsilon, on: context)
    trace?.record("vision", x)
  }
}
