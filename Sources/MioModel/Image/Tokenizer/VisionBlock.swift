import MioFormat
import MioKernels

/// A pre-norm transformer block: `x += proj(attention(norm1 x)); x += fc2(gelu(fc1(norm2 x)))`.
///
/// Dosovitskiy et al. 2020, arXiv:2010.11929; `Block` of `seed_qformer/eva_vit.py` and of timm's vision transformer, as
/// both the image's encoder and the embedder of its codes use it.
struct VisionBlock: Sendable {
  struct Config: Hashable, Sendable {
    let width: Int  // E
    let innerWidth: Int  // F
    let headCount: Int  // H
  }

  struct Scratch: ~Copyable {
    var normalized: Activations  // [T, E]
    var wide: Activations  // [T, 3E] queries, keys, values; then [T, F]
    var attended: Activations  // [T, E]
    var branch: Activations  // [T, E]

    init(_ config: Config, tokens: Int) {
      normalized = Activations(rows: tokens, columns: config.width)
      wide = Activations(rows: tokens, columns: max(3 * config.width, config.innerWidth))
      attended = Activations(rows: tokens, columns: config.width)
      branch = Activations(rows: tokens, columns: config.width)
    }
  }

  let config: Config
  let attention: DenseAttention
  let norm1: LayerNorm
  let queriesKeysValues: Projection  // [3E, E]
  let output: Projection  // [E, E]
  let norm2: LayerNorm
  let up: Projection  // [F, E]
  let down: Projection  // [E, F]

  init(_ config: Config, from weights: WeightScope) throws(ModelFileError) {
    let (e, f) = (config.width, config.innerWidth)
    self.config = config
    norm1 = try LayerNorm("norm1", width: e, epsilon: 1e-6, from: weights)
    queriesKeysValues = try Projection("attn.qkv", inputs: e, outputs: 3 * e, from: weights)
    attention = DenseAttention(
      headCount: config.headCount, headWidth: e / config.headCount,
      isFixedPoint: queriesKeysValues.weight.isFixedPoint)
    output = try Projection("attn.proj", inputs: e, outputs: e, from: weights)
    norm2 = try LayerNorm("norm2", width: e, epsilon: 1e-6, from: weights)
    up = try Projection("mlp.fc1", inputs: e, outputs: f, from: weights)
    down = try Projection("mlp.fc2", inputs: f, outputs: e, from: weights)
  }

  /// Computes the block in place for every row of `x` [T, E].
  func forward(_ x: inout Activations, scratch: inout Scratch, on context: KernelContext) {
    let e = config.width
    norm1.forward(x, into: &scratch.normalized, on: context)
    queriesKeysValues.forward(scratch.normalized, into: &scratch.wide, on: context)
    scratch.attended.reshape(rows: x.rows)
    attention.forward(
      queries: scratch.wide, keys: scratch.wide, values: scratch.wide,
      columns: .init(query: 0, key: e, value: 2 * e), into: &scratch.attended, on: context)
    output.forwardWithoutBias(scratch.attended, into: &scratch.branch, on: context)
    x.add(scratch.branch, bias: output.bias, on: context)

    norm2.forward(x, into: &scratch.normalized, on: context)
    up.forwardWithoutBias(scratch.normalized, into: &scratch.wide, on: context)
    scratch.wide.gelu(bias: up.bias, on: context)
    down.forwardWithoutBias(scratch.wide, into: &scratch.branch, on: context)
    x.add(scratch.branch, bias: down.bias, on: context)
  }
}
