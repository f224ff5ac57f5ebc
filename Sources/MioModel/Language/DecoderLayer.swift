import MioFormat
import MioKernels

/// One pre-norm decoder layer: `x += attention(norm(x)); x += feedForward(norm(x))`.
///
/// Tensor names as in `LlamaDecoderLayer` of huggingface/transformers.
struct DecoderLayer: Sendable {
  struct Config: Hashable, Sendable {
    let attention: SelfAttention.Config
    let feedForward: FeedForward.Config
    let normEpsilon: Float

    init(_ config: LanguageConfig) {
      attention = SelfAttention.Config(
        width: config.width,
        attention: Attention(
          headCount: config.headCount, kvHeadCount: config.kvHeadCount, headWidth: config.headWidth))
      feedForward = FeedForward.Config(width: config.width, innerWidth: config.innerWidth)
      normEpsilon = config.normEpsilon
    }
  }

  struct Scratch: ~Copyable {
    var normalized: Activations  // [T, E]
    var update: Activations  // [T, E]
    var attention: SelfAttention.Scratch
    var feedForward: FeedForward.Scratch

    init(_ config: Config, format: KeyValueFormat, maxRows: Int) {
      normalized = Activations(rows: maxRows, columns: config.attention.width)
      update = Activations(rows: maxRows, columns: config.attention.width)
      attention = SelfAttention.Scratch(config.attention, format: format, maxRows: maxRows)
      feedForward = FeedForward.Scratch(config.feedForward, maxRows: maxRows)
    }
  }

  let config: Config
  let attentionNorm: WeightVector  // [E]
  let attention: SelfAttention
  let feedForwardNorm: WeightVector  // [E]
  let feedForward: FeedForward

  init(_ config: Config, from weights: WeightScope) throws(ModelFileError) {
    self.config = config
    attentionNorm = try weights.vector("input_layernorm.weight", config.attention.width)
    attention = try SelfAttention(config.attention, from: weights["self_attn"])
    feedForwardNorm = try weights.vector("post_attention_layernorm.weight", config.attention.width)
    feedForward = try FeedForward(config.feedForward, from: weights["mlp"])
  }

  /// Updates every row of `x` [T, E] in place; without `keepsAll`, leaves only the rows that the pass keeps.
  func forward(
    _ x: inout Activations, layer: Int, pass: borrowing LanguagePass, keepsAll: Bool, scratch: inout Scratch,
    on context: KernelContext
  ) {
    scratch.normalized.rmsNormalize(x, weight: attentionNorm, epsilon: config.normEpsilon, on: context)
    if !keepsAll { x.keepRows(pass.kept) }
    scratch.update.reshape(rows: x.rows)
    attention.forward(
      scratch.normalized, layer: layer, pass: pass, keepsAll: keepsAll, into: &scratch.update,
      scratch: &scratch.attention, on: context)
    x.add(scratch.update, on: context)
    scratch.normalized.rmsNormalize(x, weight: feedForwardNorm, epsilon: config.normEpsilon, on: context)
    feedForward.forward(scratch.normalized, into: &scratch.update, scratch: &scratch.feedForward, on: context)
    x.add(scratch.update, on: context)
  }
}
