import Foundation
import MioConverter
import MioFormat
import MioKernels

/// Packs the language model of a checkpoint into a model file, all matrices in one format.
package enum LanguageFile {
  /// - Parameter head: the format of the embedding and the output head; that of the other matrices by default.
  package static func make(
    from checkpoint: URL, format: WeightFormat, head: WeightFormat? = nil, in folder: TemporaryFolder
  ) throws -> ModelFile {
    let directory = try CheckpointDirectory(path: checkpoint.path)
    let config = try directory.object("config.json")
    func int(_ key: String) -> Int { config[key]?.integer ?? 0 }
    let isTied = config["tie_word_embeddings"]?.bool ?? false
    let table = ConfigTable([
      ("width", .int(int("hidden_size"))), ("inner_width", .int(int("intermediate_size"))),
      ("layer_count", .int(int("num_hidden_layers"))), ("head_count", .int(int("num_attention_heads"))),
      ("kv_head_count", .int(int("num_key_value_heads"))), ("norm_epsilon", .float(config["rms_norm_eps"]?.double ?? 0)),
      ("rope_theta", .float(config["rope_theta"]?.double ?? 0)), ("vocabulary_size", .int(int("vocab_size"))),
      ("context_length", .int(int("max_position_embeddings"))), ("tied_embeddings", .bool(isTied)),
    ])
    let tensors = try directory.languageTensors().tensors
    let names = tensors.names.filter { !(isTied && $0 == "lm_head.weight") }
    let layout = FileLayout(
      components: [Component(name: "language", isRequired: true, config: table)],
      tensors: names.compactMap { name in
        tensors[name].map {
          let encoding = encoding(name, rank: $0.shape.count, format, head ?? format)
          return FileLayout.Tensor(component: "language", name: name, encoding: encoding, shape: $0.shape)
        }
      })
    let path = folder.path("language-\(UUID().uuidString).mio")
    let writer = try ModelFileWriter(path: path, layout: layout)
    for tensor in layout.tensors {
      guard let stored = tensors[tensor.name] else { continue }
      let values = try stored.floats()
      guard let format = WeightFormat(tensor.encoding) else {
        try unsafe values.withUnsafeBytes { try unsafe writer.write($0) }
        continue
      }
      var bytes = [UInt8](repeating: 0, count: format.byteCount(rows: tensor.shape[0], columns: tensor.shape[1]))
      unsafe bytes.withUnsafeMutableBytes { target in
        unsafe values.withUnsafeBufferPointer {
          unsafe PackedMatrix.pack(
            $0, rows: tensor.shape[0], columns: tensor.shape[1], format: format, into: target)
        }
      }
      try unsafe bytes.withUnsafeBytes { try unsafe writer.write($0) }
    }
    try writer.finish()
    return try ModelFile.open(path: path)
  }

  private static func encoding(
    _ name: String, rank: Int, _ format: WeightFormat, _ head: WeightFormat
  ) -> TensorEncoding {
    guard rank == 2 else { return .f32 }
    switch name.contains("embed_tokens") || name.contains("lm_head") ? head : format {
    case .f32: return .panelF32
    case .f16: return .panelF16
    case .q8: return .panelQ8
    case .q4: return .panelQ4
    }
  }
}

extension WeightFormat {
  fileprivate init?(_ encoding: TensorEncoding) {
    switch encoding {
    case .panelF32: self = .f32
    case .panelF16: self = .f16
    case .panelQ8: self = .q8
    case .panelQ4: self = .q4
    default: return nil
    }
  }
}
