import CSndfile
import MioFiles

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// libsndfile's encoders for the compressed formats.
@safe
final class SoundEncoder {
  /// Held, as closing the encoder writes to it.
  private let file: AtomicFile
  private let path: String
  private let output: WatchedFile
  private let format: AudioFormat
  private var handle: OpaquePointer?

  /// Longest piece handed over at once; libvorbis puts a whole piece on the stack.
  private static let blockLength = 4096

  init(_ file: AtomicFile, path: String, format: AudioFormat, sampleRateHz: Int) throws(MediaError) {
    var info = format.sndfileInfo(sampleRateHz: sampleRateHz)
    var callbacks = WatchedFile.callbacks()
    output = WatchedFile(file.stream)
    guard unsafe sf_format_check(&info) != 0,
      let handle = unsafe sf_open_virtual(
        &callbacks, Int32(SFM_WRITE), &info, Unmanaged.passUnretained(output).toOpaque())
    else {
      throw MediaError(
        .writeFailed, path,
        "this libsndfile cannot write \(format) at \(sampleRateHz) Hz "
          + "(\(unsafe String(cString: sf_strerror(nil)))); use .wav")
    }
    self.file = file
    self.path = path
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
      let written = unsafe format.write(block, to: handle, &clipper)
      if let reason = output.failure { throw failure(reason) }
      if written != block.count { throw failure(unsafe String(cString: sf_strerror(handle))) }
    }
  }

  func finish() throws(MediaError) {
    guard let handle = unsafe handle else { return }
    unsafe self.handle = nil
    let status = unsafe sf_close(handle)
    if let reason = output.failure { throw failure(reason) }
    guard status == 0 else { throw failure("the encoder failed") }
    if format == .vorbis || format == .opus { try OggStream.fixSerialNumber(of: file.stream, name: path) }
  }

  private func failure(_ reason: String) -> MediaError {
    MediaError(.writeFailed, path, "cannot write: \(reason); check space and permissions")
  }
}

extension AudioFormat {
  /// Mono sound of this format, for libsndfile.
  func sndfileInfo(sampleRateHz: Int) -> SF_INFO {
    let encoding =
      switch self {
      case .flac: SF_FORMAT_FLAC | SF_FORMAT_PCM_16
      case .vorbis: SF_FORMAT_OGG | SF_FORMAT_VORBIS
      case .opus: SF_FORMAT_OGG | SF_FORMAT_OPUS
      case .mp3: SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III
      case .waveFloat: SF_FORMAT_WAV | SF_FORMAT_FLOAT
      case .wave16: SF_FORMAT_WAV | SF_FORMAT_PCM_16
      }
    var info = SF_INFO()
    info.samplerate = Int32(sampleRateHz)
    info.channels = 1
    info.format = Int32(encoding)
    return info
  }

  /// Hands samples to an open encoder of libsndfile; returns how many it took.
  @unsafe
  func write(_ samples: [Float], to handle: OpaquePointer, _ clipper: inout SampleClipper) -> Int {
    if self == .flac {
      unsafe clipper.integers(samples).withUnsafeBufferPointer {
        Int(unsafe sf_writef_short(handle, $0.baseAddress!, sf_count_t($0.count)))
      }
    } else {
      unsafe clipper.floats(samples).withUnsafeBufferPointer {
        Int(unsafe sf_writef_float(handle, $0.baseAddress!, sf_count_t($0.count)))
      }
    }
  }
}

/// A file that remembers whether a write failed: libsndfile's encoders do not report every short write.
private final class WatchedFile {
  private let descriptor: FileDescriptor
  private(set) var failure: String?

  init(_ descriptor: FileDescriptor) { self.descriptor = descriptor }

  private func write(_ bytes: UnsafeRawPointer, _ count: Int) -> Int {
    var done = 0
    while done < count, failure == nil {
      let written = unsafe descriptor.writeSome(bytes + done, count - done)
      if written > 0 {
        done += written
      } else if errno != EINTR {
        failure = systemErrorText()
      }
    }
    return done
  }

  private static func from(_ pointer: UnsafeMutableRawPointer?) -> WatchedFile {
    unsafe Unmanaged<WatchedFile>.fromOpaque(pointer!).takeUnretainedValue()
  }

  /// libsndfile's view of the file; the caller passes `self` as user data and keeps it alive.
  static func callbacks() -> SF_VIRTUAL_IO {
    unsafe SF_VIRTUAL_IO(
      get_filelen: { unsafe sf_count_t(WatchedFile.from($0).descriptor.regularFileLength ?? -1) },
      seek: { unsafe sf_count_t(lseek(WatchedFile.from($2).descriptor.value, off_t($0), $1)) },
      // A file that is being written is still read: FLAC's encoder completes its header at the end.
      read: { unsafe sf_count_t(WatchedFile.from($2).descriptor.readSome($0!, Int($1))) },
      write: { unsafe sf_count_t(WatchedFile.from($2).write($0!, Int($1))) },
      tell: { unsafe sf_count_t(lseek(WatchedFile.from($0).descriptor.value, 0, SEEK_CUR)) })
  }
}
