import MioConverter

/// The sizes of a random language model; MIO's own by default.
package struct LanguageSizes: Hashable, Sendable {
  package var width = 4096
  package var innerWidth = 11008
  package var layerCount = 32
  package var headCount = 32
  package var kvHeadCount = 4
  /// Rows of the embedding; nil for exactly as many as there are tokens.
  package var rows: Int?
  package var isTied = false
  package var type = StoredType.bf16

  package init() {}

  /// The same proportions at about `scale` times the width and depth, in whole heads and groups of 32.
  package func scaled(by scale: Double) -> LanguageSizes {
    func scaled(_ value: Int, multipleOf unit: Int) -> Int {
      max(unit, Int((Double(value) * scale / Double(unit)).rounded()) * unit)
    }
    var sizes = self
    let headWidth = width / headCount
    sizes.width = scaled(width, multipleOf: headWidth)
    sizes.headCount = sizes.width / headWidth
    sizes.kvHeadCount = (1...max(1, min(kvHeadCount, sizes.headCount))).last { sizes.headCount.isMultiple(of: $0) } ?? 1
    sizes.innerWidth = scaled(innerWidth, multipleOf: 32)
    sizes.layerCount = scaled(layerCount, multipleOf: 1)
    return sizes
  }

  /// The tensors in the order of the network, with deviations that keep activations near one.
  func tensors(rows: Int) -> [TensorSpecification] {
    let (e, f) = (width, innerWidth)
    let kv = width / headCount * kvHeadCount
    func matrix(_ name: String, _ shape: [Int], _ gain: Float = 1) -> TensorSpecification {
      let deviation = gain / Float(shape[1]).squareRoot()
      return TensorSpecification(name, shape, type: type, deviation: deviation, hasOutliers: true)
    }
    func norm(_ name: String) -> TensorSpecification {
      TensorSpecification(name, [e], type: type, mean: 0.8, deviation: 0.1)
    }
    var tensors = [TensorSpecification("model.embed_tokens.weight", [rows, e], type: type, deviation: 0.02)]
    for layer in 0..<layerCount {
      let path = "model.layers.\(layer)."
      tensors += [
        matrix(path + "self_attn.q_proj.weight", [e, e]), matrix(path + "self_attn.k_proj.weight", [kv, e]),
        matrix(path + "self_attn.v_proj.weight", [kv, e]), matrix(path + "self_attn.o_proj.weight", [e, e], 0.3),
        matrix(path + "mlp.gate_proj.weight", [f, e]), matrix(path + "mlp.up_proj.weight", [f, e]),
        matrix(path + "mlp.down_proj.weight", [e, f], 0.3), norm(path + "input_layernorm.weight"),
        norm(path + "post_attention_layernorm.weight"),
      ]
    }
    tensors.append(norm("model.norm.weight"))
    if !isTied { tensors.append(matrix("lm_head.weight", [rows, e], 2)) }
    return tensors
  }

  /// `config.json`.
  func config(rows: Int) -> String {
    let typeName = [StoredType.bf16: "bfloat16", .f16: "float16", .f32: "float32"][type] ?? type.name
    return """
      {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": false,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "hidden_size": \(width),
        "initializer_range": 0.02,
        "intermediate_size": \(innerWidth),
        "max_position_embeddings": 4096,
        "model_type": "llama",
        "num_attention_heads": \(headCount),
        "num_hidden_layers": \(layerCount),
        "num_key_value_heads": \(kvHeadCount),
        "pad_token_id": 0,
        "rms_norm_eps": 1e-05,
        "rope_scaling": null,
        "rope_theta": 5000000.0,
        "tie_word_embeddings": \(isTied),
        "torch_dtype": "\(typeName)",
        "transformers_version": "4.34.0",
        "use_cache": true,
        "vocab_size": \(rows)
      }

      """
  }
}
