import Foundation
import MioFormat
import MioKernels
import MioTestSupport

/// A random language model of any shape, and its forward pass in 64-bit arithmetic, straight from the formulas.
struct RandomLanguageModel {
  let width: Int  // E
  let innerWidth: Int  // F
  let layerCount: Int
  let headCount: Int  // H
  let kvHeadCount: Int  // K
  let headWidth: Int  // D
  let vocabularySize: Int  // V
  let isTied: Bool
  private let theta = 10_000.0
  private let epsilon = 1e-5
  private let tensors: [(name: String, shape: [Int], values: [Float])]

  init(
    width: Int, innerWidth: Int, layerCount: Int, headCount: Int, kvHeadCount: Int, headWidth: Int? = nil,
    vocabularySize: Int, isTied: Bool, seed: UInt64
  ) {
    self.width = width
    self.innerWidth = innerWidth
    self.layerCount = layerCount
    self.headCount = headCount
    self.kvHeadCount = kvHeadCount
    self.headWidth = headWidth ?? width / headCount
    self.vocabularySize = vocabularySize
    self.isTied = isTied
    var state = seed
    func values(_ count: Int, around center: Float, scale: Float) -> [Float] {
      (0..<count).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return center + scale * Float(Int32(truncatingIfNeeded: state >> 32)) * 0x1p-31
      }
    }
    var shapes = [("model.embed_tokens.weight", [vocabularySize, width])]
    let (queryWidth, keyWidth) = (self.headWidth * headCount, self.headWidth * kvHeadCount)
    for layer in 0..<layerCount {
      let path = "model.layers.\(layer)."
      shapes += [
        (path + "input_layernorm.weight", [width]), (path + "self_attn.q_proj.weight", [queryWidth, width]),
        (path + "self_attn.k_proj.weight", [keyWidth, width]), (path + "self_attn.v_proj.weight", [keyWidth, width]),
        (path + "self_attn.o_proj.weight", [width, queryWidth]), (path + "post_attention_layernorm.weight", [width]),
        (path + "mlp.gate_proj.weight", [innerWidth, width]), (path + "mlp.up_proj.weight", [innerWidth, width]),
        (path + "mlp.down_proj.weight", [width, innerWidth]),
      ]
    }
    shapes.append(("model.norm.weight", [width]))
    if !isTied { shapes.append(("lm_head.weight", [vocabularySize, width])) }
    tensors = shapes.map { name, shape in
      let count = shape.reduce(1, *)
      return shape.count == 1
        ? (name, shape, values(count, around: 1, scale: 0.3))
        : (name, shape, values(count, around: 0, scale: 2 / Float(shape[1]).squareRoot()))
    }
  }

  /// The model as a file with 32-bit floats.
  func file(in folder: TemporaryFolder) throws -> ModelFile {
    let config = ConfigTable(
      [
        ("width", .int(width)), ("inner_width", .int(innerWidth)), ("layer_count", .int(layerCount)),
        ("head_count", .int(headCount)), ("kv_head_count", .int(kvHeadCount)), ("norm_epsilon", .float(epsilon)),
        ("rope_theta", .float(theta)), ("vocabulary_size", .int(vocabularySize)), ("context_length", .int(256)),
        ("tied_embeddings", .bool(isTied)),
      ] + (headWidth * headCount == width ? [] : [("head_width", ConfigValue.int(headWidth))]))
    let writer = try ModelFileWriter(
      path: folder.path("random.mio"),
      layout: FileLayout(
        components: [Component(name: "language", isRequired: true, config: config)],
        tensors: tensors.map {
          FileLayout.Tensor(
            component: "language", name: $0.name, encoding: $0.shape.count == 1 ? .f32 : .panelF32, shape: $0.shape)
        }))
    for tensor in tensors {
      guard tensor.shape.count == 2 else {
        try unsafe tensor.values.withUnsafeBytes { try unsafe writer.write($0) }
        continue
      }
      let (rows, columns) = (tensor.shape[0], tensor.shape[1])
      let bytes = OwnedBytes(byteCount: WeightFormat.f32.byteCount(rows: rows, columns: columns))
      unsafe tensor.values.withUnsafeBufferPointer {
        unsafe PackedMatrix.pack($0, rows: rows, columns: columns, format: .f32, into: bytes.bytes)
      }
      try unsafe writer.write(UnsafeRawBufferPointer(bytes.bytes))
    }
    try writer.finish()
    return try ModelFile.open(path: folder.path("random.mio"))
  }

  // MARK: - The formulas

  /// Logits [T, V] of one sequence.
  func logits(_ tokens: [Int32]) -> [Double] {
    var x = tokens.map { token in row(tensor("model.embed_tokens.weight"), Int(token)) }
    for layer in 0..<layerCount {
      let path = "model.layers.\(layer)."
      let attended = attention(x.map { norm($0, path + "input_layernorm.weight") }, path + "self_attn.")
      for t in x.indices {
        x[t] = sum(x[t], multiply(path + "self_attn.o_proj.weight", attended[t]))
        let h = norm(x[t], path + "post_attention_layernorm.weight")
        let gate = multiply(path + "mlp.gate_proj.weight", h).map { $0 / (1 + exp(-$0)) }
        let inner = zip(gate, multiply(path + "mlp.up_proj.weight", h)).map { $0 * $1 }
        x[t] = sum(x[t], multiply(path + "mlp.down_proj.weight", inner))
      }
    }
    let head = isTied ? "model.embed_tokens.weight" : "lm_head.weight"
    return x.flatMap { multiply(head, norm($0, "model.norm.weight")) }
  }

  private func attention(_ x: [[Double]], _ path: String) -> [[Double]] {
    let d = headWidth
    let queries = x.indices.map { rotate(multiply(path + "q_proj.weight", x[$0]), position: $0) }
    let keys = x.indices.map { rotate(multiply(path + "k_proj.weight", x[$0]), position: $0) }
    let values = x.map { multiply(path + "v_proj.weight", $0) }
    return x.indices.map { t in
      (0..<headCount).flatMap { head in
        let group = head / (headCount / kvHeadCount)
        let weights = (0...t).map { position in
          let score = (0..<d).reduce(0) { $0 + queries[t][head * d + $1] * keys[position][group * d + $1] }
          return exp(score / Double(d).squareRoot())
        }
        let total = weights.reduce(0, +)
        return (0..<d).map { column in
          (0...t).reduce(0) { $0 + weights[$1] / total * values[$1][group * d + column] }
        }
      }
    }
  }

  private func rotate(_ heads: [Double], position: Int) -> [Double] {
    let d = headWidth
    return heads.indices.map { index in
      let (start, column) = (index / d * d, index % d)
      let angle = Double(position) * pow(theta, -2 * Double(column % (d / 2)) / Double(d))
      let (a, b) = (heads[start + column % (d / 2)], heads[start + column % (d / 2) + d / 2])
      return column < d / 2 ? a * cos(angle) - b * sin(angle) : b * cos(angle) + a * sin(angle)
    }
  }

  private func norm(_ x: [Double], _ name: String) -> [Double] {
    let scale = 1 / (x.reduce(0) { $0 + $1 * $1 } / Double(x.count) + epsilon).squareRoot()
    return zip(x, tensor(name).values).map { $0 * scale * Double($1) }
  }

  private func multiply(_ name: String, _ x: [Double]) -> [Double] {
    let matrix = tensor(name)
    return (0..<matrix.shape[0]).map { r in zip(row(matrix, r), x).reduce(0) { $0 + $1.0 * $1.1 } }
  }

  private func row(_ tensor: (name: String, shape: [Int], values: [Float]), _ index: Int) -> [Double] {
    tensor.values[index * tensor.shape[1]..<(index + 1) * tensor.shape[1]].map { Double($0) }
  }

  private func tensor(_ name: String) -> (name: String, shape: [Int], values: [Float]) {
    tensors.first { $0.name == name } ?? ("", [0, 0], [])
  }

  private func sum(_ a: [Double], _ b: [Double]) -> [Double] { zip(a, b).map { $0 + $1 } }
}
