import MioFormat
import MioKernels

/// The causal Q-Former: a row of learned queries reads an image through cross attention.
///
/// Li et al. 2023, arXiv:2301.12597; Ge et al. 2023, arXiv:2310.01218; `seed_qformer/qformer_causual.py` of MIO-Team/MIO.
/// BERT's post-norm layers; every second one, from the first, has a cross attention.
struct QueryFormer: Sendable {
  struct Scratch: ~Copyable {
    var queries: Activations  // [Q, E]
    var keys: Activations  // [max(Q, T), E]
    var values: Activations  // [max(Q, T), E]
    var attended: Activations  // [Q, E]
    var inner: Activations  // [Q, F]
    var branch: Activations  // [Q, E]

    init(_ config: ImageTokenizerConfig) {
      let (q, e) = (config.queryCount, config.queryWidth)
      queries = Activations(rows: q, columns: e)
      keys = Activations(rows: max(q, config.tokenCount), columns: e)
      values = Activations(rows: max(q, config.tokenCount), columns: e)
      attended = Activations(rows: q, columns: e)
      inner = Activations(rows: q, columns: config.queryInnerWidth)
      branch = Activations(rows: q, columns: e)
    }
  }

  let config: ImageTokenizerConfig
  /// The queries behind their norm, the same for every image: [Q, E].
  let start: WeightVector
  let layers: [QueryFormerLayer]

  init(_ config: ImageTokenizerConfig, from root: WeightScope) throws(ModelFileError) {
    let weights = root["Qformer"]["bert"]
    start = try weights["embeddings"].vector("query_start", shape: [config.queryCount, config.queryWidth])
    var layers: [QueryFormerLayer] = []
    for index in 0..<config.queryLayerCount {
      layers.append(
        try QueryFormerLayer(config, readsImage: index % 2 == 0, from: weights["encoder"]["layer"][index]))
    }
    self.layers = layers
    self.config = config
  }

  /// Reads an image.
  ///
  /// - Parameters:
  ///   - vision: [T, Ev], behind `ln_vision`.
  ///   - x: [Q, E], overwritten.
  func forward(
    _ vision: borrowing Activations, into x: inout Activations, scratch: inout Scratch, trace: ImageTrace?,
    on context: KernelContext
  ) {
    x.reshape(rows: config.queryCount, columns: config.queryWidth)
    x.overwrite(with: start)
    for (index, layer) in layers.enumerated() {
      layer.forward(&x, vision: vision, scratch: &scratch, on: context)
      trace?.recordStep("queries.\(index)", x)
    }
    trace?.record("queries", x)
  }
}

/// One layer: self-attention of the queries, cross attention to the image in every second layer, feed-forward.
struct QueryFormerLayer: Sendable {
  let attention: QueryAttention
  let crossAttention: QueryAttention?
  let up: Projection  // [F, E]
  let down: Projection  // [E, F]
  let norm: LayerNorm

  init(_ config: ImageTokenizerConfig, readsImage: Bool, from weights: WeightScope) throws(ModelFileError) {
    let (e, f) = (config.queryWidth, config.queryInnerWidth)
    attention = try QueryAttention(
      width: e, headCount: config.queryHeadCount, sourceWidth: e, isCausal: config.isCausal, from: weights["attention"])
    crossAttention =
      readsImage
      ? try QueryAttention(
        width: e, headCount: config.queryHeadCount, sourceWidth: config.visionWidth, isCausal: false,
        from: weights["crossattention"]) : nil
    up = try Projection("intermediate_query.dense", inputs: e, outputs: f, from: weights)
    down = try Projection("output_query.dense", inputs: f, outputs: e, from: weights)
    norm = try LayerNorm("output_query.LayerNorm", width: e, epsilon: QueryAttention.normEpsilon, from: weights)
  }

  /// Computes the layer in place for the queries `x` [Q, E].
  func forward(
    _ x: inout Activations, vision: borrowing Activations, scratch: inout QueryFormer.Scratch, on context: KernelContext
  ) {
    attention.project(source: x, scratch: &scratch, on: context)
    attention.forward(&x, scratch: &scratch, on: context)
    if let crossAttention {
      crossAttention.project(source: vision, scratch: &scratch, on: context)
      crossAttention.forward(&x, scratch: &scratch, on: context)
    }
    up.forwardWithoutBias(x, into: &scratch.inner, on: context)
    scratch.inner.gelu(bias: up.bias, on: context)
    down.forwardWithoutBias(scratch.inner, into: &scratch.branch, on: context)
    scratch.branch.add(x, bias: down.bias, on: context)
    norm.forward(scratch.branch, into: &x, on: context)
  }
}

/// Attention of BERT: `x = norm(dense(attention(x, source)) + x)`.
struct QueryAttention: Sendable {
  static let normEpsilon: Float = 1e-12

  let attention: DenseAttention
  let query: Projection  // [E, E]
  let key: Projection  // [E, source]
  let value: Projection  // [E, source]
  let output: Projection  // [E, E]
  let norm: LayerNorm

  init(
    width: Int, headCount: Int, sourceWidth: Int, isCausal: Bool, from weights: WeightScope
  ) throws(ModelFileError) {
    query = try Projection("self.query", inputs: width, outputs: width, from: weights)
    attention = DenseAttention(
      headCount: headCount, headWidth: width / headCount, isCausal: isCausal, isFixedPoint: query.weight.isFixedPoint)
    key = try Projection("self.key", inputs: sourceWidth, outputs: width, from: weights)
    value = try Projection("self.value", inputs: sourceWidth, outputs: width, from: weights)
    output = try Projection("output.dense", inputs: width, outputs: width, from: weights)
    norm = try LayerNorm("output.LayerNorm", width: width, epsilon: Self.normEpsilon, from: weights)
  }

  /// Keys and values of `source` [P, source width], for `forward`.
  func project(source: borrowing Activations, scratch: inout QueryFormer.Scratch, on context: KernelContext) {
    key.forward(source, into: &scratch.keys, on: context)
    value.forward(source, into: &scratch.values, on: context)
  }

  /// Computes the block in place for `x` [Q, E].
  func forward(_ x: inout Activations, scratch: inout QueryFormer.Scratch, on context: KernelContext) {
    query.forward(x, into: &scratch.queries, on: context)
    scratch.attended.reshape(rows: x.rows)
    attention.forward(
      queries: scratch.queries, keys: scratch.keys, values: scratch.values, into: &scratch.attended, on: context)
    output.forwardWithoutBias(scratch.attended, into: &scratch.branch, on: context)
    scratch.branch.add(x, bias: output.bias, on: context)
    norm.forward(scratch.branch, into: &x, on: context)
  }
}
