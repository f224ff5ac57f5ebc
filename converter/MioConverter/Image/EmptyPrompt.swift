import MioFormat
import MioKernels

/// What the text encoder says to the empty prompt: the only text that an image is drawn from.
///
/// A CLIP text model: token and position embeddings, layers with a norm in front of attention and feed-forward part,
/// causal attention over all 77 rows (padding is not masked), and a last norm. It runs once for each conversion, in
/// 32-bit floats.
package struct EmptyPrompt {
  /// Row-major [length, width].
  package let encoding: [Float]
  package let ids: [Int]
  package var length: Int { ids.count }
  /// The files that were read, relative to the checkpoint.
  let files: [String]

  private static let epsilon: Float = 1e-5

  package init(
    _ checkpoint: CheckpointDirectory, folder: String, width: Int, threads: Int
  ) throws(ConversionError) {
    let configFile = folder + "text_encoder/config.json"
    var reader = try checkpoint.settings(configFile)
    let sizes = Sizes(&reader, width: width)
    reader.finish(.textEncoder)
    guard reader.problems.isEmpty else { throw ConversionError(reader.problems) }
    let weights = Weights(
      tensors: try DiffusersWeights.tensors(
        checkpoint, folder + "text_encoder/model", torch: folder + "text_encoder/pytorch_model"))
    let tokens = try EmptyPromptTokens(checkpoint, folder: folder + "tokenizer/", length: sizes.length)
    ids = tokens.ids
    files = [configFile] + weights.tensors.files + tokens.files
    let context = KernelContext(threads: threads)
    var rows = try weights.embed(ids, sizes)
    for layer in 0..<sizes.layerCount {
      try Self.run(weights, "text_model.encoder.layers.\(layer).", sizes, &rows, on: context)
    }
    try Self.normalize(&rows, weights, "text_model.final_layer_norm")
    encoding = rows.values
  }

  fileprivate struct Sizes {
    let width: Int  // E
    let innerWidth: Int  // F
    let headCount: Int
    let layerCount: Int
    let length: Int  // T

    /// Absent keys have the defaults of transformers' `CLIPTextConfig`.
    init(_ reader: inout SettingsReader, width: Int) {
      self.width = reader.count("hidden_size", default: 512)
      innerWidth = reader.count("intermediate_size", default: 2048)
      headCount = reader.count("num_attention_heads", default: 8)
      layerCount = reader.count("num_hidden_layers", default: 12)
      length = reader.count("max_position_embeddings", default: 77)
      if reader["hidden_act"]?.string != "gelu" { reader.refuse("hidden_act", "only \"gelu\" is supported") }
      if reader.number("layer_norm_eps", default: 1e-5) != 1e-5 {
        reader.refuse("layer_norm_eps", "only 1e-5 is supported")
      }
      if self.width != width {
        reader.refuse("hidden_size", "\(self.width); the U-Net expects a text width of \(width)")
      }
      if self.width % headCount != 0 { reader.refuse("num_attention_heads", "does not divide hidden_size") }
      if length < 3 || length > 1 << 12 { reader.refuse("max_position_embeddings", "expected 3 to 4096") }
    }
  }

  /// One layer: `x += out(attention(norm1 x))`, `x += fc2(gelu(fc1(norm2 x)))`.
  private static func run(
    _ weights: Weights, _ path: String, _ sizes: Sizes, _ rows: inout Activations, on context: KernelContext
  ) throws(ConversionError) {
    let (t, e) = (rows.rows, sizes.width)
    var normal = Activations(rows: t, columns: e)
    normal.copyRows(from: rows)
    try normalize(&normal, weights, path + "layer_norm1")
    var queries = Activations(rows: t, columns: e)
    var keys = Activations(rows: t, columns: e)
    var values = Activations(rows: t, columns: e)
    var attended = Activations(rows: t, columns: e)
    try apply(weights, path + "self_attn.q_proj", normal, &queries, on: context)
    try apply(weights, path + "self_attn.k_proj", normal, &keys, on: context)
    try apply(weights, path + "self_attn.v_proj", normal, &values, on: context)
    attend(queries, keys, values, headCount: sizes.headCount, into: &attended)
    try apply(weights, path + "self_attn.out_proj", attended, &normal, on: context)
    rows.add(normal)
    normal.copyRows(from: rows)
    try normalize(&normal, weights, path + "layer_norm2")
    var inner = Activations(rows: t, columns: sizes.innerWidth)
    try apply(weights, path + "mlp.fc1", normal, &inner, on: context)
    inner.gelu()
    try apply(weights, path + "mlp.fc2", inner, &normal, on: context)
    rows.add(normal)
  }

  private static func normalize(
    _ rows: inout Activations, _ weights: Weights, _ path: String
  ) throws(ConversionError) {
    rows.layerNormalize(
      weight: try weights.vector(path + ".weight", rows.columns),
      bias: try weights.vector(path + ".bias", rows.columns), epsilon: epsilon)
  }

  /// y = W x + b.
  private static func apply(
    _ weights: Weights, _ path: String, _ x: borrowing Activations, _ y: inout Activations, on context: KernelContext
  ) throws(ConversionError) {
    try weights.matrix(path + ".weight", [y.columns, x.columns]).apply(x, into: &y, on: context)
    y.add(bias: try weights.vector(path + ".bias", y.columns))
  }

  /// Causal attention, head by head.
  private static func attend(
    _ queries: borrowing Activations, _ keys: borrowing Activations, _ values: borrowing Activations, headCount: Int,
    into result: inout Activations
  ) {
    let headWidth = queries.columns / headCount
    let scale = 1 / Float(headWidth).squareRoot()
    var scores = Activations(rows: 1, columns: queries.rows)
    for head in 0..<headCount {
      let columns = (head * headWidth)..<((head + 1) * headWidth)
      for row in 0..<queries.rows {
        scores.reshape(rows: 1, columns: row + 1)
        for key in 0...row {
          scores[0, key] = columns.reduce(Float(0)) { $0 + queries[row, $1] * scale * keys[key, $1] }
        }
        scores.softmaxRows()
        for column in columns {
          result[row, column] = (0...row).reduce(Float(0)) { $0 + scores[0, $1] * values[$1, column] }
        }
      }
    }
  }
}

extension EmptyPrompt {
  /// The encoder's tensors, each read when it is used: one layer at a time is in memory.
  fileprivate struct Weights {
    let tensors: TensorSet

    func embed(_ ids: [Int], _ sizes: Sizes) throws(ConversionError) -> Activations {
      let path = "text_model.embeddings."
      guard let table = tensors[path + "token_embedding.weight"] else { throw missing(path + "token_embedding.weight") }
      guard table.shape.count == 2, table.shape[1] == sizes.width, table.type.isConvertible else {
        throw wrong(table, [-1, sizes.width])
      }
      if let id = ids.first(where: { !(0..<table.shape[0]).contains($0) }) {
        throw ConversionError(
          .badTokenizer, file: table.file, tensor: table.name, "the empty prompt needs token \(id), which has no row")
      }
      let positions = try floats(path + "position_embedding.weight", [ids.count, sizes.width])
      var scratch: [UInt8] = []
      var rows = Activations(rows: ids.count, columns: sizes.width)
      for (index, id) in ids.enumerated() {
        try unsafe table.readFloats(
          (id * sizes.width)..<((id + 1) * sizes.width), into: rows.row(index), scratch: &scratch)
      }
      rows.add(Activations(rows: ids.count, columns: sizes.width, values: positions))
      return rows
    }

    func vector(_ name: String, _ count: Int) throws(ConversionError) -> WeightVector {
      WeightVector(try floats(name, [count]))
    }

    func matrix(_ name: String, _ shape: [Int]) throws(ConversionError) -> PackedMatrix {
      let values = try floats(name, shape)
      let storage = OwnedBytes(byteCount: WeightFormat.f32.byteCount(rows: shape[0], columns: shape[1]))
      unsafe values.withUnsafeBufferPointer {
        unsafe PackedMatrix.pack($0, rows: shape[0], columns: shape[1], format: .f32, into: storage.bytes)
      }
      return unsafe PackedMatrix(
        format: .f32, rows: shape[0], columns: shape[1], bytes: UnsafeRawBufferPointer(storage.bytes), owner: storage)
    }

    private func floats(_ name: String, _ shape: [Int]) throws(ConversionError) -> [Float] {
      guard let tensor = tensors[name] else { throw missing(name) }
      guard tensor.shape == shape, tensor.type.isConvertible else { throw wrong(tensor, shape) }
      return try tensor.floats()
    }

    private func missing(_ name: String) -> ConversionError {
      ConversionError(.missingTensor, file: tensors.files.first ?? "", tensor: name, "missing")
    }

    private func wrong(_ tensor: StoredTensor, _ shape: [Int]) -> ConversionError {
      ConversionError(
        .wrongShape, file: tensor.file, tensor: tensor.name,
        "expected floats of shape \(shape), found \(tensor.type.name) \(tensor.shape)")
    }
  }
}

/// The ids of the empty prompt: beginning, end, and padding to the encoder's length.
struct EmptyPromptTokens {
  let ids: [Int]
  let files: [String]

  init(_ checkpoint: CheckpointDirectory, folder: String, length: Int) throws(ConversionError) {
    let vocabularyFile = folder + "vocab.json"
    let vocabulary = try checkpoint.object(vocabularyFile)
    var files = [vocabularyFile]
    var objects: [JSON.Object] = []
    // The first that names a token wins, as in transformers.
    for name in ["special_tokens_map.json", "tokenizer_config.json"] where checkpoint.has(folder + name) {
      objects.append(try checkpoint.object(folder + name))
      files.append(folder + name)
    }
    let names = [("bos_token", "<|startoftext|>"), ("eos_token", "<|endoftext|>"), ("pad_token", "<|endoftext|>")]
    var found: [Int] = []
    for (key, absent) in names {
      let values = objects.compactMap { $0[key] }.filter { !$0.isNull }
      let token = values.first.flatMap { $0.string ?? $0.object?["content"]?.string } ?? absent
      guard let id = vocabulary[token]?.integer else {
        throw ConversionError(.badTokenizer, file: vocabularyFile, "has no entry for the \(key) \"\(token)\"")
      }
      found.append(id)
    }
    ids = [found[0], found[1]] + Array(repeating: found[2], count: length - 2)
    self.files = files
  }
}
