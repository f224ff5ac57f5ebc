import MioFormat
import MioKernels

/// Codes to the embedding that an image is drawn from: CLIP's vector of the image that the codes stand for.
///
/// `Blip2QformerQuantizer.get_codebook_entry` of MIO-Team/MIO.
struct ImageEmbedder: Sendable {
  let config: ImageTokenizerConfig
  let blockConfig: VisionBlock.Config
  let inner: Projection  // [D, D]
  let outer: Projection  // [E, D]
  let positions: WeightVector  // [Q, E]
  let blocks: [VisionBlock]
  /// Three products without bias, a ReLU behind the first two.
  let narrowing: [PackedMatrix]
  let output: Projection  // [embedding, Q narrow]

  init(_ config: ImageTokenizerConfig, from weights: WeightScope) throws(ModelFileError) {
    let (e, d) = (config.queryWidth, config.codeWidth)
    let blockConfig = VisionBlock.Config(
      width: e, innerWidth: config.embedderInnerWidth, headCount: config.queryHeadCount)
    inner = try Projection("decode_task_layer.0", inputs: d, outputs: d, from: weights)
    outer = try Projection("decode_task_layer.2", inputs: d, outputs: e, from: weights)
    positions = try weights.vector("pos_embed_image", shape: [config.queryCount, e])
    var blocks: [VisionBlock] = []
    for index in 0..<config.embedderLayerCount {
      blocks.append(try VisionBlock(blockConfig, from: weights["blocks_image"][index]))
    }
    var narrowing: [PackedMatrix] = []
    var width = e
    for (index, next) in config.embedderWidths.enumerated() {
      narrowing.append(try weights.matrix("image_down.\(2 * index).weight", [next, width]))
      width = next
    }
    output = try Projection(
      "distill_image_proj", inputs: config.queryCount * width, outputs: config.embeddingWidth, from: weights)
    self.blocks = blocks
    self.narrowing = narrowing
    self.config = config
    self.blockConfig = blockConfig
  }

  /// The embedding of codes that have been checked.
  func forward(
    _ codes: [Int32], codebook: CodeQuantizer, trace: ImageTrace?, on context: KernelContext
  ) -> [Float] {
    var codewords = Activations(rows: codes.count, columns: config.codeWidth)  // [Q, D]
    var hidden = Activations(rows: codes.count, columns: config.codeWidth)  // [Q, D]
    var x = Activations(rows: codes.count, columns: config.queryWidth)  // [Q, E]
    for (row, code) in codes.enumerated() { codebook.copyCodeword(Int(code), into: &codewords, row: row) }
    inner.forward(codewords, into: &hidden, on: context)
    hidden.tanh()
    outer.forward(hidden, into: &x, on: context)
    x.addAll(positions)
    trace?.recordStep("embedder.start", x)
    var scratch = VisionBlock.Scratch(blockConfig, tokens: codes.count)
    for (index, block) in blocks.enumerated() {
      block.forward(&x, scratch: &scratch, on: context)
      trace?.recordStep("embedder.\(index)", x)
    }
    for (index, matrix) in narrowing.enumerated() {
      var narrow = Activations(rows: codes.count, columns: matrix.rows)
      matrix.apply(x, into: &narrow, on: context)
      if index + 1 < narrowing.count { narrow.relu() }
      x = narrow
    }
    // The queries' rows side by side, the first query first.
    let row = Activations(rows: 1, columns: x.count, values: x.values)
    var embedding = Activations(rows: 1, columns: config.embeddingWidth)
    output.forward(row, into: &embedding, on: context)
    trace?.record("embedding", embedding)
    return embedding.values
  }
}
