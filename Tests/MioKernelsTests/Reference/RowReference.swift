import MioKernels

/// Operations on rows of activations: the definition of every result.
enum RowReference {
  /// x becomes function(x), sixteen at a time; missing lanes are 0.
  static func map(_ x: UnsafeMutablePointer<Float>, _ count: Int, _ function: (Lanes) -> Lanes) {
    for start in stride(from: 0, to: count, by: 16) {
      unsafe VectorMath.store(function(VectorMath.load(x + start, count - start)), x + start, count - start)
    }
  }

  /// x becomes function(x, y).
  static func combine(
    _ x: UnsafeMutablePointer<Float>, _ y: UnsafePointer<Float>, _ count: Int, _ function: (Lanes, Lanes) -> Lanes
  ) {
    for start in stride(from: 0, to: count, by: 16) {
      let result = unsafe function(VectorMath.load(x + start, count - start), VectorMath.load(y + start, count - start))
      unsafe VectorMath.store(result, x + start, count - start)
    }
  }

  static func gelu(_ x: Lanes) -> Lanes { 0.5 * x * (1 + VectorMath.erf(x * 0.707106781186547524)) }

  /// See `mio_normalize`.
  static func rmsNormalize(
    _ x: UnsafePointer<Float>, _ weight: UnsafePointer<Float>, _ epsilon: Float, _ y: UnsafeMutablePointer<Float>,
    _ count: Int
  ) {
    let scale = unsafe 1 / (sumOfSquares(x, count, minus: 0) / Float(count) + epsilon).squareRoot()
    for index in 0..<count { unsafe y[index] = unsafe x[index] * scale * weight[index] }
  }

  /// See `mio_layer_norm`.
  static func layerNormalize(
    _ x: UnsafePointer<Float>, _ weight: UnsafePointer<Float>, _ bias: UnsafePointer<Float>, _ epsilon: Float,
    _ y: UnsafeMutablePointer<Float>, _ count: Int
  ) {
    var sum = Lanes(repeating: 0)
    for start in stride(from: 0, to: count, by: 16) { sum += unsafe VectorMath.load(x + start, count - start) }
    let mean = VectorMath.sum(sum) / Float(count)
    let scale = unsafe 1 / (sumOfSquares(x, count, minus: mean) / Float(count) + epsilon).squareRoot()
    for index in 0..<count { unsafe y[index] = unsafe (x[index] - mean) * scale * weight[index] + bias[index] }
  }

  /// Σ (x - mean)².
  private static func sumOfSquares(_ x: UnsafePointer<Float>, _ count: Int, minus mean: Float) -> Float {
    var sum = Lanes(repeating: 0)
    for index in 0..<count {
      let deviation = unsafe x[index] - mean
      sum[index % 16] += deviation * deviation
    }
    return VectorMath.sum(sum)
  }

  /// See `mio_map`: e^(x - max) / Σ e^(x - max). Elements of -infinity become 0.
  static func softmax(_ x: UnsafeMutablePointer<Float>, _ count: Int) {
    var peak = -Float.infinity
    for index in 0..<count { peak = unsafe x[index] > peak ? x[index] : peak }
    if peak == -Float.infinity { peak = 0 }
    unsafe map(x, count) { VectorMath.exp($0 - peak) }
    var sum = Lanes(repeating: 0)
    for start in stride(from: 0, to: count, by: 16) { sum += unsafe VectorMath.load(x + start, count - start) }
    let scale = 1 / VectorMath.sum(sum)
    for index in 0..<count { unsafe x[index] *= scale }
  }

  /// See `mio_sums`.
  static func columnSums(
    _ x: UnsafePointer<Float>, _ rows: Int, _ stride: Int, _ centers: UnsafePointer<Float>, _ isSquared: Bool,
    _ columns: Int, _ sums: UnsafeMutablePointer<Float>
  ) {
    for column in 0..<columns {
      var sum: Float = 0
      for row in 0..<rows {
        let value = unsafe x[row * stride + column] - centers[column]
        sum += isSquared ? value * value : value
      }
      unsafe sums[column] = sum
    }
  }

  /// See `mio_lstm`.
  static func lstmStep(
    _ gates: UnsafePointer<Float>, _ cell: UnsafeMutablePointer<Float>, _ hidden: UnsafeMutablePointer<Float>, _ width: Int
  ) {
    for start in stride(from: 0, to: width, by: 16) {
      let count = width - start
      let input = unsafe VectorMath.sigmoid(VectorMath.load(gates + start, count))
      let forget = unsafe VectorMath.sigmoid(VectorMath.load(gates + width + start, count))
      let candidate = unsafe VectorMath.tanh(VectorMath.load(gates + 2 * width + start, count))
      let output = unsafe VectorMath.sigmoid(VectorMath.load(gates + 3 * width + start, count))
      let state = unsafe forget * VectorMath.load(cell + start, count) + input * candidate
      unsafe VectorMath.store(state, cell + start, count)
      unsafe VectorMath.store(output * VectorMath.tanh(state), hidden + start, count)
    }
  }
}
