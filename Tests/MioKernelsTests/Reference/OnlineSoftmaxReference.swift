import CMioKernels
import MioKernels

/// Scores of dense attention to weights: the definition of every result.
enum OnlineSoftmaxReference {
  /// See `mio_online_softmax`.
  static func onlineSoftmax(_ row: mio_online_softmax_row) {
    let peak = unsafe raiseMaximum(row, to: peak(row))
    var sum = Lanes(repeating: 0)
    for first in unsafe stride(from: 0, to: row.padded, by: 16) {
      let weights = unsafe weights(row, first, peak)
      sum += weights
      unsafe VectorMath.store(weights, row.scores + first, 16)
    }
    unsafe row.state[1] += VectorMath.sum(sum)
  }

  /// See `mio_online_softmax_fixed`.
  static func onlineSoftmaxFixed(
    _ row: mio_online_softmax_row, _ values: UnsafeMutablePointer<Int16>, _ scales: UnsafeMutablePointer<Float>
  ) {
    let own = unsafe peak(row)
    let peak = unsafe raiseMaximum(row, to: own)
    var sum: Int32 = 0
    for first in unsafe stride(from: 0, to: row.padded, by: 16) {
      let weights = unsafe VectorMath.fixedPowerBelowOne(shifted(row, first, own))
      sum += weights.wrappedSum()
      for lane in 0..<16 { unsafe values[first + lane] = Int16(truncatingIfNeeded: weights[lane]) }
    }
    let scale = VectorMath.powerBelowOne(Lanes(repeating: own - peak))[0] * (1 / Float(MIO_FIXED_LIMIT))
    for group in unsafe 0..<(row.padded / 64) { unsafe scales[group] = scale }
    unsafe row.state[1] += Float(sum) * scale
  }

  private static func scores(_ row: mio_online_softmax_row, _ first: Int) -> Lanes {
    var scores = unsafe VectorMath.load(row.scores + first, 16)
    for lane in 0..<16 where unsafe first + lane >= row.visible { scores[lane] = -.infinity }
    return scores
  }

  /// Halves are folded onto each other, 8 and 8, 4 and 4, 2 and 2, 1 and 1.
  private static func largest(_ x: Lanes) -> Float {
    let eight = x.highHalf.replacing(with: x.lowHalf, where: x.lowHalf .> x.highHalf)
    let four = eight.highHalf.replacing(with: eight.lowHalf, where: eight.lowHalf .> eight.highHalf)
    let two = four.highHalf.replacing(with: four.lowHalf, where: four.lowHalf .> four.highHalf)
    return two.x > two.y ? two.x : two.y
  }

  private static func peak(_ row: mio_online_softmax_row) -> Float {
    var peaks = Lanes(repeating: -.infinity)
    for first in unsafe stride(from: 0, to: row.visible, by: 16) {
      let scores = unsafe scores(row, first)
      peaks = peaks.replacing(with: scores, where: scores .> peaks)
    }
    return unsafe largest(peaks) * row.scale
  }

  private static func raiseMaximum(_ row: mio_online_softmax_row, to score: Float) -> Float {
    let before = unsafe row.state[0]
    let peak = score > before ? score : before
    if peak == before { return peak }
    let factor = VectorMath.powerBelowOne(Lanes(repeating: before - peak))[0]
    unsafe row.state[0] = peak
    unsafe row.state[1] *= factor
    for column in unsafe 0..<row.width { unsafe row.result[column] *= factor }
    return peak
  }

  private static func shifted(_ row: mio_online_softmax_row, _ first: Int, _ peak: Float) -> Lanes {
    unsafe Lanes(repeating: 0 - peak).addingProduct(scores(row, first), Lanes(repeating: row.scale))
  }

  private static func weights(_ row: mio_online_softmax_row, _ first: Int, _ peak: Float) -> Lanes {
    if unsafe first >= row.visible { return Lanes(repeating: 0) }
    return unsafe VectorMath.powerBelowOne(shifted(row, first, peak))
  }
}
