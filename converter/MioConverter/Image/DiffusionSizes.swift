import MioFormat

/// The numbers of the diffusers configurations under the names of the file format. Absent keys have the defaults of the
/// diffusers classes; what would change the arithmetic is refused.
struct DiffusionSizes {
  /// One more than the deepest network that is supported.
  private static let blockCounts = 1...8

  // MARK: - U-Net

  private(set) var channels: [Int] = [1]
  private(set) var headCounts: [Int] = [1]
  /// Whether the blocks on the way down, and those on the way up, attend.
  private(set) var downAttention: [Bool] = [false]
  private(set) var upAttention: [Bool] = [false]
  private(set) var layerCount = 1
  private(set) var groupCount = 1
  private(set) var normEpsilon = 1e-5
  private(set) var latentChannels = 4
  private(set) var latentSize = 64
  /// Width of the text encoder's rows.
  private(set) var textWidth = 1
  /// D: width of the embedding of an image; labels are twice as wide.
  private(set) var embeddingWidth = 2

  // MARK: - Image decoder

  private(set) var decoderChannels: [Int] = [1]
  private(set) var decoderLayerCount = 1
  private(set) var decoderGroupCount = 1
  private(set) var latentScale = 0.18215

  // MARK: - Schedule

  private(set) var trainingStepCount = 1000
  private(set) var betaStart = 0.00085
  private(set) var betaEnd = 0.012
  private(set) var stepOffset = 0

  private(set) var problems: [ConversionError.Problem] = []

  /// Width of the time and class embeddings.
  var conditionWidth: Int { 4 * channels[0] }

  init(unet: SettingsReader, decoder: SettingsReader, schedule: SettingsReader) {
    readUNet(unet)
    readDecoder(decoder)
    readSchedule(schedule)
  }

  private mutating func readUNet(_ given: SettingsReader) {
    var reader = given
    channels = reader.counts("block_out_channels", default: [320, 640, 1280, 1280], Self.blockCounts)
    let blocks = channels.count
    headCounts = reader.counts("attention_head_dim", default: [8], 1...blocks)
    if reader["num_attention_heads"] != nil {
      headCounts = reader.counts("num_attention_heads", default: [8], 1...blocks)
    }
    if headCounts.count == 1 { headCounts = Array(repeating: headCounts[0], count: blocks) }
    downAttention = reader.attention(
      "down_block_types", default: [true, true, true, false], with: "CrossAttnDownBlock2D", without: "DownBlock2D")
    upAttention = reader.attention(
      "up_block_types", default: [false, true, true, true], with: "CrossAttnUpBlock2D", without: "UpBlock2D")
    layerCount = reader.count("layers_per_block", default: 2)
    groupCount = reader.count("norm_num_groups", default: 32)
    normEpsilon = reader.number("norm_eps", default: 1e-5)
    latentChannels = reader.count("in_channels", default: 4)
    latentSize = reader.count("sample_size", default: 64)
    textWidth = reader.count("cross_attention_dim", default: 1280)
    let labels = reader.count("projection_class_embeddings_input_dim")
    embeddingWidth = max(labels / 2, 1)
    if labels % 4 != 0 { reader.refuse("projection_class_embeddings_input_dim", "\(labels) is not a multiple of 4") }
    if reader.count("out_channels", default: 4) != latentChannels {
      reader.refuse("out_channels", "differs from in_channels")
    }
    checkArithmetic(&reader)
    if reader.problems.isEmpty { checkShapes(&reader) }
    reader.finish(.unet)
    problems += reader.problems
  }

  private func checkArithmetic(_ reader: inout SettingsReader) {
    if reader["class_embed_type"]?.string != "projection" {
      reader.refuse("class_embed_type", "only \"projection\" is supported: the image's embedding enters there")
    }
    for (key, value) in [
      ("act_fn", "silu"), ("mid_block_type", "UNetMidBlock2DCrossAttn"), ("resnet_time_scale_shift", "default"),
      ("time_embedding_type", "positional"),
    ] { reader.expect(key, value) }
    for key in ["center_input_sample", "dual_cross_attention", "only_cross_attention", "class_embeddings_concat"] {
      reader.expectFalse(key, "not supported")
    }
    if !reader.flag("flip_sin_to_cos", default: true) { reader.refuse("flip_sin_to_cos", "only true is supported") }
    for (key, value) in [
      ("freq_shift", 0.0), ("downsample_padding", 1), ("mid_block_scale_factor", 1), ("conv_in_kernel", 3),
      ("conv_out_kernel", 3), ("transformer_layers_per_block", 1),
    ] { reader.expect(key, value) }
    for key in ["time_cond_proj_dim", "timestep_post_act", "encoder_hid_dim", "addition_embed_type"] {
      reader.expectAbsent(key, "not supported")
    }
  }

  private func checkShapes(_ reader: inout SettingsReader) {
    if [headCounts.count, downAttention.count, upAttention.count].contains(where: { $0 != channels.count }) {
      reader.refuse("block_out_channels", "the lists of channels, heads and blocks differ in length")
      return
    }
    for (width, heads) in zip(channels, headCounts) where width % heads != 0 || width % groupCount != 0 {
      reader.refuse("block_out_channels", "\(width) channels do not divide into \(heads) heads and \(groupCount) groups")
    }
    if let width = channels.first(where: { $0 > 1 << 16 }) {
      reader.refuse("block_out_channels", "\(width) is too many")
    }
    if layerCount > 16 { reader.refuse("layers_per_block", "\(layerCount) is too many") }
    if latentChannels > 256 { reader.refuse("in_channels", "\(latentChannels) is too many") }
    let factor = 1 << (channels.count - 1)
    if latentSize % factor != 0 || latentSize > 4096 {
      reader.refuse("sample_size", "\(latentSize) is not a multiple of \(factor) up to 4096")
    }
  }

  private mutating func readDecoder(_ given: SettingsReader) {
    var reader = given
    decoderChannels = reader.counts("block_out_channels", default: [64], Self.blockCounts)
    // The decoder has one layer more in each block than the encoder that the setting speaks of.
    decoderLayerCount = reader.count("layers_per_block", default: 1) + 1
    decoderGroupCount = reader.count("norm_num_groups", default: 32)
    latentScale = reader.number("scaling_factor", default: 0.18215)
    reader.expect("act_fn", "silu")
    reader.expect("latent_channels", Double(latentChannels), absent: 4)
    reader.expect("out_channels", 3)
    if decoderLayerCount > 16 { reader.refuse("layers_per_block", "\(decoderLayerCount - 1) is too many") }
    let types = reader["up_block_types"]?.array?.compactMap(\.string) ?? ["UpDecoderBlock2D"]
    if types.contains(where: { $0 != "UpDecoderBlock2D" }) {
      reader.refuse("up_block_types", "only UpDecoderBlock2D is supported")
    }
    if let width = decoderChannels.first(where: { $0 % decoderGroupCount != 0 || $0 > 1 << 16 }) {
      reader.refuse("block_out_channels", "\(width) channels do not divide into \(decoderGroupCount) groups")
    }
    reader.finish(.imageDecoder)
    problems += reader.problems
  }

  private mutating func readSchedule(_ given: SettingsReader) {
    var reader = given
    trainingStepCount = reader.count("num_train_timesteps", default: 1000)
    betaStart = reader.number("beta_start", default: 0.0001)
    betaEnd = reader.number("beta_end", default: 0.02)
    if let offset = reader["steps_offset"] {
      stepOffset = offset.integer ?? -1  // no whole number is out of range, too
    }
    reader.expect("_class_name", "PNDMScheduler")
    // The class has other defaults for these, so that absence is a refusal too.
    for (key, value) in [("beta_schedule", "scaled_linear"), ("prediction_type", "v_prediction")]
    where reader[key]?.string != value {
      reader.refuse(key, "only \"\(value)\" is supported")
    }
    reader.expect("timestep_spacing", "leading")
    if !reader.flag("skip_prk_steps", default: false) { reader.refuse("skip_prk_steps", "only true is supported") }
    reader.expectFalse("set_alpha_to_one", "not supported")
    reader.expectAbsent("trained_betas", "not supported")
    if !(0..<trainingStepCount).contains(stepOffset) { reader.refuse("steps_offset", "\(stepOffset) is out of range") }
    if betaStart > betaEnd || betaEnd >= 1 { reader.refuse("beta_end", "expected beta_start ... 1") }
    if trainingStepCount > 1 << 16 { reader.refuse("num_train_timesteps", "\(trainingStepCount) is too many") }
    reader.finish(.schedule)
    problems += reader.problems
  }

  /// - Parameter textLength: rows of the empty prompt's encoding.
  func config(textLength: Int) -> ConfigTable {
    func flags(_ values: [Bool]) -> ConfigValue { .ints(values.map { $0 ? 1 : 0 }) }
    return ConfigTable([
      ("channels", .ints(channels)), ("head_counts", .ints(headCounts)), ("down_attention", flags(downAttention)),
      ("up_attention", flags(upAttention)), ("layer_count", .int(layerCount)), ("group_count", .int(groupCount)),
      ("norm_epsilon", .float(normEpsilon)), ("latent_channels", .int(latentChannels)),
      ("latent_size", .int(latentSize)), ("embedding_width", .int(embeddingWidth)), ("text_length", .int(textLength)),
      ("decoder_channels", .ints(decoderChannels)), ("decoder_layer_count", .int(decoderLayerCount)),
      ("decoder_group_count", .int(decoderGroupCount)), ("latent_scale", .float(latentScale)),
      ("training_step_count", .int(trainingStepCount)), ("beta_start", .float(betaStart)),
      ("beta_end", .float(betaEnd)), ("step_offset", .int(stepOffset)),
    ])
  }
}

extension SettingsReader {
  /// A list of sizes; a single number counts as a list of one.
  fileprivate mutating func counts(_ key: String, default absent: [Int], _ lengths: ClosedRange<Int>) -> [Int] {
    guard let value = self[key] else { return absent }
    let numbers = value.integer.map { [$0] } ?? value.integers ?? []
    guard lengths.contains(numbers.count), numbers.allSatisfy({ (1...Self.countLimit).contains($0) }) else {
      refuse(key, "expected \(lengths.lowerBound) to \(lengths.upperBound) positive whole numbers")
      return [1]
    }
    return numbers
  }

  /// Which blocks attend, from the names of their types.
  fileprivate mutating func attention(
    _ key: String, default absent: [Bool], with: String, without: String
  ) -> [Bool] {
    guard let value = self[key] else { return absent }
    let names = (value.array ?? []).map { $0.string ?? "?" }
    if let other = names.first(where: { $0 != with && $0 != without }) {
      refuse(key, "only \(with) and \(without) are supported, found \(other)")
    }
    return names.map { $0 == with }
  }

  /// Refuses any number but `expected`; absence means it.
  fileprivate mutating func expect(_ key: String, _ expected: Double, absent: Double? = nil) {
    let value = self[key]
    let found = value == nil ? absent ?? expected : value?.double
    if found != expected { refuse(key, "only \(expected) is supported") }
  }
}
