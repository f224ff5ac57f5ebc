import MioKernels
import MioTestSupport
import Testing

@Suite struct AttentionTests {
  /// Query heads, key/value heads, head width: odd numbers of heads, widths that fill no register.
  static let shapes = [
    Attention(headCount: 4, kvHeadCount: 2, headWidth: 16), Attention(headCount: 3, kvHeadCount: 3, headWidth: 20),
    Attention(headCount: 9, kvHeadCount: 3, headWidth: 32), Attention(headCount: 5, kvHeadCount: 1, headWidth: 70),
    Attention(headCount: 16, kvHeadCount: 2, headWidth: 128),
  ]
  /// Rows around the ends of panels, pages and chunks; row r sees r + 1 positions.
  static let rows = [0, 1, 14, 15, 16, 62, 63, 64, 254, 255, 256, 599]

  /// Largest absolute difference from attention in 64-bit arithmetic, values being Gaussian with deviation 1: measured
  /// (int8 0.018, f16 0.0012, f32 1.1e-6) and allowed twice.
  static func tolerance(_ format: KeyValueFormat) -> Float {
    switch format {
    case .int8: 0.036
    case .f16: 0.0024
    case .f32: 2.2e-6
    }
  }

  @Test(arguments: shapes, KeyValueFormat.allCases)
  func `agrees with 64-bit arithmetic`(shape: Attention, format: KeyValueFormat) {
    let sequence = AttentionInput(shape, length: 600, seed: 5)
    var session = AttentionSession(shape, format)
    let result = session.run([(session.cache.makeSequence(), sequence, 0..<600)])
    let width = shape.headCount * shape.headWidth
    for row in Self.rows {
      let difference = largestDifference(Array(result[row * width..<(row + 1) * width]), sequence.expected(row: row))
      #expect(difference < Self.tolerance(format), "row \(row)")
    }
  }

  @Test(arguments: KernelVariant.available, KeyValueFormat.allCases)
  func `gives the bits of the definition on every instruction set`(variant: KernelVariant, format: KeyValueFormat) {
    for shape in Self.shapes {
      let sequence = AttentionInput(shape, length: 300, seed: 6)
      var fast = AttentionSession(shape, format, variant: variant)
      var slow = AttentionSession(shape, format, variant: KernelVariant.reference)
      let first = fast.run([(fast.cache.makeSequence(), sequence, 0..<300)])
      let second = slow.run([(slow.cache.makeSequence(), sequence, 0..<300)])
      #expect(first == second, "\(shape)")
    }
  }

  @Test(arguments: KeyValueFormat.allCases)
  func `gives the same bits in one pass and in many`(format: KeyValueFormat) {
    let shape = Attention(headCount: 6, kvHeadCount: 2, headWidth: 32)
    let sequence = AttentionInput(shape, length: 700, seed: 1)
    var whole = AttentionSession(shape, format)
    let expected = whole.run([(whole.cache.makeSequence(), sequence, 0..<700)])
    var cut = AttentionSession(shape, format, threads: 2)
    let handle = cut.cache.makeSequence()
    var result: [Float] = []
    var start = 0
    for length in [1, 1, 2, 61, 5, 200, 300, 1, 1, 100, 27, 1] {
      result += cut.run([(handle, sequence, start..<start + length)])
      start += length
    }
    #expect(result == expected)
  }

  @Test func `gives the same bits whatever else is in the batch, on any number of threads`() {
    let shape = Attention(headCount: 6, kvHeadCount: 3, headWidth: 48)
    let sequences = [300, 1, 65, 513, 20].enumerated().map {
      AttentionInput(shape, length: $1 + 1, seed: UInt64($0))
    }
    var alone: [[Float]] = []
    for sequence in sequences {
      var session = AttentionSession(shape, .int8)
      let handle = session.cache.makeSequence()
      _ = session.run([(handle, sequence, 0..<sequence.length - 1)])
      alone.append(session.run([(handle, sequence, sequence.length - 1..<sequence.length)]))
    }
    for threads in [1, 2, 5] {
      var session = AttentionSession(shape, .int8, threads: threads)
      let handles = sequences.map { _ in session.cache.makeSequence() }
      _ = session.run(zip(handles, sequences).map { ($0, $1, 0..<$1.length - 1) })
      let result = session.run(zip(handles, sequences).map { ($0, $1, $1.length - 1..<$1.length) })
      #expect(result == alone.flatMap { $0 }, "\(threads) threads")
    }
  }

  @Test func `a fork continues as a fresh sequence does, and leaves its origin alone`() {
    let shape = Attention(headCount: 4, kvHeadCount: 2, headWidth: 32)
    for length in [10, 64, 100] {
      let origin = AttentionInput(shape, length: length + 70, seed: 7)
      let other = AttentionInput(shape, length: length + 70, seed: 8, startingWith: (origin, length))
      var fresh = AttentionSession(shape, .int8)
      let expected = [origin, other].map { fresh.run([(fresh.cache.makeSequence(), $0, 0..<length + 70)]) }
      var session = AttentionSession(shape, .int8)
      let first = session.cache.makeSequence()
      let prefix = session.run([(first, origin, 0..<length)])
      let second = session.cache.fork(first)
      var results = [prefix, prefix]
      for position in length..<length + 70 {
        let rows = session.run([(first, origin, position..<position + 1), (second, other, position..<position + 1)])
        results[0] += rows.prefix(rows.count / 2)
        results[1] += rows.suffix(rows.count / 2)
      }
      #expect(results == expected)
    }
  }

  @Test(arguments: KeyValueFormat.allCases)
  func `survives zeros, huge and tiny numbers`(format: KeyValueFormat) {
    let shape = Attention(headCount: 2, kvHeadCount: 1, headWidth: 32)
    for magnitude: Float in [0, 1e-38, 1e-30, 1e-6, 1e4] {
      let sequence = AttentionInput(shape, length: 70, seed: 3, magnitude: magnitude)
      var session = AttentionSession(shape, format)
      let result = session.run([(session.cache.makeSequence(), sequence, 0..<70)])
      #expect(result.allSatisfy { $0.isFinite && $0.magnitude <= 6.1 * magnitude })
    }
  }
}
