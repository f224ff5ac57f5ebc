import Foundation
import MioFormat
import MioKernels

/// Chooses the 4-bit codes and scales of the language model's projections by what they do to its activations on some tokens.
///
/// Layer by layer: the tokens run through the layers that are done, in 4 bits, so that each layer makes up for the errors of
/// those before it; Σ x xᵀ of a matrix's inputs weighs its errors (see ``GroupSearch``). What was chosen waits in a scratch
/// file, so memory holds the activations, one matrix and its Hessian.
///
/// The same checkpoint, tokens, OpenBLAS and kind of processor give the same bytes, for any number of threads.
struct Calibration {
  let plan: ComponentPlan
  let tokens: CalibrationTokens
  let threads: Int
  let progress: (_ done: Int, _ total: Int, _ tensor: String) -> Void
  let isCancelled: () -> Bool

  /// Packs every projection that the plan has in q4.
  ///
  /// - Parameters:
  ///   - encodings: by name of the tensor.
  ///   - measures: whether to find out what the 4 bits cost.
  /// - Returns: what they cost, in the order of the layers; empty if not asked for.
  func run(
    _ encodings: [String: TensorEncoding], scratch: CalibratedTensors, measures: Bool = false
  ) throws(ConversionError) -> [ProjectionLoss] {
    let library = try OpenBLAS()
    let network = try network(library)
    var meter = LossMeter(network)
    let hidden = try embed()
    let rows = hidden.rows
    let (e, f, kv) = (network.width, network.innerWidth, network.kvHeadCount * network.headWidth)
    let heads = network.headCount * network.headWidth
    let state = FloatMatrix(rows: rows, columns: e)
    let layerCount = try setting("layer_count")
    for layer in 0..<layerCount {
      let path = "model.layers.\(layer)."
      func choose(
        _ names: [String], _ inputs: FloatMatrix, into outputs: [FloatMatrix], adding: Bool = false
      ) throws(ConversionError) {
        let wanted = names.filter { encodings[path + $0] == .panelQ4 }
        let factor = wanted.isEmpty ? nil : try HessianFactor(network.hessian(of: inputs), library)
        for (name, output) in zip(names, outputs) {
          if isCancelled() { throw ConversionError(.cancelled, file: "conversion", "cancelled; nothing was written") }
          var weights = try matrix(path + name)
          var chosen: FloatMatrix?
          if let factor, encodings[path + name] == .panelQ4 {
            let matrix = CalibratedMatrix(weights, factor, library, network.pool)
            try scratch.add(path + name, matrix.bytes)
            chosen = matrix.values
          }
          if measures {
            meter.measure(path + name, weights, chosen: chosen, inputs: inputs, stream: adding ? output : nil)
          }
          if let chosen { weights = chosen }
          network.multiply(inputs, weights, into: output, adding: adding)
        }
        progress(layer, layerCount, path + (names.first ?? ""))
      }
      network.normalize(hidden, try vector(path + "input_layernorm.weight"), into: state)
      let attended = FloatMatrix(rows: rows, columns: heads)
      do {
        let (q, k, v) = (
          FloatMatrix(rows: rows, columns: heads), FloatMatrix(rows: rows, columns: kv), FloatMatrix(rows: rows, columns: kv)
        )
        try choose(["q", "k", "v"].map { "self_attn.\($0)_proj.weight" }, state, into: [q, k, v])
        network.rotate(q)
        network.rotate(k)
        network.attend(q, k, v, into: attended)
      }
      try choose(["self_attn.o_proj.weight"], attended, into: [hidden], adding: true)
      network.normalize(hidden, try vector(path + "post_attention_layernorm.weight"), into: state)
      let (gate, up) = (FloatMatrix(rows: rows, columns: f), FloatMatrix(rows: rows, columns: f))
      try choose(["mlp.gate_proj.weight", "mlp.up_proj.weight"], state, into: [gate, up])
      network.gate(gate, by: up)
      try choose(["mlp.down_proj.weight"], gate, into: [hidden], adding: true)
    }
    return meter.losses
  }

  private func setting(_ name: String) throws(ConversionError) -> Int {
    do { return try plan.config.int(name) } catch { throw ConversionError(.unsupported, file: "config.json", "\(error)") }
  }

  /// D, which a configuration only gives where it is not E / H.
  private func headWidth() throws(ConversionError) -> Int {
    if let stored = try? plan.config.intIfPresent("head_width") { return stored }
    return try setting("width") / setting("head_count")
  }

  private func network(_ library: OpenBLAS) throws(ConversionError) -> CalibrationNetwork {
    let numbers: (epsilon: Double, theta: Double)
    do {
      numbers = (try plan.config.float("norm_epsilon"), try plan.config.float("rope_theta"))
    } catch { throw ConversionError(.unsupported, file: "config.json", "\(error)") }
    var start = 0
    let sequences = tokens.sequences.map { sequence in
      defer { start += sequence.count }
      return start..<start + sequence.count
    }
    return CalibrationNetwork(
      width: try setting("width"), innerWidth: try setting("inner_width"), headCount: try setting("head_count"),
      kvHeadCount: try setting("kv_head_count"), headWidth: try headWidth(), normEpsilon: Float(numbers.epsilon),
      ropeTheta: numbers.theta, library: library, pool: WorkerPool(threads: threads), sequences: sequences)
  }

  /// The embeddings of all tokens [N, E].
  private func embed() throws(ConversionError) -> FloatMatrix {
    let source = try source("model.embed_tokens.weight")
    let (rows, width) = (source.shape[0], source.shape[1])
    let ids = tokens.sequences.joined().map(Int.init)
    if let id = ids.first(where: { !(0..<rows).contains($0) }) {
      throw ConversionError(
        .unsupported, file: tokens.name, "token id \(id) is not in the model's vocabulary of \(rows)")
    }
    let hidden = FloatMatrix(rows: ids.count, columns: width)
    var scratch: [UInt8] = []
    for (row, id) in ids.enumerated() {
      try unsafe source.readFloats(
        id * width..<(id + 1) * width, into: UnsafeMutableBufferPointer(start: hidden.row(row), count: width),
        scratch: &scratch)
    }
    return hidden
  }

  private func source(_ name: String) throws(ConversionError) -> StoredTensor {
    guard let tensor = plan.tensors.first(where: { $0.name == name }), let source = plan.source[tensor.sources[0].name]
    else { throw ConversionError(.missingTensor, file: "weights", tensor: name, "missing") }
    return source
  }

  private func matrix(_ name: String) throws(ConversionError) -> FloatMatrix {
    let source = try source(name)
    let matrix = FloatMatrix(rows: source.shape[0], columns: source.shape[1])
    var scratch: [UInt8] = []
    // In slices, so that the bytes of the file take little memory beside the floats.
    for start in stride(from: 0, to: source.elementCount, by: ConversionSchedule.stepElementCount) {
      let range = start..<min(source.elementCount, start + ConversionSchedule.stepElementCount)
      let target = unsafe UnsafeMutableBufferPointer(start: matrix.base + start, count: range.count)
      try unsafe source.readFloats(range, into: target, scratch: &scratch)
      guard unsafe StepWorker.peak(UnsafeBufferPointer(target)) <= TensorEncoding.panelQ4.greatestMagnitude else {
        throw ConversionError(
          .badWeight, file: source.file, tensor: name, "has values that 4 bits cannot hold; convert without --calibrate")
      }
    }
    return matrix
  }

  private func vector(_ name: String) throws(ConversionError) -> [Float] { try source(name).floats() }
}
