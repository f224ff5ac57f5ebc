/// Sound written to a pipe or terminal descriptor while it is made.
package final class AudioStream {
  package enum Format: Sendable {
    /// Signed 16-bit little-endian samples, no header.
    case raw16
    /// RIFF WAVE with 16-bit samples; its sizes say "until the end", because the header goes out first.
    case wave16
    /// The same with 32-bit floats.
    case waveFloat
  }

  package let name: String
  /// Samples that were beyond full scale (or not a number) and had to be cut off.
  package var clippedSampleCount: Int { clipper.clippedCount }

  private let descriptor: FileDescriptor
  private let header: WaveHeader
  private var clipper = SampleClipper()

  /// - Parameter descriptor: stays the caller's and open.
  package init(descriptor: Int32, name: String, format: Format, sampleRateHz: Int) throws(MediaError) {
    self.name = name
    self.descriptor = FileDescriptor(descriptor, owned: false)
    header = WaveHeader(encoding: format == .waveFloat ? .float32 : .integer16, sampleRateHz: sampleRateHz)
    if format != .raw16 { try self.descriptor.write(header.bytes(sampleCount: nil), name: name) }
  }

  package func write(_ samples: [Float]) throws(MediaError) {
    try descriptor.write(header.encode(samples, clipper: &clipper), name: name)
  }
}
