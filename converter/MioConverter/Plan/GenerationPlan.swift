import MioFormat

/// The generation component: how the checkpoint's authors would have it generate.
enum GenerationPlan {
  static let component = "generation"

  /// Reads `generation_config.json`, and the token ids of `config.json` where it is silent; nil if neither speaks.
  static func plan(for checkpoint: CheckpointDirectory) throws(ConversionError) -> ComponentPlan? {
    var entries: [(String, ConfigValue)] = []
    var files: [String] = []
    var problems: [ConversionError.Problem] = []
    for file in ["generation_config.json", "config.json"] where checkpoint.has(file) {
      var object = try checkpoint.settings(file)
      files.append(file)
      // Those of config.json are finished where the network is planned.
      if file == "generation_config.json" {
        object.finish(.generation)
        problems += object.problems
      }
      // config.json holds the network's settings; only its token ids concern generation.
      let keys = file == "config.json" ? settings.filter { $0.kind == .ids || $0.kind == .id } : settings
      for setting in keys where !entries.contains(where: { $0.0 == setting.name }) {
        guard let value = object[setting.key] else { continue }
        if setting.kind == .id && value.integer == -1 { continue }  // how older writers spell "none"
        if let converted = setting.value(value) {
          entries.append((setting.name, converted))
        } else {
          problems.append(.init(.unsupported, file: file, "\(setting.key): expected \(setting.kind.rawValue)"))
        }
      }
    }
    if checkpoint.has("generation_config.json"), let own = try checkpoint.object("generation_config.json")["mio_lite"] {
      add(own, to: &entries, &problems)
    }
    if !problems.isEmpty { throw ConversionError(problems) }
    return entries.isEmpty ? nil : ComponentPlan(component, config: ConfigTable(entries), files: files)
  }

  /// What a checkpoint made for mio-lite says beyond transformers' keys: `mio_lite`, an object of the keys below and of
  /// `tasks`, whose members are settings by task.
  private static func add(
    _ own: JSON, to entries: inout [(String, ConfigValue)], _ problems: inout [ConversionError.Problem]
  ) {
    func read(_ object: JSON.Object, _ known: [Setting], prefix: String) {
      for (key, value) in zip(object.keys, object.values) where key != "tasks" {
        if let setting = known.first(where: { $0.key == key }), let converted = setting.value(value) {
          entries.append((prefix + setting.name, converted))
        } else {
          problems.append(
            .init(.unsupported, file: "generation_config.json", "mio_lite: '\(prefix)\(key)' is not known or has a wrong type"))
        }
      }
    }
    guard let object = own.object else {
      problems.append(.init(.unsupported, file: "generation_config.json", "mio_lite: expected an object"))
      return
    }
    read(object, ownSettings, prefix: "")
    guard let tasks = object["tasks"]?.object else { return }
    for (task, value) in zip(tasks.keys, tasks.values) {
      if let members = value.object { read(members, settings, prefix: task + ".") }
    }
  }

  /// A key of transformers, its name in the file format, and what it holds.
  private struct Setting {
    enum Kind: String {
      case id = "a token id"
      case ids = "a token id or a list of them"
      case count = "a whole number"
      case number = "a number"
      case flag = "true or false"
      case text = "a text"
      case texts = "a list of texts"
    }

    let key: String
    let name: String
    let kind: Kind

    func value(_ json: JSON) -> ConfigValue? {
      switch kind {
      case .id, .count: json.integer.flatMap { $0 >= 0 ? .int($0) : nil }
      case .ids: (json.integer.map { [$0] } ?? json.integers).flatMap { $0.allSatisfy { $0 >= 0 } ? .ints($0) : nil }
      case .number: json.double.map { .float($0) }
      case .flag: json.bool.map { .bool($0) }
      case .text: json.string.map { .string($0) }
      case .texts: Self.texts(json).map { .strings($0) }
      }
    }

    private static func texts(_ json: JSON) -> [String]? {
      guard let items = json.array else { return nil }
      let texts = items.compactMap(\.string)
      return texts.count == items.count ? texts : nil
    }
  }

  /// The value of one of mio-lite's own settings from its text, as it would stand in the file; nil if there is no such setting
  /// or the text is not of its kind.
  static func ownSetting(_ key: String, _ text: String) -> (name: String, value: ConfigValue)? {
    guard let setting = ownSettings.first(where: { $0.key == key }) else { return nil }
    let value: ConfigValue? =
      switch setting.kind {
      case .id, .count: Int(text).flatMap { $0 >= 0 ? .int($0) : nil }
      case .ids: nil
      case .number: Double(text).flatMap { $0.isFinite ? .float($0) : nil }
      case .flag: Bool(text).map { .bool($0) }
      case .text: .string(text)
      case .texts: .strings(text.split(separator: ",").map(String.init))
      }
    return value.map { (setting.name, $0) }
  }

  private static let ownSettings = [
    Setting(key: "taught", name: "taught", kind: .texts),
    Setting(key: "description", name: "description", kind: .text),
    Setting(key: "frame_multiple", name: "frame_multiple", kind: .count),
    Setting(key: "words_per_piece", name: "words_per_piece", kind: .count),
    Setting(key: "seconds_per_window", name: "seconds_per_window", kind: .number),
    Setting(key: "takes", name: "takes", kind: .count),
    Setting(key: "one_voice", name: "one_voice", kind: .flag),
    Setting(key: "characters", name: "characters", kind: .text),
    Setting(key: "letters_per_word", name: "letters_per_word", kind: .count),
    Setting(key: "silence_level", name: "silence_level", kind: .number),
    Setting(key: "speech_level", name: "speech_level", kind: .number),
    Setting(key: "text_normalization", name: "text_normalization", kind: .text),
    Setting(key: "image_steps", name: "image_steps", kind: .count),
    Setting(key: "image_guidance", name: "image_guidance", kind: .number),
    Setting(key: "image_sampler", name: "image_sampler", kind: .text),
  ]

  private static let settings = [
    Setting(key: "eos_token_id", name: "stop_ids", kind: .ids),
    Setting(key: "bos_token_id", name: "bos_id", kind: .id),
    Setting(key: "pad_token_id", name: "pad_id", kind: .id),
    Setting(key: "do_sample", name: "sampling", kind: .flag),
    Setting(key: "temperature", name: "temperature", kind: .number),
    Setting(key: "top_k", name: "top_k", kind: .count),
    Setting(key: "top_p", name: "top_p", kind: .number),
    Setting(key: "repetition_penalty", name: "repetition_penalty", kind: .number),
    Setting(key: "num_beams", name: "beam_count", kind: .count),
    Setting(key: "length_penalty", name: "length_penalty", kind: .number),
    Setting(key: "max_new_tokens", name: "max_new_tokens", kind: .count),
  ]
}
