// The small files of a diffusers directory.
extension DiffusionModelSizes {
  /// The only tokens that the empty prompt needs: padding, beginning and end.
  static let vocabulary = ["!", "<|startoftext|>", "<|endoftext|>"]

  /// Paths below the model's folder, and their texts.
  func files() -> [(path: String, text: String)] {
    let entries = Self.vocabulary.enumerated().map { "\"\($1)\": \($0)" }.joined(separator: ", ")
    return [
      ("unet/config.json", networkConfig), ("vae/config.json", decoderConfig), ("text_encoder/config.json", textConfig),
      ("scheduler/scheduler_config.json", Self.schedulerConfig), ("tokenizer/vocab.json", "{\(entries)}\n"),
      ("tokenizer/special_tokens_map.json", Self.specialTokens),
    ]
  }

  private func list(_ values: [Int]) -> String { "[" + values.map(String.init).joined(separator: ", ") + "]" }

  private func types(_ attends: String, _ plain: String, plainIsFirst: Bool) -> String {
    let attending = Array(repeating: "\"\(attends)\"", count: channels.count - 1)
    return "[" + (plainIsFirst ? ["\"\(plain)\""] + attending : attending + ["\"\(plain)\""]).joined(separator: ", ") + "]"
  }

  private var networkConfig: String {
    """
    {
      "_class_name": "UNet2DConditionModel",
      "act_fn": "silu",
      "attention_head_dim": \(list(headCounts)),
      "block_out_channels": \(list(channels)),
      "class_embed_type": "projection",
      "cross_attention_dim": \(textWidth),
      "down_block_types": \(types("CrossAttnDownBlock2D", "DownBlock2D", plainIsFirst: false)),
      "in_channels": 4,
      "layers_per_block": \(layerCount),
      "norm_eps": 1e-05,
      "norm_num_groups": 32,
      "out_channels": 4,
      "projection_class_embeddings_input_dim": \(2 * embeddingWidth),
      "sample_size": \(latentSize),
      "up_block_types": \(types("CrossAttnUpBlock2D", "UpBlock2D", plainIsFirst: true)),
      "use_linear_projection": true
    }

    """
  }

  private var decoderConfig: String {
    """
    {
      "_class_name": "AutoencoderKL",
      "act_fn": "silu",
      "block_out_channels": \(list(decoderChannels)),
      "latent_channels": 4,
      "layers_per_block": \(decoderLayerCount),
      "norm_num_groups": 32,
      "out_channels": 3,
      "scaling_factor": 0.18215
    }

    """
  }

  private var textConfig: String {
    """
    {
      "hidden_act": "gelu",
      "hidden_size": \(textWidth),
      "intermediate_size": \(textInnerWidth),
      "layer_norm_eps": 1e-05,
      "max_position_embeddings": \(textLength),
      "num_attention_heads": \(textHeadCount),
      "num_hidden_layers": \(textLayerCount)
    }

    """
  }

  private static let schedulerConfig = """
    {
      "_class_name": "PNDMScheduler",
      "beta_end": 0.012,
      "beta_schedule": "scaled_linear",
      "beta_start": 0.00085,
      "num_train_timesteps": 1000,
      "prediction_type": "v_prediction",
      "set_alpha_to_one": false,
      "skip_prk_steps": true,
      "steps_offset": 1,
      "trained_betas": null
    }

    """

  private static let specialTokens = """
    {
      "bos_token": "<|startoftext|>",
      "eos_token": "<|endoftext|>",
      "pad_token": "!"
    }

    """
}
