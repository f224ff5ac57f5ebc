import MioFormat

/// The language component: a Llama-style decoder under the tensor names of huggingface/transformers.
enum LanguagePlan {
  static let component = "language"

  private static let embedding = EncodingRule(
    component: component, tensors: "model.embed_tokens", q4: .panelQ8, q8: .panelQ8, f16: .panelF16, f32: .panelF32,
    reason: "one row is read for each token, so the bits cost no speed, and every later layer builds on them")
  private static let projections = EncodingRule(
    component: component, tensors: "q, k, v, o, gate, up and down projections", q4: .panelQ4, q8: .panelQ8,
    f16: .panelF16, f32: .panelF32,
    reason: "nine tenths of all weights, read for every token: they take what was asked for")
  private static let head = EncodingRule(
    component: component, tensors: "lm_head", q4: .panelQ8, q8: .panelQ8, f16: .panelF16, f32: .panelF32,
    reason: "its errors reach the choice of tokens undamped, and the grammar reads only the rows it needs")
  private static let norms = EncodingRule(
    component: component, tensors: "input, post-attention and final norms", always: .f32,
    reason: "a few numbers that scale whole activations")

  /// How the tensors of this component are stored.
  static let rules = [embedding, projections, head, norms]

  /// Reads `config.json` and lists the tensors it asks for; nil if the checkpoint has no language model.
  static func plan(for checkpoint: CheckpointDirectory) throws(ConversionError) -> ComponentPlan? {
    guard checkpoint.has(configFile) || checkpoint.hasLanguageWeights else { return nil }
    var reader = try checkpoint.settings(configFile)
    let rotation = Rotation(&reader)
    var sizes = Sizes(&reader, rotation)
    checkArithmetic(&reader)
    reader.finish(.language)
    var problems = reader.problems
    var weights: (tensors: TensorSet, index: String?) = (TensorSet(), nil)
    do { weights = try checkpoint.languageTensors() } catch { problems += error.problems }
    guard problems.isEmpty else { throw ConversionError(problems) }
    try checkLayerCount(sizes.layerCount, weights.tensors)
    let head = try Head(sizes, weights.tensors)
    sizes.isTied = head.isTied
    return ComponentPlan(
      component, config: sizes.config, tensors: tensors(sizes, head), source: weights.tensors,
      files: [configFile] + (weights.index.map { [$0] } ?? []), notes: rotation.notes + head.notes
    ) { name in
      // Old writers left the rotation tables in; a head that is a copy of the embedding is stored once.
      name.hasSuffix(".rotary_emb.inv_freq") || (head.isTied && name == Head.name)
    }
  }

  /// Where the output head's weights are.
  private struct Head {
    static let name = "lm_head.weight"
    static let embeddingName = "model.embed_tokens.weight"

    /// Whether the head is the embedding.
    private(set) var isTied: Bool
    /// The tensor that holds the embedding: the head's where a writer of tied weights kept only that.
    private(set) var embedding = Head.embeddingName
    private(set) var notes: [String] = []

    /// `tie_word_embeddings` says that head and embedding are one. Where the weights have both and they differ, both
    /// are used, as transformers 5 does; 4.34 would keep whichever it loads last, for both.
    init(_ sizes: Sizes, _ source: TensorSet) throws(ConversionError) {
      isTied = sizes.isTied
      guard isTied, let head = source[Self.name] else { return }
      guard let embedding = source[Self.embeddingName] else {
        self.embedding = Self.name
        return
      }
      guard head.type.isConvertible, embedding.type.isConvertible, head.shape == embedding.shape else {
        isTied = false  // what is wrong with the tensors is reported with all others
        return
      }
      if try head.hasSameElements(as: embedding) { return }
      isTied = false
      notes.append(
        "config.json: tie_word_embeddings is true, but lm_head.weight differs from model.embed_tokens.weight; "
          + "both are kept and the head is used as it is stored")
    }
  }

  /// Refuses a number of layers that is far from what the weights have before a list of their tensors is made.
  private static func checkLayerCount(_ count: Int, _ source: TensorSet) throws(ConversionError) {
    let prefix = "model.layers."
    let stored =
      source.names.lazy.filter { $0.hasPrefix(prefix) }
      .compactMap { Int($0.dropFirst(prefix.count).prefix { $0 != "." }) }.max().map { $0 + 1 } ?? 0
    if stored > 0, count > stored + 4096 || count > 2 * stored + 64 {
      throw ConversionError(
        .unsupported, file: configFile, "num_hidden_layers: \(count), but the weights have \(stored) layers")
    }
    if count > 4096 {
      throw ConversionError(.unsupported, file: configFile, "num_hidden_layers: \(count); at most 4096 are supported")
    }
  }

  private static let configFile = "config.json"

  // MARK: - Configuration

  /// The numbers of `config.json` under the names of the file format.
  private struct Sizes {
    let width: Int  // E
    let innerWidth: Int  // F
    let layerCount: Int
    let headCount: Int  // H
    let kvHeadCount: Int  // K
    let headWidth: Int  // D
    let vocabularySize: Int  // V
    let contextLength: Int
    let normEpsilon: Double
    let ropeTheta: Double
    var isTied: Bool

    /// Absent keys have the defaults of transformers 4.34.
    init(_ reader: inout SettingsReader, _ rotation: Rotation) {
      width = reader.count("hidden_size")
      innerWidth = reader.count("intermediate_size")
      layerCount = reader.count("num_hidden_layers")
      headCount = reader.count("num_attention_heads")
      kvHeadCount = reader.count("num_key_value_heads", default: headCount)
      vocabularySize = reader.count("vocab_size")
      contextLength = reader.count("max_position_embeddings", default: 2048)
      normEpsilon = reader.number("rms_norm_eps", default: 1e-6)
      ropeTheta = rotation.theta
      isTied = reader.flag("tie_word_embeddings", default: false)
      let isGiven = reader["head_dim"] != nil
      headWidth = reader.count("head_dim", default: width / max(1, headCount))
      guard reader.problems.isEmpty else { return }
      if isGiven, headWidth % 2 != 0 {
        reader.refuse("head_dim", "\(headWidth) is odd; positions turn the numbers of a head in pairs")
      }
      if !isGiven, width % (2 * headCount) != 0 {
        reader.refuse("num_attention_heads", "\(headCount) heads do not divide a width of \(width) into even parts")
      }
      if headCount % kvHeadCount != 0 {
        reader.refuse(
          "num_key_value_heads", "\(headCount) query heads cannot share \(kvHeadCount) key/value heads evenly")
      }
    }

    var config: ConfigTable {
      // Only where readers of before would be wrong, so that other files are what they were.
      let head = headWidth * headCount == width ? [] : [("head_width", ConfigValue.int(headWidth))]
      return ConfigTable(
        [
          ("width", .int(width)), ("inner_width", .int(innerWidth)), ("layer_count", .int(layerCount)),
          ("head_count", .int(headCount)), ("kv_head_count", .int(kvHeadCount)), ("norm_epsilon", .float(normEpsilon)),
          ("rope_theta", .float(ropeTheta)), ("vocabulary_size", .int(vocabularySize)),
          ("context_length", .int(contextLength)), ("tied_embeddings", .bool(isTied)),
        ] + head)
    }
  }

  /// Refuses settings that would change the arithmetic.
  private static func checkArithmetic(_ reader: inout SettingsReader) {
    reader.expect("model_type", "llama")
    if reader["hidden_act"]?.string != "swish" { reader.expect("hidden_act", "silu") }  // two names of one function
    reader.expectAbsent("quantization_config", "the weights are quantized already; convert the original checkpoint")
    reader.expectFalse("attention_bias", "projections with biases are not supported")
    reader.expectFalse("mlp_bias", "projections with biases are not supported")
    if let types = reader["layer_types"], types.array?.allSatisfy({ $0.string == "full_attention" }) != true {
      reader.refuse("layer_types", "only \"full_attention\" is supported, in every layer")
    }
  }

  // MARK: - Tensors

  private static func tensors(_ sizes: Sizes, _ head: Head) -> [PlannedTensor] {
    let (e, f, v) = (sizes.width, sizes.innerWidth, sizes.vocabularySize)
    let (q, kv) = (sizes.headCount * sizes.headWidth, sizes.kvHeadCount * sizes.headWidth)
    var tensors = [
      PlannedTensor(Head.embeddingName, [v, e], embedding, from: .init(head.embedding, [v, e]))
    ]
    for layer in 0..<sizes.layerCount {
      let path = "model.layers.\(layer)."
      tensors += [
        PlannedTensor(path + "input_layernorm.weight", [e], norms),
        PlannedTensor(path + "self_attn.q_proj.weight", [q, e], projections),
        PlannedTensor(path + "self_attn.k_proj.weight", [kv, e], projections),
        PlannedTensor(path + "self_attn.v_proj.weight", [kv, e], projections),
        PlannedTensor(path + "self_attn.o_proj.weight", [e, q], projections),
        PlannedTensor(path + "post_attention_layernorm.weight", [e], norms),
        PlannedTensor(path + "mlp.gate_proj.weight", [f, e], projections),
        PlannedTensor(path + "mlp.up_proj.weight", [f, e], projections),
        PlannedTensor(path + "mlp.down_proj.weight", [e, f], projections),
      ]
    }
    tensors.append(PlannedTensor("model.norm.weight", [e], norms))
    if !head.isTied { tensors.append(PlannedTensor(Head.name, [v, e], LanguagePlan.head)) }
    return tensors
  }
}
