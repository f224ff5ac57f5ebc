import CSndfile

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// libsndfile's encoders for the compressed formats.
@safe
final class SoundEncoder {
  private let file: AtomicFile
  private let format: AudioFormat
  private var handle: OpaquePointer?

  /// Longest piece handed over at once; libvorbis puts a whole piece on the stack.
  private static let blockLength = 4096

  init(_ file: AtomicFile, format: AudioFormat, sampleRateHz: Int) throws(MediaError) {
    let encoding =
      switch format {
      case .flac: SF_FORMAT_FLAC | SF_FORMAT_PCM_16
      case .vorbis: SF_FORMAT_OGG | SF_FORMAT_VORBIS
      case .opus: SF_FORMAT_OGG | SF_FORMAT_OPUS
      case .waveFloat: SF_FORMAT_WAV | SF_FORMAT_FLOAT
      case .wave16: SF_FORMAT_WAV | SF_FORMAT_PCM_16
      }
    var info = SF_INFO()
    info.samplerate = Int32(sampleRateHz)
    info.channels = 1
    info.format = Int32(encoding)
    guard unsafe sf_format_check(&info) != 0,
      let handle = unsafe sf_open_fd(file.descriptor.value, Int32(SFM_WRITE), &info, 0)
    else {
      throw MediaError(
        .writeFailed, file.path,
        "this libsndfile cannot write \(format) at \(sampleRateHz) Hz (\(unsafe String(cString: sf_strerror(nil)))); use .wav")
    }
    self.file = file
    self.format = format
    unsafe self.handle = handle
  }

  deinit {
    if let handle = unsafe handle { unsafe sf_close(handle) }
  }

  func write(_ samples: [Float], clipper: inout SampleClipper) throws(MediaError) {
    guard let handle = unsafe handle else { return }
    for start in stride(from: 0, to: samples.count, by: Self.blockLength) {
      let block = Array(samples[start..<min(start + Self.blockLength, samples.count)])
      let written =
        if format == .flac {
          unsafe clipper.integers(block).withUnsafeBufferPointer {
            unsafe sf_writef_short(handle, $0.baseAddress!, sf_count_t($0.count))
          }
        } else {
          unsafe clipper.floats(block).withUnsafeBufferPointer {
            unsafe sf_writef_float(handle, $0.baseAddress!, sf_count_t($0.count))
          }
        }
      if Int(written) != block.count { throw failure(unsafe String(cString: sf_strerror(handle))) }
    }
  }

  func finish() throws(MediaError) {
    guard let handle = unsafe handle else { return }
    unsafe self.handle = nil
    let lengthBefore = file.descriptor.regularFileLength
    guard unsafe sf_close(handle) == 0, lengthBefore != nil else { throw failure("the encoder failed") }
    if format == .vorbis || format == .opus { try OggStream.fixSerialNumber(of: file.descriptor, name: file.path) }
  }

  private func failure(_ reason: String) -> MediaError {
    MediaError(.writeFailed, file.path, "cannot write: \(reason); check space and permissions")
  }
}
