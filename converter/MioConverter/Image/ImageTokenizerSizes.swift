import MioFormat

/// The sizes of an image tokenizer, read from the shapes of its tensors: the checkpoint has no file that states them.
struct ImageTokenizerSizes {
  let imageSize: Int
  let patchSize: Int
  let visionWidth: Int
  let visionInnerWidth: Int
  let visionLayerCount: Int
  let queryWidth: Int
  let queryInnerWidth: Int
  let queryLayerCount: Int
  let queryCount: Int
  let codebookSize: Int
  let codeWidth: Int
  let embedderLayerCount: Int
  let embedderInnerWidth: Int
  let embedderWidths: [Int]
  let embeddingWidth: Int

  /// The reference builds that many blocks of the vision transformer; further ones in the file are not used.
  static let maxVisionLayers = 39
  // Widths of a head, fixed in the reference's code.
  static let visionHeadWidth = 88
  static let queryHeadWidth = 64

  /// - Throws: every tensor that a size would come from and that is missing or has another rank, and sizes that do not
  ///   fit each other.
  init(_ source: TensorSet) throws(ConversionError) {
    var shapes = Shapes(source: source)
    let patches = shapes["visual_encoder.patch_embed.proj.weight", rank: 4]
    let positions = shapes["visual_encoder.pos_embed", rank: 3]
    let queries = shapes["query_tokens", rank: 3]
    let codebook = shapes["quantize.embedding.weight", rank: 2]
    visionWidth = patches[0]
    patchSize = patches[2]
    visionInnerWidth = shapes["visual_encoder.blocks.0.mlp.fc1.weight", rank: 2][0]
    queryCount = queries[1]
    queryWidth = queries[2]
    queryInnerWidth = shapes["Qformer.bert.encoder.layer.0.intermediate_query.dense.weight", rank: 2][0]
    (codebookSize, codeWidth) = (codebook[0], codebook[1])
    embedderInnerWidth = shapes["blocks_image.0.mlp.fc1.weight", rank: 2][0]
    embedderWidths = [0, 2, 4].map { shapes["image_down.\($0).weight", rank: 2][0] }
    embeddingWidth = shapes["distill_image_proj.weight", rank: 2][0]
    let names = source.names
    visionLayerCount = min(Self.maxVisionLayers, Self.layerCount(names, "visual_encoder.blocks."))
    queryLayerCount = Self.layerCount(names, "Qformer.bert.encoder.layer.")
    embedderLayerCount = Self.layerCount(names, "blocks_image.")
    let side = Int(Double(positions[1] - 1).squareRoot().rounded())
    imageSize = side * patchSize
    if shapes.problems.isEmpty {
      if side < 1 || side * side != positions[1] - 1 {
        shapes.refuse(
          "visual_encoder.pos_embed", "\(positions[1]) positions are not a class token and a square of patches")
      }
      if visionWidth % Self.visionHeadWidth != 0 {
        shapes.refuse(
          "visual_encoder.patch_embed.proj.weight",
          "a width of \(visionWidth) is no multiple of 88, the width of a head")
      }
      if queryWidth % Self.queryHeadWidth != 0 {
        shapes.refuse("query_tokens", "a width of \(queryWidth) is no multiple of 64, the width of a head")
      }
    }
    if !shapes.problems.isEmpty { throw ConversionError(shapes.problems) }
  }

  /// One more than the highest number behind `prefix`: a layer that is missing in between is then found missing.
  private static func layerCount(_ names: [String], _ prefix: String) -> Int {
    names.reduce(0) { count, name in
      guard name.hasPrefix(prefix), let index = Int(name.dropFirst(prefix.count).prefix { $0 != "." }),
        (0..<100_000).contains(index)
      else { return count }
      return max(count, index + 1)
    }
  }

  /// Shapes by name, and what is wrong with them.
  private struct Shapes {
    let source: TensorSet
    var problems: [ConversionError.Problem] = []

    init(source: TensorSet) { self.source = source }

    subscript(_ name: String, rank rank: Int) -> [Int] {
      mutating get {
        guard let tensor = source[name] else {
          problems.append(.init(.missingTensor, file: source.files.joined(separator: ", "), tensor: name, "missing"))
          return Array(repeating: 1, count: rank)
        }
        guard tensor.shape.count == rank, tensor.shape.allSatisfy({ $0 > 0 }) else {
          problems.append(
            .init(
              .wrongShape, file: tensor.file, tensor: name, "expected \(rank) axes, none empty, found \(tensor.shape)"))
          return Array(repeating: 1, count: rank)
        }
        return tensor.shape
      }
    }

    mutating func refuse(_ name: String, _ message: String) {
      problems.append(.init(.unsupported, file: source[name]?.file ?? "", tensor: name, message))
    }
  }

  var tokenCount: Int { (imageSize / patchSize) * (imageSize / patchSize) + 1 }

  var config: ConfigTable {
    ConfigTable([
      ("image_size", .int(imageSize)), ("patch_size", .int(patchSize)), ("vision_width", .int(visionWidth)),
      ("vision_inner_width", .int(visionInnerWidth)), ("vision_head_count", .int(visionWidth / Self.visionHeadWidth)),
      ("vision_layer_count", .int(visionLayerCount)), ("query_width", .int(queryWidth)),
      ("query_inner_width", .int(queryInnerWidth)), ("query_head_count", .int(queryWidth / Self.queryHeadWidth)),
      ("query_layer_count", .int(queryLayerCount)), ("query_count", .int(queryCount)),
      // The reference switches the mask on by the number of queries.
      ("causal", .bool(queryCount == 32)), ("codebook_size", .int(codebookSize)), ("code_width", .int(codeWidth)),
      ("embedder_layer_count", .int(embedderLayerCount)), ("embedder_inner_width", .int(embedderInnerWidth)),
      ("embedder_widths", .ints(embedderWidths)), ("embedding_width", .int(embeddingWidth)),
    ])
  }
}
