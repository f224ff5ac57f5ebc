import CSndfile
import MioFiles

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Writes a mono sound file, piece by piece; it appears under its name when ``finish()`` has succeeded.
///
/// Dropping the writer without `finish` leaves nothing behind. The same samples give the same bytes.
package final class AudioWriter {
  package let path: String
  package let format: AudioFormat
  package private(set) var sampleCount = 0
  /// Samples that were beyond full scale (or not a number) and had to be cut off; 0 for ``AudioFormat/waveFloat``.
  package var clippedSampleCount: Int { clipper.clippedCount }

  private let file: AtomicFile
  private let encoder: Encoder
  private var clipper = SampleClipper()

  private enum Encoder {
    case wave(WaveHeader)
    case library(SoundEncoder)
  }

  /// - Parameter format: nil takes it from the suffix of `path`.
  package init(path: String, format: AudioFormat? = nil, sampleRateHz: Int) throws(MediaError) {
    precondition(Resampler.supportedRates.contains(sampleRateHz), "cannot write \(sampleRateHz) samples per second")
    let format = if let format { format } else { try AudioFormat(path: path) }
    let file = try MediaError.translating(path) { () throws(AtomicFileError) in try AtomicFile(path: path) }
    switch format {
    case .waveFloat, .wave16:
      let header = WaveHeader(encoding: format == .waveFloat ? .float32 : .integer16, sampleRateHz: sampleRateHz)
      try file.stream.write(header.bytes(sampleCount: 0), name: path)
      encoder = .wave(header)
    case .flac, .vorbis, .opus, .mp3:
      encoder = .library(try SoundEncoder(file, path: path, format: format, sampleRateHz: sampleRateHz))
    }
    self.path = path
    self.format = format
    self.file = file
  }

  package func write(_ samples: [Float]) throws(MediaError) {
    switch encoder {
    case .wave(let header):
      guard sampleCount + samples.count <= header.maximumSampleCount else {
        throw MediaError(.tooLong, path, "a wav file holds at most 4 GiB; write flac or ogg instead")
      }
      try file.stream.write(header.encode(samples, clipper: &clipper), name: path)
    case .library(let encoder):
      try encoder.write(samples, clipper: &clipper)
    }
    sampleCount += samples.count
  }

  /// Completes the file and gives it its name.
  package func finish() throws(MediaError) {
    switch encoder {
    case .wave(let header):
      guard lseek(file.descriptor, 0, SEEK_SET) == 0 else {
        throw MediaError(.writeFailed, path, "cannot complete the header: \(systemErrorText())")
      }
      try file.stream.write(header.bytes(sampleCount: sampleCount), name: path)
    case .library(let encoder):
      try encoder.finish()
    }
    try MediaError.translating(path) { () throws(AtomicFileError) in try file.commit() }
  }
}
