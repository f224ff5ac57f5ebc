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
    var reader = SettingsReader(try checkpoint.object(configFile), file: configFile)
    let sizes = Sizes(&reader)
    checkArithmetic(&reader)
    var problems = reader.problems
    var weights: (tensors: TensorSet, index: String?) = (TensorSet(), nil)
    do { weights = try checkpoint.languageTensors() } catch { problems += error.problems }
    guard problems.isEmpty else { throw ConversionError(problems) }
    let isTied = sizes.isTied
    return ComponentPlan(
      component, config: sizes.config, tensors: tensors(sizes), source: weights.tensors,
      files: [configFile] + (weights.index.map { [$0] } ?? []), notes: notes(reader)
    ) { name in
      // Old writers left the rotation tables in; with tied embeddings the head is a copy that nothing reads.
      name.hasSuffix(".rotary_emb.inv_freq") || (isTied && name == "lm_head.weight")
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
    let vocabularySize: Int  // V
    let contextLength: Int
    let normEpsilon: Double
    let ropeTheta: Double
    let isTied: Bool

    /// Absent keys have the defaults of transformers 4.34.
    init(_ reader: inout SettingsReader) {
      width = reader.count("hidden_size")
      innerWidth = reader.count("intermediate_size")
      layerCount = reader.count("num_hidden_layers")
      headCount = reader.count("num_attention_heads")
      kvHeadCount = reader.count("num_key_value_heads", default: headCount)
      vocabularySize = reader.count("vocab_size")
      contextLength = reader.count("max_position_embeddings", default: 2048)
      normEpsilon = reader.number("rms_norm_eps", default: 1e-6)
      // Writers since transformers 5 keep the rotation's settings in an object of their own.
      let newerTheta = reader.object["rope_parameters"]?.object?["rope_theta"]?.double
      ropeTheta = reader.number("rope_theta", default: newerTheta ?? 10000)
      isTied = reader.flag("tie_word_embeddings", default: false)
      guard reader.problems.isEmpty else { return }
      if width % (2 * headCount) != 0 {
        reader.refuse("num_attention_heads", "\(headCount) heads do not divide a width of \(width) into even parts")
      }
      if headCount % kvHeadCount != 0 {
        reader.refuse(
          "num_key_value_heads", "\(headCount) query heads cannot share \(kvHeadCount) key/value heads evenly")
      }
      if let headWidth = reader.object["head_dim"], !headWidth.isNull, headWidth.integer != width / headCount {
        reader.refuse("head_dim", "only hidden_size / num_attention_heads is supported")
      }
    }

    var headWidth: Int { width / headCount }

    var config: ConfigTable {
      ConfigTable([
        ("width", .int(width)), ("inner_width", .int(innerWidth)), ("layer_count", .int(layerCount)),
        ("head_count", .int(headCount)), ("kv_head_count", .int(kvHeadCount)), ("norm_epsilon", .float(normEpsilon)),
        ("rope_theta", .float(ropeTheta)), ("vocabulary_size", .int(vocabularySize)),
        ("context_length", .int(contextLength)), ("tied_embeddings", .bool(isTied)),
      ])
    }
  }

  /// Refuses settings that would change the arithmetic.
  private static func checkArithmetic(_ reader: inout SettingsReader) {
    reader.expect("model_type", "llama")
    reader.expect("hidden_act", "silu")
    reader.expectAbsent("rope_scaling", "scaled rotary embeddings are not supported")
    reader.expectAbsent("quantization_config", "the weights are quantized already; convert the original checkpoint")
    reader.expectFalse("attention_bias", "projections with biases are not supported")
    reader.expectFalse("mlp_bias", "projections with biases are not supported")
    if let type = reader.object["rope_parameters"]?.object?["rope_type"]?.string, type != "default" {
      reader.refuse("rope_parameters", "rope_type \(type) is not supported")
    }
  }

  /// Keys that are understood, or that cannot change what the network computes.
  private static let knownKeys: Set<String> = [
    "architectures", "attention_bias", "attention_dropout", "bos_token_id", "dtype", "eos_token_id", "head_dim",
    "hidden_act", "hidden_size", "initializer_range", "intermediate_size", "max_position_embeddings", "mlp_bias",
    "model_type", "num_attention_heads", "num_hidden_layers", "num_key_value_heads", "pad_token_id", "pretraining_tp",
    "quantization_config", "rms_norm_eps", "rope_parameters", "rope_scaling", "rope_theta", "tie_word_embeddings",
    "torch_dtype", "transformers_version", "use_cache", "vocab_size", "_name_or_path", "auto_map",
  ]

  private static func notes(_ reader: SettingsReader) -> [String] {
    let unknown = reader.object.keys.filter { !knownKeys.contains($0) }
    return unknown.isEmpty ? [] : ["\(configFile): settings that were not used: \(unknown.joined(separator: ", "))"]
  }

  // MARK: - Tensors

  private static func tensors(_ sizes: Sizes) -> [PlannedTensor] {
    let (e, f, v) = (sizes.width, sizes.innerWidth, sizes.vocabularySize)
    let kv = sizes.kvHeadCount * sizes.headWidth
    var tensors = [PlannedTensor("model.embed_tokens.weight", [v, e], embedding)]
    for layer in 0..<sizes.layerCount {
      let path = "model.layers.\(layer)."
      tensors += [
        PlannedTensor(path + "input_layernorm.weight", [e], norms),
        PlannedTensor(path + "self_attn.q_proj.weight", [e, e], projections),
        PlannedTensor(path + "self_attn.k_proj.weight", [kv, e], projections),
        PlannedTensor(path + "self_attn.v_proj.weight", [kv, e], projections),
        PlannedTensor(path + "self_attn.o_proj.weight", [e, e], projections),
        PlannedTensor(path + "post_attention_layernorm.weight", [e], norms),
        PlannedTensor(path + "mlp.gate_proj.weight", [f, e], projections),
        PlannedTensor(path + "mlp.up_proj.weight", [f, e], projections),
        PlannedTensor(path + "mlp.down_proj.weight", [e, f], projections),
      ]
    }
    tensors.append(PlannedTensor("model.norm.weight", [e], norms))
    if !sizes.isTied { tensors.append(PlannedTensor("lm_head.weight", [v, e], head)) }
    return tensors
  }
}
