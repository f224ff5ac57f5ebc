import MioFormat

/// The image tokenizer: SEED-2 under its own tensor names, the vision transformer under `visual_encoder`.
///
/// The checkpoint keeps much that only training needs, so tensors are selected by name and others are no mistake.
enum ImageTokenizerPlan {
  static let component = "image-tokenizer"

  private static let matrices = EncodingRule(
    component: component, tensors: "matrices of the vision transformer and the Q-Former", q4: .panelF16, q8: .panelF16,
    f16: .panelF16, f32: .panelF32, small: .panelQ8,
    reason: "stored in 16 bits already; rounding them and what they multiply to 8 changes one code in sixty")
  private static let heads = EncodingRule(
    component: component, tensors: "patches, code vectors, codes to embedding", q4: .panelF16, q8: .panelF16,
    f16: .panelF16, f32: .panelF32,
    reason: "a few hundredths of the weights, next to the codes and to the embedding that an image is drawn from")
  private static let codebook = EncodingRule(
    component: component, tensors: "codebook", always: .panelF32,
    reason: "codes are decided by small differences of distances")
  private static let vectors = EncodingRule(
    component: component, tensors: "biases, norms, positions, first queries, squared norms of codewords", always: .f32,
    reason: "a few numbers per channel")

  /// How the tensors of this component are stored.
  static let rules = [matrices, heads, codebook, vectors]

  private static let quantizerFile = "seed-tokenizer-2/seed_quantizer.pt"
  private static let visionFile = "seed-tokenizer-2/eva_vit_g.pth"
  private static let vision = "visual_encoder."

  /// Lists the tensors of the tokenizer; nil if the checkpoint has none.
  static func plan(for checkpoint: CheckpointDirectory) throws(ConversionError) -> ComponentPlan? {
    guard checkpoint.has(quantizerFile) || checkpoint.has(visionFile) else { return nil }
    let source = try tensors(of: checkpoint)
    let sizes = try ImageTokenizerSizes(source)
    var tensors = Tensors()
    tensors.add(sizes)
    return ComponentPlan(
      component, config: sizes.config, tensors: tensors.planned, source: source, files: []
    ) { _ in true }
  }

  /// The tensors of both files. `eva_vit_g.pth` has its own without a prefix, and some names are in both.
  private static func tensors(of checkpoint: CheckpointDirectory) throws(ConversionError) -> TensorSet {
    let quantizer = try checkpoint.torchTensors(quantizerFile)
    if quantizer.names.contains(where: { $0.hasPrefix(vision) }) { return quantizer }
    guard checkpoint.has(visionFile) else {
      throw ConversionError(
        .missingFile, file: visionFile,
        "missing, and \(quantizerFile) has no \(vision)* either: the vision transformer must be in one of them")
    }
    let transformer = try checkpoint.torchTensors(visionFile)
    let own = quantizer.names.compactMap { quantizer[$0] }
    let renamed = transformer.names.compactMap { transformer[$0]?.named(vision + $0) }
    return try TensorSet(own + renamed, files: quantizer.files + transformer.files)
  }

  /// Collects the planned tensors in the order of the network.
  private struct Tensors {
    var planned: [PlannedTensor] = []

    mutating func add(_ sizes: ImageTokenizerSizes) {
      addVision(sizes)
      addQueryFormer(sizes)
      addQuantizer(sizes)
      addEmbedder(sizes)
    }

    private mutating func addVision(_ sizes: ImageTokenizerSizes) {
      let (e, p, t) = (sizes.visionWidth, sizes.patchSize, sizes.tokenCount)
      let patches = vision + "patch_embed.proj"
      planned.append(
        PlannedTensor(patches + ".weight", [e, 3 * p * p], heads, from: .init(patches + ".weight", [e, 3, p, p])))
      planned.append(
        PlannedTensor(
          vision + "token_start", [t, e], vectors,
          from: [
            .init(vision + "cls_token", [1, 1, e]), .init(vision + "pos_embed", [1, t, e]),
            .init(patches + ".bias", [e]),
          ]
        ) { ImageTokenizerFolding.tokenStart(classToken: $0[0], positions: $0[1], patchBias: $0[2]) })
      for index in 0..<sizes.visionLayerCount {
        let block = vision + "blocks.\(index)."
        planned.append(PlannedTensor(block + "attn.qkv.weight", [3 * e, e], matrices))
        planned.append(
          PlannedTensor(
            block + "attn.qkv.bias", [3 * e], vectors,
            from: [.init(block + "attn.q_bias", [e]), .init(block + "attn.v_bias", [e])]
          ) { ImageTokenizerFolding.attentionBias(queries: $0[0], values: $0[1]) })
        addBlock(block, width: e, innerWidth: sizes.visionInnerWidth, matrices)
      }
      addNorm("ln_vision", e)
    }

    private mutating func addQueryFormer(_ sizes: ImageTokenizerSizes) {
      let (e, f, q) = (sizes.queryWidth, sizes.queryInnerWidth, sizes.queryCount)
      let embeddings = "Qformer.bert.embeddings."
      planned.append(
        PlannedTensor(
          embeddings + "query_start", [q, e], vectors,
          from: [
            .init("query_tokens", [1, q, e]), .init(embeddings + "LayerNorm.weight", [e]),
            .init(embeddings + "LayerNorm.bias", [e]),
          ]
        ) { ImageTokenizerFolding.layerNorm($0[0], weight: $0[1], bias: $0[2], epsilon: 1e-12) })
      for index in 0..<sizes.queryLayerCount {
        let layer = "Qformer.bert.encoder.layer.\(index)."
        addAttention(layer + "attention.", width: e, sourceWidth: e)
        if index % 2 == 0 { addAttention(layer + "crossattention.", width: e, sourceWidth: sizes.visionWidth) }
        addProjection(layer + "intermediate_query.dense", inputs: e, outputs: f, matrices)
        addProjection(layer + "output_query.dense", inputs: f, outputs: e, matrices)
        addNorm(layer + "output_query.LayerNorm", e)
      }
    }

    private mutating func addQuantizer(_ sizes: ImageTokenizerSizes) {
      let (e, d) = (sizes.queryWidth, sizes.codeWidth)
      addProjection("encode_task_layer.0", inputs: e, outputs: e, heads)
      addProjection("encode_task_layer.2", inputs: e, outputs: d, heads)
      let name = "quantize.embedding.weight"
      let shape = [sizes.codebookSize, d]
      planned.append(PlannedTensor(name, shape, codebook))
      planned.append(
        PlannedTensor("quantize.squared_norms", [shape[0]], vectors, from: [.init(name, shape)]) {
          SpeechFolding.squaredNorms($0[0], width: d)
        })
    }

    private mutating func addEmbedder(_ sizes: ImageTokenizerSizes) {
      let (e, d, q) = (sizes.queryWidth, sizes.codeWidth, sizes.queryCount)
      addProjection("decode_task_layer.0", inputs: d, outputs: d, heads)
      addProjection("decode_task_layer.2", inputs: d, outputs: e, heads)
      planned.append(PlannedTensor("pos_embed_image", [q, e], vectors, from: .init("pos_embed_image", [1, q, e])))
      for index in 0..<sizes.embedderLayerCount {
        let block = "blocks_image.\(index)."
        addProjection(block + "attn.qkv", inputs: e, outputs: 3 * e, heads)
        addBlock(block, width: e, innerWidth: sizes.embedderInnerWidth, heads)
      }
      var width = e
      for (index, next) in sizes.embedderWidths.enumerated() {
        planned.append(PlannedTensor("image_down.\(2 * index).weight", [next, width], heads))
        width = next
      }
      addProjection("distill_image_proj", inputs: q * width, outputs: sizes.embeddingWidth, heads)
    }

    /// What both kinds of transformer blocks have in common.
    private mutating func addBlock(_ path: String, width: Int, innerWidth: Int, _ rule: EncodingRule) {
      addNorm(path + "norm1", width)
      addProjection(path + "attn.proj", inputs: width, outputs: width, rule)
      addNorm(path + "norm2", width)
      addProjection(path + "mlp.fc1", inputs: width, outputs: innerWidth, rule)
      addProjection(path + "mlp.fc2", inputs: innerWidth, outputs: width, rule)
    }

    private mutating func addAttention(_ path: String, width: Int, sourceWidth: Int) {
      addProjection(path + "self.query", inputs: width, outputs: width, matrices)
      addProjection(path + "self.key", inputs: sourceWidth, outputs: width, matrices)
      addProjection(path + "self.value", inputs: sourceWidth, outputs: width, matrices)
      addProjection(path + "output.dense", inputs: width, outputs: width, matrices)
      addNorm(path + "output.LayerNorm", width)
    }

    private mutating func addProjection(_ name: String, inputs: Int, outputs: Int, _ rule: EncodingRule) {
      planned.append(PlannedTensor(name + ".weight", [outputs, inputs], rule))
      planned.append(PlannedTensor(name + ".bias", [outputs], vectors))
    }

    private mutating func addNorm(_ name: String, _ width: Int) {
      planned.append(PlannedTensor(name + ".weight", [width], vectors))
      planned.append(PlannedTensor(name + ".bias", [width], vectors))
    }
  }
}
