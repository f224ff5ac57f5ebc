// The tables of the configuration files. The defaults and meanings are those of transformers 4.34 to 5 and of diffusers;
// what the reference ignores but newer versions obey is not inert.
extension SettingsTable {
  private static let administrative = Inert(
    [
      "_name_or_path", "_commit_hash", "architectures", "auto_map", "dtype", "torch_dtype", "transformers_version",
      "torchscript", "use_bfloat16", "finetuning_task", "id2label", "label2id", "num_labels", "problem_type", "prefix",
      "task_specific_params", "tokenizer_class", "unsloth_version", "unsloth_fixed",
    ], "names, versions, and how weights were stored")
  private static let outputs = Inert(
    [
      "output_attentions", "output_hidden_states", "output_logits", "output_scores", "return_dict",
      "return_dict_in_generate", "use_cache", "use_return_dict",
    ], "what a Python call returns")
  private static let training = Inert(
    [
      "attention_dropout", "dropout", "gradient_checkpointing", "hidden_dropout", "hidden_dropout_prob",
      "attention_probs_dropout_prob", "initializer_factor", "initializer_range", "layerdrop",
    ], "training only")
  private static let speedOnly = Inert(
    [
      "_attn_implementation", "_attn_implementation_autoset", "_attn_implementation_internal", "attn_implementation",
      "cache_implementation", "chunk_size_feed_forward", "low_memory", "pretraining_tp", "tf_legacy_loss",
      "upcast_attention", "force_upcast",
    ], "how the same numbers are computed")

  /// Settings of generation that older configurations keep beside those of the network, at the values that change nothing.
  private static let neutralGeneration = [
    Inert(
      [
        "no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "min_length", "min_new_tokens", "diversity_penalty",
        "epsilon_cutoff", "eta_cutoff", "min_p", "penalty_alpha",
      ],
      "mio-lite's sampler has no such rule", only: [.integer(0)]),
    Inert(
      ["encoder_repetition_penalty", "num_beam_groups", "typical_p", "guidance_scale"], "mio-lite's sampler has no such rule",
      only: [.integer(1)]),
    Inert(
      ["early_stopping", "renormalize_logits", "remove_invalid_values", "token_healing"],
      "mio-lite's search has no such rule", only: [.bool(false)]),
    Inert(
      [
        "max_length", "max_time", "num_return_sequences", "decoder_start_token_id", "sep_token_id", "trust_remote_code",
        "num_assistant_tokens", "num_assistant_tokens_schedule", "assistant_confidence_threshold", "is_assistant",
        "prompt_lookup_num_tokens", "max_matching_ngram_size", "prefill_chunk_size",
      ],
      "limits and habits of a Python call; --max-tokens says how long a reply may be"),
  ]

  static let language = SettingsTable(
    "config.json",
    used: [
      "model_type", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
      "num_key_value_heads", "head_dim", "vocab_size", "max_position_embeddings", "rms_norm_eps", "hidden_act",
      "rope_theta", "rope_scaling", "rope_parameters", "tie_word_embeddings", "attention_bias", "mlp_bias",
      "quantization_config", "layer_types", "bos_token_id", "eos_token_id", "pad_token_id",
    ],
    inert: [
      administrative, outputs, training, speedOnly,
      Inert(
        ["is_encoder_decoder", "add_cross_attention", "tie_encoder_decoder", "use_sliding_window"],
        "a decoder alone, which attends to everything before", only: [.bool(false)]),
      Inert(["partial_rotary_factor"], "heads rotate in their whole width", only: [.integer(1)]),
      Inert(["is_decoder", "cross_attention_hidden_size"], "a Llama is a decoder in any case"),
      Inert(["model_max_length", "max_sequence_length"], "said again by max_position_embeddings, which counts"),
      Inert(
        ["do_sample", "temperature", "top_k", "top_p", "num_beams", "repetition_penalty", "length_penalty"],
        "defaults of generation in the configuration of the network, which newer versions keep in generation_config.json"),
    ] + neutralGeneration)

  static let generation = SettingsTable(
    "generation_config.json",
    used: [
      "eos_token_id", "bos_token_id", "pad_token_id", "do_sample", "temperature", "top_k", "top_p",
      "repetition_penalty", "num_beams", "length_penalty", "max_new_tokens", "mio_lite",
    ],
    inert: [
      Inert(["_from_model_config", "transformers_version"], "where the file comes from"), outputs, speedOnly,
    ] + neutralGeneration)

  static let tokenizer = SettingsTable(
    "tokenizer_config.json",
    used: [
      "add_bos_token", "add_eos_token", "legacy", "clean_up_tokenization_spaces", "split_special_tokens",
      "tokenizer_class", "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token",
      "additional_special_tokens", "added_tokens_decoder",
    ],
    inert: [
      Inert(
        [
          "model_max_length", "max_length", "padding_side", "truncation_side", "truncation", "stride", "pad_to_multiple_of",
          "pad_token_type_id", "padding", "model_input_names", "truncation_strategy",
        ], "batches of a Python call"),
      Inert(
        [
          "_name_or_path", "name_or_path", "auto_map", "processor_class", "special_tokens_map_file", "tokenizer_file",
          "tokenizer_type", "transformers_version", "trust_remote_code", "use_fast", "from_slow", "_commit_hash",
          "added_tokens_file",
        ],
        "names of files and classes"),
      Inert(["chat_template", "use_default_system_prompt", "response_template"], "mio-lite has MIO's own chat template"),
      Inert(["spaces_between_special_tokens"], "MIO's text is taken apart at its control tokens"),
      Inert(
        ["add_prefix_space"], "the slow tokenizer that MIO uses has no such option; sentencepiece's own flag counts",
        only: [.bool(true)]),
      Inert(["sp_model_kwargs"], "sampled segmentation is not supported", only: []),
    ])

  static let addedToken = SettingsTable(
    "added tokens (tokenizer_config.json, special_tokens_map.json)",
    used: ["content", "lstrip", "rstrip", "single_word", "special"],
    inert: [Inert(["normalized", "__type"], "the slow tokenizer that MIO uses does not normalise")])

  static let speech = SettingsTable(
    "SpeechTokenizer/config.json",
    used: [
      "n_filters", "dimension", "strides", "lstm_layers", "bidirectional", "dilation_base", "residual_kernel_size",
      "n_residual_layers", "activation", "codebook_size", "n_q", "sample_rate",
    ],
    inert: [Inert(["semantic_dimension"], "the projection to the teacher's features, for training only")],
    others: "the reference builds the codec from the keys above alone; the rest belongs to its training")

  private static let diffusers = Inert(
    ["_diffusers_version", "_name_or_path", "_use_default_values"], "names and versions")

  private static let className = Inert(["_class_name"], "the folder says what the network is")

  static let unet = SettingsTable(
    "unet/config.json",
    used: [
      "block_out_channels", "attention_head_dim", "num_attention_heads", "down_block_types", "up_block_types",
      "layers_per_block", "norm_num_groups", "norm_eps", "in_channels", "out_channels", "sample_size",
      "cross_attention_dim", "projection_class_embeddings_input_dim", "class_embed_type", "act_fn", "mid_block_type",
      "resnet_time_scale_shift", "time_embedding_type", "center_input_sample", "dual_cross_attention",
      "only_cross_attention", "class_embeddings_concat", "flip_sin_to_cos", "freq_shift", "downsample_padding",
      "mid_block_scale_factor", "conv_in_kernel", "conv_out_kernel", "transformer_layers_per_block",
      "time_cond_proj_dim", "timestep_post_act", "encoder_hid_dim", "addition_embed_type",
    ],
    inert: [
      diffusers, className, training, speedOnly,
      Inert(["num_class_embeds"], "labels are embeddings here, not classes"),
      Inert(["use_linear_projection"], "the shapes of the weights say it"),
      Inert(
        ["addition_time_embed_dim", "addition_embed_type_num_heads"], "only with an addition_embed_type, which is refused"),
      Inert(["attention_type"], "other attention is not supported", only: [.string("default")]),
      Inert(["resnet_out_scale_factor"], "scaled blocks are not supported", only: [.integer(1)]),
      Inert(["resnet_skip_time_act"], "blocks that skip the activation are not supported", only: [.bool(false)]),
    ])

  static let imageDecoder = SettingsTable(
    "vae/config.json",
    used: [
      "block_out_channels", "layers_per_block", "norm_num_groups", "scaling_factor", "act_fn", "latent_channels",
      "out_channels", "up_block_types",
    ],
    inert: [
      diffusers, className, training, speedOnly,
      Inert(["down_block_types", "in_channels", "use_quant_conv"], "the half that makes latents of images, which is not used"),
      Inert(["sample_size", "use_tiling", "use_slicing"], "the decoder takes every size"),
      Inert(["shift_factor"], "shifted latents are not supported", only: [.integer(0)]),
      Inert(
        ["mid_block_add_attention", "use_post_quant_conv"], "decoders without these layers are not supported",
        only: [.bool(true)]),
    ])

  static let schedule = SettingsTable(
    "scheduler/scheduler_config.json",
    used: [
      "_class_name", "num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "prediction_type",
      "timestep_spacing", "steps_offset", "skip_prk_steps", "set_alpha_to_one", "trained_betas",
    ],
    inert: [
      diffusers,
      Inert(["clip_sample", "thresholding", "rescale_betas_zero_snr"], "PNDM has no such rule", only: [.bool(false)]),
      Inert(
        ["clip_sample_range", "sample_max_value", "dynamic_thresholding_ratio", "variance_type"], "settings of other schedulers"
      ),
    ])

  static let textEncoder = SettingsTable(
    "text_encoder/config.json",
    used: [
      "hidden_size", "intermediate_size", "num_attention_heads", "num_hidden_layers", "max_position_embeddings",
      "hidden_act", "layer_norm_eps",
    ],
    inert: [
      administrative, outputs, training, speedOnly,
      Inert(
        ["model_type"], "a CLIP text encoder, alone or inside a CLIP model",
        only: [.string("clip_text_model"), .string("clip")]),
      Inert(["vocab_size"], "the shape of the embedding says it"),
      Inert(["projection_dim", "bos_token_id", "eos_token_id", "pad_token_id"], "the pooled output, which is not used"),
      Inert(
        ["is_encoder_decoder", "is_decoder", "add_cross_attention", "tie_encoder_decoder", "tie_word_embeddings"],
        "an encoder alone, without a head"),
      Inert(
        ["do_sample", "temperature", "top_k", "top_p", "num_beams", "repetition_penalty", "length_penalty"],
        "an encoder generates nothing"),
      Inert(["cross_attention_hidden_size"], "an encoder alone"),
    ] + neutralGeneration)
}
