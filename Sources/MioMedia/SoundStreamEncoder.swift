import CSndfile
import MioFiles

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Encodes mono sound piece by piece into bytes that can be sent as they come: what was handed out never changes.
///
/// Headers that would say how long the sound is say nothing (FLAC, Ogg), "until the end" (WAV), or are missing (MP3's Xing
/// frame), so that parts of MP3 may be put together. The same samples give the same bytes, however they are cut into pieces.
package final class SoundStreamEncoder {
  package enum Format: String, Sendable, CaseIterable {
    /// Signed 16-bit little-endian samples, no header.
    case raw16
    /// RIFF WAVE with 16-bit samples.
    case wave16
    case flac
    case mp3
    /// Ogg Vorbis.
    case vorbis
    /// Ogg Opus.
    case opus
  }

  private enum Encoder {
    case samples(WaveHeader)
    case library(PipedEncoder)
  }

  private let encoder: Encoder
  private var clipper = SampleClipper()
  /// What comes before the first samples.
  private var header: [UInt8]

  /// - Throws: ``MediaError`` with code `.writeFailed` if the format cannot be had at this rate.
  package init(format: Format, sampleRateHz: Int) throws(MediaError) {
    let wave = WaveHeader(encoding: .integer16, sampleRateHz: sampleRateHz)
    header = format == .wave16 ? wave.bytes(sampleCount: nil) : []
    switch format {
    case .raw16, .wave16: encoder = .samples(wave)
    case .flac: encoder = .library(try PipedEncoder(.flac, sampleRateHz: sampleRateHz))
    case .mp3: encoder = .library(try PipedEncoder(.mp3, sampleRateHz: sampleRateHz))
    case .vorbis: encoder = .library(try PipedEncoder(.vorbis, sampleRateHz: sampleRateHz))
    case .opus: encoder = .library(try PipedEncoder(.opus, sampleRateHz: sampleRateHz))
    }
  }

  /// The bytes that can be sent now.
  package func encode(_ samples: [Float]) throws(MediaError) -> [UInt8] {
    defer { header = [] }
    switch encoder {
    case .samples(let wave): return header + wave.encode(samples, clipper: &clipper)
    case .library(let encoder): return try encoder.encode(samples, &clipper)
    }
  }

  /// The last bytes; nothing may be encoded afterwards.
  package func finish() throws(MediaError) -> [UInt8] {
    defer { header = [] }
    switch encoder {
    case .samples: return header
    case .library(let encoder): return try encoder.finish()
    }
  }
}

/// An encoder of libsndfile at one end of a pipe: only there it writes nothing that it would want to change later.
@safe
private final class PipedEncoder {
  private let format: AudioFormat
  private let reading: FileDescriptor
  private var handle: OpaquePointer?
  /// Bytes of an Ogg page that is not complete.
  private var page: [UInt8] = []
  private var ending: [Float] = []

  /// Samples encoded at once: what they become fits into a pipe.
  private static let blockLength = 4096
  /// Of 0...1; 64 kb/s at 16 kHz.
  private static let mp3Compression = 0.65
  /// F_SETPIPE_SZ of linux/fcntl.h, which Swift does not see.
  private static let setPipeSize: Int32 = 1031

  init(_ format: AudioFormat, sampleRateHz: Int) throws(MediaError) {
    self.format = format
    let (reading, writing) = try ChildProgram.pipe(for: format.rawValue)
    self.reading = reading
    // Room for the longest Ogg page beside another; where the system refuses, one page still fits.
    _ = fcntl(writing.value, Self.setPipeSize, 1 << 18)
    _ = fcntl(reading.value, F_SETFL, fcntl(reading.value, F_GETFL) | O_NONBLOCK)
    var info = format.sndfileInfo(sampleRateHz: sampleRateHz)
    // The library closes its end.
    let end = fcntl(writing.value, F_DUPFD_CLOEXEC, 10)
    guard end >= 0, unsafe sf_format_check(&info) != 0,
      let handle = unsafe sf_open_fd(end, Int32(SFM_WRITE), &info, 1)
    else {
      if end >= 0 { close(end) }
      throw MediaError(
        .writeFailed, format.rawValue,
        "this libsndfile cannot write it at \(sampleRateHz) Hz (\(unsafe String(cString: sf_strerror(nil)))); use WAV")
    }
    unsafe self.handle = handle
    if format == .mp3 {
      // Without a Xing frame, readers take the length of sound from that of the file: right only where the rate is constant.
      var mode = Int32(SF_BITRATE_MODE_CONSTANT)
      var level = Self.mp3Compression
      _ = unsafe sf_command(handle, Int32(SFC_SET_BITRATE_MODE), &mode, Int32(MemoryLayout<Int32>.size))
      _ = unsafe sf_command(handle, Int32(SFC_SET_COMPRESSION_LEVEL), &level, Int32(MemoryLayout<Double>.size))
    }
  }

  deinit {
    if let handle = unsafe handle { unsafe sf_close(handle) }
  }

  func encode(_ samples: [Float], _ clipper: inout SampleClipper) throws(MediaError) -> [UInt8] {
    // Whole blocks only, so that the encoder sees the same pieces however the sound is cut.
    ending += samples
    var bytes: [UInt8] = []
    while ending.count >= Self.blockLength {
      bytes += try write(Array(ending.prefix(Self.blockLength)), &clipper)
      ending.removeFirst(Self.blockLength)
    }
    return bytes
  }

  func finish() throws(MediaError) -> [UInt8] {
    guard let handle = unsafe handle else { return [] }
    var clipper = SampleClipper()
    var bytes = ending.isEmpty ? [] : try write(ending, &clipper)
    ending = []
    unsafe self.handle = nil
    guard unsafe sf_close(handle) == 0 else { throw MediaError(.writeFailed, format.rawValue, "the encoder failed") }
    bytes += try drain()
    return bytes
  }

  private func write(_ samples: [Float], _ clipper: inout SampleClipper) throws(MediaError) -> [UInt8] {
    guard let handle = unsafe handle else { return [] }
    guard unsafe format.write(samples, to: handle, &clipper) == samples.count else {
      throw MediaError(.writeFailed, format.rawValue, "cannot encode: \(unsafe String(cString: sf_strerror(handle)))")
    }
    return try drain()
  }

  /// What lies in the pipe.
  private func drain() throws(MediaError) -> [UInt8] {
    var bytes: [UInt8] = []
    while true {
      var count = 0
      let more = unsafe [UInt8](unsafeUninitializedCapacity: 1 << 16) { buffer, used in
        count = unsafe reading.readSome(buffer.baseAddress!, 1 << 16)
        used = max(count, 0)
      }
      if count < 0, errno == EINTR { continue }
      if count <= 0 { break }
      bytes += more
    }
    guard format == .vorbis || format == .opus else { return bytes }
    page += bytes
    return OggStream.takeFixedPages(from: &page)
  }
}
