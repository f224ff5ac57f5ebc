/// Brings samples into the range of integer formats and counts what had to be changed.
///
/// Samples beyond full scale are cut off there, not scaled: one loud sample must not make the whole clip quieter.
struct SampleClipper {
  /// Samples changed so far because they were beyond -1...1 or not a number.
  private(set) var clippedCount = 0

  /// 16-bit integers: round(32768 x), cut to -32768...32767, so that reading gives back x to half a step.
  mutating func integers(_ samples: [Float]) -> [Int16] {
    samples.map { sample in
      let limited = limit(sample) * 32_768
      return Int16(min(max(limited.rounded(.toNearestOrEven), -32_768), 32_767))
    }
  }

  /// The samples cut to -1...1.
  mutating func floats(_ samples: [Float]) -> [Float] { samples.map { limit($0) } }

  private mutating func limit(_ sample: Float) -> Float {
    if sample.magnitude <= 1 { return sample }
    clippedCount += 1
    return sample.isNaN ? 0 : sample < 0 ? -1 : 1
  }
}
