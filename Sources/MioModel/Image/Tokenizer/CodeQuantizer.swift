import MioFormat
import MioKernels

/// Queries to codes: a small network into the space of the codebook, then the nearest codeword.
///
/// `VectorQuantizer2` of `seed_qformer/qformer_quantizer.py`, MIO-Team/MIO; nothing is normalized.
struct CodeQuantizer: Sendable {
  struct Scratch: ~Copyable {
    var hidden: Activations  // [Q, E]
    var vectors: Activations  // [Q, D]
    var products: Activations  // [Q, N]
    var codeword: Activations  // [1, D]

    init(_ config: ImageTokenizerConfig) {
      hidden = Activations(rows: config.queryCount, columns: config.queryWidth)
      vectors = Activations(rows: config.queryCount, columns: config.codeWidth)
      products = Activations(rows: config.queryCount, columns: config.codebookSize)
      codeword = Activations(rows: 1, columns: config.codeWidth)
    }
  }

  let inner: Projection  // [E, E]
  let outer: Projection  // [D, E]
  let codebook: PackedMatrix  // [N, D]
  let squaredNorms: WeightVector  // [N]

  init(_ config: ImageTokenizerConfig, from weights: WeightScope) throws(ModelFileError) {
    let (e, d) = (config.queryWidth, config.codeWidth)
    inner = try Projection("encode_task_layer.0", inputs: e, outputs: e, from: weights)
    outer = try Projection("encode_task_layer.2", inputs: e, outputs: d, from: weights)
    codebook = try weights.matrix("quantize.embedding.weight", [config.codebookSize, d])
    squaredNorms = try weights.vector("quantize.squared_norms", config.codebookSize)
  }

  /// The code of every query of `x` [Q, E].
  func forward(
    _ x: borrowing Activations, scratch: inout Scratch, trace: ImageTrace?, on context: KernelContext
  ) -> [Int32] {
    inner.forward(x, into: &scratch.hidden, on: context)
    scratch.hidden.tanh()
    outer.forward(scratch.hidden, into: &scratch.vectors, on: context)
    trace?.record("code_vectors", scratch.vectors)
    scratch.products.reshape(rows: x.rows, columns: codebook.rows)
    codebook.apply(scratch.vectors, into: &scratch.products, on: context)
    var codes: [Int32] = []
    for row in 0..<x.rows { codes.append(Int32(nearest(row, &scratch))) }
    return codes
  }

  /// The codeword with the smallest |z - e|², the first of equals. Those within rounding error of the best in single
  /// precision are compared again in double precision.
  private func nearest(_ row: Int, _ scratch: inout Scratch) -> Int {
    let (best, distance) = scratch.products.smallest(row: row) { code, product in squaredNorms[code] - 2 * product }
    let norm = Float(scratch.vectors.squaredNorm(row: row))
    let tolerance = 1e-5 * (norm + abs(distance) + squaredNorms[best])
    var candidates: [Int] = []
    scratch.products.forEach(row: row) { code, product in
      if squaredNorms[code] - 2 * product <= distance + tolerance { candidates.append(code) }
    }
    guard candidates.count > 1 else { return best }
    var nearest = (code: best, distance: Double.infinity)
    for code in candidates {
      copyCodeword(code, into: &scratch.codeword, row: 0)
      let distance = scratch.vectors.squaredDistance(row: row, to: scratch.codeword)
      if distance < nearest.distance { nearest = (code, distance) }
    }
    return nearest.code
  }

  /// Writes a codeword to a row of `target` [n, D].
  func copyCodeword(_ code: Int, into target: inout Activations, row: Int) {
    unsafe codebook.copyRow(code, into: target.row(row))
  }
}
