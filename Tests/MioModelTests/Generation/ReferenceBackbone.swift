import Foundation
import MioKernels
import MioModel

/// A Llama-style language model in plain Swift and f32, one token at a time: what generation is tested on where the
/// scores must be exact. It reads the checkpoint itself and shares nothing with the product's network.
final class ReferenceBackbone: SequenceScorer {
  private struct Layer {
    var inputNorm, postNorm: [Float]
    var query, key, value, output, gate, up, down: Matrix
  }

  private struct Matrix {
    var rows: Int
    var columns: Int
    var values: [Float]

    func apply(_ x: [Float]) -> [Float] {
      unsafe values.withUnsafeBufferPointer { w in
        unsafe x.withUnsafeBufferPointer { x in
          (0..<rows).map { row in
            var sums = SIMD8<Float>.zero
            for k in stride(from: 0, to: columns & ~7, by: 8) {
              let weights = unsafe UnsafeRawPointer(w.baseAddress! + row * columns + k).loadUnaligned(as: SIMD8<Float>.self)
              let inputs = unsafe UnsafeRawPointer(x.baseAddress! + k).loadUnaligned(as: SIMD8<Float>.self)
              sums += weights * inputs
            }
            var sum = sums.sum()
            for k in (columns & ~7)..<columns { sum += unsafe w[row * columns + k] * x[k] }
            return sum
          }
        }
      }
    }
  }

  private struct Sequence {
    var length = 0
    var keys: [[Float]]  // by layer, [T, K * D]
    var values: [[Float]]
  }

  let vocabularySize: Int
  let contextLength: Int
  /// Tokens evaluated so far, over all sequences.
  private(set) var evaluatedCount = 0
  var liveCount: Int { sequences.count }
  private let width, headCount, keyValueHeadCount: Int
  private let epsilon, theta: Double
  private let embedding, head: Matrix
  private let finalNorm: [Float]
  private let layers: [Layer]
  private var sequences: [Int: Sequence] = [:]
  private var nextHandle = 0

  init(_ directory: URL) throws {
    let config = try JSONSerialization.jsonObject(
      with: Data(contentsOf: directory.appendingPathComponent("config.json"))) as! [String: Any]
    let tensors = try CheckpointTensors(directory)
    func matrix(_ name: String) throws -> Matrix {
      let (shape, values) = try tensors.floats(name)
      return Matrix(rows: shape[0], columns: shape[1], values: values)
    }
    func number(_ key: String) -> Double { (config[key] as! NSNumber).doubleValue }
    width = Int(number("hidden_size"))
    headCount = Int(number("num_attention_heads"))
    keyValueHeadCount = Int(number("num_key_value_heads"))
    epsilon = number("rms_norm_eps")
    theta = number("rope_theta")
    contextLength = Int(number("max_position_embeddings"))
    embedding = try matrix("model.embed_tokens.weight")
    head = try matrix("lm_head.weight")
    vocabularySize = head.rows
    finalNorm = try tensors.floats("model.norm.weight").values
    layers = try (0..<Int(number("num_hidden_layers"))).map { index in
      let name = "model.layers.\(index)."
      return Layer(
        inputNorm: try tensors.floats(name + "input_layernorm.weight").values,
        postNorm: try tensors.floats(name + "post_attention_layernorm.weight").values,
        query: try matrix(name + "self_attn.q_proj.weight"), key: try matrix(name + "self_attn.k_proj.weight"),
        value: try matrix(name + "self_attn.v_proj.weight"), output: try matrix(name + "self_attn.o_proj.weight"),
        gate: try matrix(name + "mlp.gate_proj.weight"), up: try matrix(name + "mlp.up_proj.weight"),
        down: try matrix(name + "mlp.down_proj.weight"))
    }
  }

  func makeSequence() -> Int {
    let empty = Array(repeating: [Float](), count: layers.count)
    sequences[nextHandle] = Sequence(keys: empty, values: empty)
    nextHandle += 1
    return nextHandle - 1
  }

  func fork(_ sequence: Int) -> Int {
    sequences[nextHandle] = sequences[sequence]!
    nextHandle += 1
    return nextHandle - 1
  }

  func release(_ sequence: Int) {
    precondition(sequences.removeValue(forKey: sequence) != nil, "sequence \(sequence) was released twice")
  }

  func length(of sequence: Int) -> Int { sequences[sequence]!.length }

  func evaluate(_ inputs: [ScoringInput], into logits: inout Activations) {
    for (row, input) in inputs.enumerated() {
      var state = sequences[input.sequence]!
      var hidden: [Float] = []
      for token in input.tokens { hidden = forward(token, &state) }
      sequences[input.sequence] = state
      evaluatedCount += input.tokens.count
      if !input.wantsLogits { continue }
      let scores = head.apply(normalize(hidden, finalNorm))
      for id in 0..<vocabularySize { logits[row, id] = input.legal == nil ? scores[id] : -.infinity }
      for range in input.legal ?? [] { for id in range { logits[row, id] = scores[id] } }
    }
  }

  private func forward(_ token: Int32, _ state: inout Sequence) -> [Float] {
    var x = Array(embedding.values[Int(token) * width..<(Int(token) + 1) * width])
    for (index, layer) in layers.enumerated() {
      let h = normalize(x, layer.inputNorm)
      let query = rotate(layer.query.apply(h), at: state.length)
      state.keys[index] += rotate(layer.key.apply(h), at: state.length)
      state.values[index] += layer.value.apply(h)
      let attended = attend(query, state.keys[index], state.values[index], count: state.length + 1)
      for (i, y) in layer.output.apply(attended).enumerated() { x[i] += y }
      let m = normalize(x, layer.postNorm)
      let inner = zip(layer.gate.apply(m), layer.up.apply(m)).map { $0 / (1 + exp(-$0)) * $1 }
      for (i, y) in layer.down.apply(inner).enumerated() { x[i] += y }
    }
    state.length += 1
    return x
  }

  private func normalize(_ x: [Float], _ weight: [Float]) -> [Float] {
    let mean = x.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(x.count)
    let scale = Float(1 / (mean + epsilon).squareRoot())
    return zip(x, weight).map { $0 * scale * $1 }
  }

  private func rotate(_ x: [Float], at position: Int) -> [Float] {
    let d = width / headCount
    var y = x
    for start in stride(from: 0, to: x.count, by: d) {
      for j in 0..<d / 2 {
        let angle = Double(position) * pow(theta, -2 * Double(j) / Double(d))
        let (a, b) = (Double(x[start + j]), Double(x[start + j + d / 2]))
        y[start + j] = Float(a * cos(angle) - b * sin(angle))
        y[start + j + d / 2] = Float(b * cos(angle) + a * sin(angle))
      }
    }
    return y
  }

  private func attend(_ query: [Float], _ keys: [Float], _ values: [Float], count: Int) -> [Float] {
    let d = width / headCount
    let stride = keyValueHeadCount * d
    var result = Array(repeating: Float(0), count: width)
    for head in 0..<headCount {
      let shared = head / (headCount / keyValueHeadCount) * d
      var scores = (0..<count).map { t in
        (0..<d).reduce(Float(0)) { $0 + query[head * d + $1] * keys[t * stride + shared + $1] } / Float(d).squareRoot()
      }
      let highest = scores.max()!
      scores = scores.map { exp($0 - highest) }
      let sum = scores.reduce(0, +)
      for t in 0..<count {
        for j in 0..<d { result[head * d + j] += scores[t] / sum * values[t * stride + shared + j] }
      }
    }
    return result
  }
}

/// The tensors of a directory's safetensors files, as floats.
private struct CheckpointTensors {
  private var entries: [String: (dtype: String, shape: [Int], bytes: Data)] = [:]

  init(_ directory: URL) throws {
    for file in try FileManager.default.contentsOfDirectory(at: directory, includingPropertiesForKeys: nil)
    where file.pathExtension == "safetensors" {
      let data = try Data(contentsOf: file)
      let length = (0..<8).reduce(0) { $0 | Int(data[$1]) << (8 * $1) }
      let header = try JSONSerialization.jsonObject(with: data[8..<8 + length]) as! [String: Any]
      for (name, value) in header where name != "__metadata__" {
        let entry = value as! [String: Any]
        let offsets = entry["data_offsets"] as! [Int]
        entries[name] = (
          entry["dtype"] as! String, entry["shape"] as! [Int], data[8 + length + offsets[0]..<8 + length + offsets[1]]
        )
      }
    }
  }

  func floats(_ name: String) throws -> (shape: [Int], values: [Float]) {
    let (dtype, shape, bytes) = entries[name]!
    let values: [Float] = unsafe bytes.withUnsafeBytes { raw in
      switch dtype {
      case "BF16":
        (0..<raw.count / 2).map {
          Float(bitPattern: UInt32(unsafe raw.loadUnaligned(fromByteOffset: $0 * 2, as: UInt16.self)) << 16)
        }
      case "F16":
        (0..<raw.count / 2).map { Float(unsafe raw.loadUnaligned(fromByteOffset: $0 * 2, as: Float16.self)) }
      default: (0..<raw.count / 4).map { unsafe raw.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self) }
      }
    }
    return (shape, values)
  }
}
