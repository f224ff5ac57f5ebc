import Foundation
import MioKernels

/// Random queries, keys and values of one sequence.
struct AttentionInput {
  let shape: Attention
  let length: Int
  var queries: [Float]  // [T, H * D]
  var keys: [Float]  // [T, K * D]
  var values: [Float]  // [T, K * D]

  /// - Parameter prefix: another sequence, and how many of its positions this one begins with.
  init(
    _ shape: Attention, length: Int, seed: UInt64, magnitude: Float = 1,
    startingWith prefix: (AttentionInput, Int)? = nil
  ) {
    self.shape = shape
    self.length = length
    var generator = TestGenerator(seed: seed)
    let (queryWidth, keyWidth) = (shape.headCount * shape.headWidth, shape.kvHeadCount * shape.headWidth)
    queries = generator.gaussians(length * queryWidth, scale: magnitude)
    keys = generator.gaussians(length * keyWidth, scale: magnitude)
    values = generator.gaussians(length * keyWidth, scale: magnitude)
    if let (origin, count) = prefix {
      queries.replaceSubrange(..<(count * queryWidth), with: origin.queries[..<(count * queryWidth)])
      keys.replaceSubrange(..<(count * keyWidth), with: origin.keys[..<(count * keyWidth)])
      values.replaceSubrange(..<(count * keyWidth), with: origin.values[..<(count * keyWidth)])
    }
  }

  /// One row of rotary embedding and causal attention in 64-bit arithmetic, straight from the formulas.
  func expected(row: Int) -> [Float] {
    let d = shape.headWidth
    func rotated(_ source: [Float], _ index: Int, _ position: Int) -> [Double] {
      (0..<d).map { column in
        let pair = column % (d / 2)
        let angle = Double(position) * pow(AttentionSession.theta, -2 * Double(pair) / Double(d))
        let (a, b) = (Double(source[index + pair]), Double(source[index + pair + d / 2]))
        return column < d / 2 ? a * cos(angle) - b * sin(angle) : b * cos(angle) + a * sin(angle)
      }
    }
    var result = [Double](repeating: 0, count: shape.headCount * d)
    for group in 0..<shape.kvHeadCount {
      let keys = (0...row).map { rotated(self.keys, ($0 * shape.kvHeadCount + group) * d, $0) }
      for head in group * shape.headsPerGroup..<(group + 1) * shape.headsPerGroup {
        let query = rotated(queries, (row * shape.headCount + head) * d, row)
        let scores = keys.map { key in
          var sum = 0.0
          for column in 0..<d { sum += query[column] * key[column] }
          return sum / Double(d).squareRoot()
        }
        let peak = scores.max() ?? 0
        let weights = scores.map { exp($0 - peak) }
        let sum = weights.reduce(0, +)
        for position in 0...row {
          let weight = weights[position] / sum
          for column in 0..<d {
            result[head * d + column] += weight * Double(values[(position * shape.kvHeadCount + group) * d + column])
          }
        }
      }
    }
    return result.map { Float($0) }
  }
}

/// A cache of two layers and what attention over its second one needs.
struct AttentionSession: ~Copyable {
  static let theta = 10_000.0
  let shape: Attention
  let cache: KeyValueCache
  let rotary: RotaryEmbedding
  let context: KernelContext
  var scratch: Attention.Scratch

  init(_ shape: Attention, _ format: KeyValueFormat, variant: KernelVariant = .preferred, threads: Int = 1) {
    self.shape = shape
    cache = KeyValueCache(
      shape: .init(layerCount: 2, kvHeadCount: shape.kvHeadCount, headWidth: shape.headWidth, format: format),
      contextLength: 1024, capacity: 8192)
    rotary = RotaryEmbedding(headWidth: shape.headWidth, theta: Self.theta, contextLength: 1024)
    context = KernelContext(threads: threads, variant: variant)
    scratch = Attention.Scratch(shape, format: format, maxRows: 1024)
  }

  /// Appends the given positions of every input to its sequence and returns the results row by row.
  mutating func run(_ inputs: [(sequence: Int, input: AttentionInput, positions: Range<Int>)]) -> [Float] {
    var rows = AttentionRows(maxRows: 1024, headsPerGroup: shape.headsPerGroup)
    let (queryWidth, keyWidth) = (shape.headCount * shape.headWidth, shape.kvHeadCount * shape.headWidth)
    var (queries, keys, values): ([Float], [Float], [Float]) = ([], [], [])
    for (sequence, input, positions) in inputs {
      cache.append(positions.count, to: sequence)
      rotary.prepare(positions: positions.upperBound)
      rows.append(sequence, positions: positions, in: cache)
      queries += input.queries[positions.lowerBound * queryWidth..<positions.upperBound * queryWidth]
      keys += input.keys[positions.lowerBound * keyWidth..<positions.upperBound * keyWidth]
      values += input.values[positions.lowerBound * keyWidth..<positions.upperBound * keyWidth]
    }
    var result = Activations(rows: rows.count, columns: queryWidth)
    shape.forward(
      queries: Activations(rows: rows.count, columns: queryWidth, values: queries),
      keys: Activations(rows: rows.count, columns: keyWidth, values: keys),
      values: Activations(rows: rows.count, columns: keyWidth, values: values),
      rows: rows, storing: rows, layer: 1, cache: cache, rotary: rotary, into: &result, scratch: &scratch, on: context)
    return result.values
  }
}
