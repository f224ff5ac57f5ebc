import MioFormat
import MioKernels

/// Residual vector quantizer: every codebook names the codeword nearest to what the codebooks before it have left over.
///
/// Zeghidour et al. 2021, arXiv:2107.03312; `ResidualVectorQuantization` of the reference. Codebook 0 is content, the
/// others timbre.
package struct ResidualQuantizer: Sendable {
  /// Memory reused inside ``encode(_:into:state:on:)``.
  final class State {
    fileprivate var residual: Activations  // [T, D]
    fileprivate var products: Activations  // [T, N]
    fileprivate var codeword: Activations  // [1, D]

    init(_ quantizer: ResidualQuantizer, maximumRows: Int) {
      residual = Activations(unspecified: maximumRows, columns: quantizer.width)
      products = Activations(unspecified: maximumRows, columns: quantizer.codebookSize)
      codeword = Activations(rows: 1, columns: quantizer.width)
    }
  }

  let width: Int
  package let codebookSize: Int
  let codebooks: [PackedMatrix]  // Q of [N, D]
  let squaredNorms: [WeightVector]  // |e|² of every codeword, Q of [N]

  init(_ config: SpeechConfig, from weights: WeightScope) throws(ModelFileError) {
    var codebooks: [PackedMatrix] = []
    var squaredNorms: [WeightVector] = []
    for codebook in 0..<config.codebookCount {
      let codebook = weights["vq"]["layers"][codebook]["_codebook"]
      codebooks.append(try codebook.matrix("embed", [config.codebookSize, config.width]))
      squaredNorms.append(try codebook.vector("squared_norms", config.codebookSize))
    }
    (self.codebooks, self.squaredNorms) = (codebooks, squaredNorms)
    (width, codebookSize) = (config.width, config.codebookSize)
  }

  package var codebookCount: Int { codebooks.count }

  /// Appends the codes of `features` [T, D] to `codes`, one list for each codebook asked for.
  ///
  /// Distances are compared in single precision first; the few codewords that could be nearest within its error are
  /// then compared in double precision. Among equals the first wins.
  func encode(_ features: borrowing Activations, into codes: inout [[Int32]], state: State, on context: KernelContext) {
    state.residual.copyRows(from: features)
    for codebook in codes.indices {
      state.products.reshape(rows: features.rows)
      codebooks[codebook].apply(state.residual, into: &state.products, on: context)
      for row in 0..<features.rows {
        let code = nearest(row, codebook: codebook, state)
        codes[codebook].append(Int32(code))
        guard codebook + 1 < codes.count else { continue }
        copyCodeword(code, codebook: codebook, state)
        state.residual.subtract(state.codeword, fromRow: row)
      }
    }
  }

  private func nearest(_ row: Int, codebook: Int, _ state: State) -> Int {
    let norms = squaredNorms[codebook]
    let (best, distance) = state.products.smallest(row: row) { code, product in norms[code] - 2 * product }
    // Bounds the rounding of the two sums of D terms.
    let tolerance = 1e-5 * (Float(state.residual.squaredNorm(row: row)) + abs(distance) + norms[best])
    var candidates: [Int] = []
    state.products.forEach(row: row) { code, product in
      if norms[code] - 2 * product <= distance + tolerance { candidates.append(code) }
    }
    guard candidates.count > 1 else { return best }
    let distances = candidates.map { code in
      copyCodeword(code, codebook: codebook, state)
      return state.residual.squaredDistance(row: row, to: state.codeword)
    }
    return zip(candidates, distances).min { $0.1 < $1.1 }?.0 ?? best
  }

  private func copyCodeword(_ code: Int, codebook: Int, _ state: State) {
    unsafe codebooks[codebook].copyRow(code, into: state.codeword.row(0))
  }

  /// Checks codes from outside and returns their number of frames.
  func frameCount(of codes: [[Int32]], codebooks: Int) throws(SpeechCodecError) -> Int {
    guard codes.count == codebooks, let first = codes.first else {
      throw SpeechCodecError(.wrongLevelCount, "\(codes.count) codebooks of codes where \(codebooks) are expected")
    }
    for (codebook, row) in codes.enumerated() {
      guard row.count == first.count else {
        throw SpeechCodecError(
          .unequalCodebooks,
          "codebook \(codebook) has \(row.count) codes, codebook 0 has \(first.count); cut them to equal length")
      }
      guard let frame = row.firstIndex(where: { $0 < 0 || $0 >= Int32(codebookSize) }) else { continue }
      throw SpeechCodecError(
        .codeOutOfRange, "code \(row[frame]) at frame \(frame) of codebook \(codebook); codes are 0...\(codebookSize - 1)")
    }
    return first.count
  }

  /// Sums the codewords of `codes` [q, T], q from 1 to Q, into `features`, which becomes [T, D].
  ///
  /// - Parameter frames: those to decode.
  func decode(_ codes: [[Int32]], frames: Range<Int>, into features: inout Activations, codeword: inout Activations) {
    features.reshape(rows: frames.count, columns: width)
    features.fill(0)
    codeword.reshape(rows: 1, columns: width)
    for (codebook, row) in codes.enumerated() {
      for frame in frames {
        unsafe codebooks[codebook].copyRow(Int(row[frame]), into: codeword.row(0))
        features.add(codeword, toRow: frame - frames.lowerBound)
      }
    }
  }
}
