import MioFormat
import MioKernels

/// Grouped-query causal self-attention of one decoder layer: `y = o(attention(rope(q(x)), rope(k(x)), v(x)))`.
///
/// Ainslie et al. 2023, arXiv:2305.13245; tensor names as in `LlamaAttention` of huggingface/transformers.
struct SelfAttention: Sendable {
  struct Config: Hashable, Sendable {
    let width: Int  // E
    let attention: Attention  // H, K, D
  }

  struct Scratch: ~Copyable {
    var queries: Activations  // [T, H * D]
    var keys: Activations  // [T, K * D]
    var values: Activations  // [T, K * D]
    var heads: Activations  // [T, H * D]
    var kept: Activations  // [T, E]
    var attention: Attention.Scratch

    /// The first layer that computed queries, keys or values that are no numbers or that the cache cannot hold; attention
    /// would hide them, since a row that is no number weighs nothing.
    var overflowingLayer: Int?

    init(_ config: Config, format: KeyValueFormat, maxRows: Int) {
      let (queryWidth, keyWidth) = (
        config.attention.headCount * config.attention.headWidth,
        config.attention.kvHeadCount * config.attention.headWidth
      )
      queries = Activations(rows: maxRows, columns: queryWidth)
      keys = Activations(rows: maxRows, columns: keyWidth)
      values = Activations(rows: maxRows, columns: keyWidth)
      heads = Activations(rows: maxRows, columns: queryWidth)
      kept = Activations(rows: maxRows, columns: config.width)
      attention = Attention.Scratch(config.attention, format: format, maxRows: maxRows)
    }
  }

  let config: Config
  let query: PackedMatrix  // [H * D, E]
  let key: PackedMatrix  // [K * D, E]
  let value: PackedMatrix  // [K * D, E]
  let output: PackedMatrix  // [E, H * D]

  init(_ config: Config, from weights: WeightScope) throws(ModelFileError) {
    let (e, shape) = (config.width, config.attention)
    self.config = config
    query = try weights.matrix("q_proj.weight", [shape.headCount * shape.headWidth, e])
    key = try weights.matrix("k_proj.weight", [shape.kvHeadCount * shape.headWidth, e])
    value = try weights.matrix("v_proj.weight", [shape.kvHeadCount * shape.headWidth, e])
    output = try weights.matrix("o_proj.weight", [e, shape.headCount * shape.headWidth])
  }

  /// Appends the rows of `x` [T, E] to their sequences in the cache and overwrites `y` with the results of all rows, or
  /// of those that the pass keeps.
  func forward(
    _ x: borrowing Activations, layer: Int, pass: borrowing LanguagePass, keepsAll: Bool, into y: inout Activations,
    scratch: inout Scratch, on context: KernelContext
  ) {
    let rows = keepsAll ? x.rows : pass.kept.count
    scratch.keys.reshape(rows: x.rows)
    scratch.values.reshape(rows: x.rows)
    scratch.queries.reshape(rows: rows)
    scratch.heads.reshape(rows: rows)
    if keepsAll {
      PackedMatrix.apply(
        x, query, into: &scratch.queries, key, into: &scratch.keys, value, into: &scratch.values, on: context)
      attend(rows: pass.rows, layer: layer, pass: pass, scratch: &scratch, on: context)
    } else {
      PackedMatrix.apply(x, key, into: &scratch.keys, value, into: &scratch.values, on: context)
      scratch.kept.reshape(rows: rows)
      for (row, index) in pass.kept.enumerated() { scratch.kept.copyRows(index..<index + 1, from: x, to: row) }
      query.apply(scratch.kept, into: &scratch.queries, on: context)
      attend(rows: pass.keptRows, layer: layer, pass: pass, scratch: &scratch, on: context)
    }
    output.apply(scratch.heads, into: &y, on: context)
    let largest: Float = pass.cache.shape.format == .f16 ? 65504 : .greatestFiniteMagnitude
    if scratch.overflowingLayer == nil,
      !(scratch.queries.isFinite && scratch.keys.isWithin(largest) && scratch.values.isWithin(largest))
    {
      scratch.overflowingLayer = layer
    }
  }

  private func attend(
    rows: borrowing AttentionRows, layer: Int, pass: borrowing LanguagePass, scratch: inout Scratch,
    on context: KernelContext
  ) {
    config.attention.forward(
      queries: scratch.queries, keys: scratch.keys, values: scratch.values, rows: rows, storing: pass.rows,
      layer: layer, cache: pass.cache, rotary: pass.rotary, into: &scratch.heads, scratch: &scratch.attention,
      on: context)
  }
}
