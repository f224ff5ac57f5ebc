import MioFormat
import MioKernels

/// A decoder-only language model of the Llama family: weights bound to a model file, shared by any number of sessions.
///
/// Touvron et al. 2023, arXiv:2302.13971, with grouped-query attention; `LlamaForCausalLM` of huggingface/transformers.
/// See `MODEL.md`.
package final class LanguageModel: Sendable {
  package static let componentName = "language"

  package let config: LanguageConfig
  let layerConfig: DecoderLayer.Config
  let embedding: PackedMatrix  // [V, E]
  let layers: [DecoderLayer]
  let norm: WeightVector  // [E]
  let head: PackedMatrix  // [V, E]

  /// Binds the weights of the `language` component.
  ///
  /// - Throws: ``ModelFileError`` naming the tensor or configuration key that is missing or does not fit.
  package init(from file: ModelFile) throws(ModelFileError) {
    let weights = WeightScope(file, component: Self.componentName)
    let config = try LanguageConfig(weights.config)
    let layerConfig = DecoderLayer.Config(config)
    let shape = [config.vocabularySize, config.width]
    embedding = try weights["model"].matrix("embed_tokens.weight", shape)
    var layers: [DecoderLayer] = []
    for index in 0..<config.layerCount {
      layers.append(try DecoderLayer(layerConfig, from: weights["model"]["layers"][index]))
    }
    norm = try weights["model"].vector("norm.weight", config.width)
    head = config.tiedEmbeddings ? embedding : try weights.matrix("lm_head.weight", shape)
    self.config = config
    self.layerConfig = layerConfig
    self.layers = layers
  }

  /// The cache a session would use: its bytes per token and per context.
  package func cacheShape(_ format: KeyValueFormat) -> KeyValueCache.Shape {
    KeyValueCache.Shape(
      layerCount: config.layerCount, kvHeadCount: config.kvHeadCount, headWidth: config.headWidth, format: format)
  }
}
