import MioMedia

/// Mono sound in memory.
public struct AudioClip: Sendable {
  /// Samples, nominally in -1...1.
  public var samples: [Float]
  /// Samples per second.
  public var sampleRateHz: Int

  public init(samples: [Float], sampleRateHz: Int) {
    self.samples = samples
    self.sampleRateHz = sampleRateHz
  }

  /// Length in seconds.
  public var duration: Double { Double(samples.count) / Double(sampleRateHz) }
}
