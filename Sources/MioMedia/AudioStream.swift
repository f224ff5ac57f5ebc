import MioFiles

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Sound written to an open file, pipe or device while it is made.
package final class AudioStream {
  package enum Format: Sendable {
    /// Signed 16-bit little-endian samples, no header.
    case raw16
    /// RIFF WAVE with 16-bit samples; its sizes say "until the end", because the header goes out first. In a regular file they
    /// are put right at the end.
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
  private var sampleCount = 0
  /// Where the header lies, if it can be put right.
  private let headerOffset: off_t?

  /// - Parameter descriptor: stays the caller's and open.
  package init(descriptor: Int32, name: String, format: Format, sampleRateHz: Int) throws(MediaError) {
    self.name = name
    self.descriptor = FileDescriptor(descriptor, owned: false)
    header = WaveHeader(encoding: format == .waveFloat ? .float32 : .integer16, sampleRateHz: sampleRateHz)
    headerOffset = format == .raw16 ? nil : self.descriptor.rewritableOffset
    if format != .raw16 { try self.descriptor.write(header.bytes(sampleCount: nil), name: name) }
  }

  package func write(_ samples: [Float]) throws(MediaError) {
    try descriptor.write(header.encode(samples, clipper: &clipper), name: name)
    sampleCount += samples.count
  }

  /// Puts the sizes of the header right where that can be done; nothing may be written afterwards.
  package func finish() throws(MediaError) {
    guard let headerOffset, sampleCount <= header.maximumSampleCount else { return }
    let bytes = header.bytes(sampleCount: sampleCount)
    let written = unsafe bytes.withUnsafeBytes { unsafe pwrite(descriptor.value, $0.baseAddress!, $0.count, headerOffset) }
    guard written == bytes.count else {
      throw MediaError(.writeFailed, name, "cannot complete the header: \(systemErrorText())")
    }
  }
}

extension FileDescriptor {
  /// The position of a regular file whose bytes can be written again; nil for pipes, and for files that only grow.
  fileprivate var rewritableOffset: off_t? {
    guard regularFileLength != nil, fcntl(value, F_GETFL) & O_APPEND == 0 else { return nil }
    let offset = lseek(value, 0, SEEK_CUR)
    return offset >= 0 ? offset : nil
  }
}
