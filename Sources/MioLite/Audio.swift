import Foundation
import MioMedia

/// Mono sound in memory.
public struct Audio: Hashable, Sendable {
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

  /// The forms in which sound is written.
  public enum Format: String, CaseIterable, Sendable {
    /// RIFF WAVE with 32-bit floats: every sample as it is, beyond full scale too.
    case waveFloat
    /// RIFF WAVE with 16-bit integers.
    case wave16
    case flac
    /// Ogg Vorbis.
    case vorbis
    /// Ogg Opus.
    case opus
    /// MPEG layer III.
    case mp3
  }
}

extension Audio {
  /// Samples of the longest recording that is held in memory: 4 hours at 16 kHz.
  private static let maxSampleCount = 1 << 28

  /// Reads a sound file of any format that libsndfile knows, at its own rate; several channels become their mean.
  ///
  /// - Throws: ``MioError`` with code `.invalidInput` if it is no sound, or longer than 2^28 samples: see
  ///   ``Model/transcription(of:options:)-(MediaSource,_)``, which reads as it goes.
  public init(contentsOf url: URL) throws(MioError) { try self.init(MediaSource(contentsOf: url)) }

  /// The same for a file in memory.
  public init(bytes: [UInt8]) throws(MioError) { try self.init(MediaSource(bytes: bytes, name: "sound")) }

  /// The same, wherever it is read from.
  public init(_ source: MediaSource) throws(MioError) {
    do {
      let file = try source.audioFile()
      var reading = AudioSource(file, sampleRateHz: file.sampleRateHz)
      self.init(samples: try reading.readAll(maximumSamples: Self.maxSampleCount), sampleRateHz: file.sampleRateHz)
    } catch {
      throw MioError(error)
    }
  }

  /// The sound at another rate.
  ///
  /// - Throws: ``MioError`` with code `.invalidInput` if one of the rates is not supported.
  public func resampled(to rate: Int) throws(MioError) -> Audio {
    for rate in [sampleRateHz, rate] where !Resampler.supportedRates.contains(rate) {
      throw MioError(.invalidInput, "the sound has \(rate) samples per second; \(Resampler.supportedRates) are supported")
    }
    if rate == sampleRateHz { return self }
    return Audio(samples: Resampler.resample(samples, from: sampleRateHz, to: rate), sampleRateHz: rate)
  }

  /// Writes a file that appears when it is complete.
  ///
  /// - Parameters:
  ///   - url: of the file, which is replaced if it is there.
  ///   - format: `nil` takes the one that the suffix names: .wav (of 16 bits), .flac, .ogg, .opus or .mp3.
  public func write(to url: URL, format: Format? = nil) throws(MioError) {
    let writer = try AudioFileWriter(to: url, format: format, sampleRateHz: sampleRateHz)
    try writer.write(samples)
    try writer.finish()
  }

  /// The bytes of a file.
  public func encoded(as format: Format) throws(MioError) -> [UInt8] {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("mio-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: url) }
    try write(to: url, format: format)
    do { return try Array(Data(contentsOf: url)) } catch {
      throw MioError(.failed, "\(url.path): \(error.localizedDescription)")
    }
  }
}

/// Writes a mono sound file, piece by piece; it appears under its name when ``finish()`` has succeeded.
///
/// Dropping the writer without `finish` leaves nothing behind. The same samples give the same bytes.
public final class AudioFileWriter {
  private let writer: AudioWriter

  /// - Parameters:
  ///   - url: the file.
  ///   - format: `nil` takes the one that the suffix names: .wav, .flac, .ogg, .opus or .mp3.
  ///   - sampleRateHz: 1,000 to 768,000.
  public init(to url: URL, format: Audio.Format? = nil, sampleRateHz: Int) throws(MioError) {
    guard Resampler.supportedRates.contains(sampleRateHz) else {
      throw MioError(.invalidInput, "\(sampleRateHz) samples per second; \(Resampler.supportedRates) can be written")
    }
    do {
      writer = try AudioWriter(
        path: url.relativePath, format: format.flatMap { AudioFormat(rawValue: $0.rawValue) }, sampleRateHz: sampleRateHz)
    } catch {
      throw MioError(error)
    }
  }

  /// Samples that were beyond full scale and had to be cut off.
  public var clippedSampleCount: Int { writer.clippedSampleCount }

  public func write(_ samples: [Float]) throws(MioError) {
    do { try writer.write(samples) } catch { throw MioError(error) }
  }

  /// Completes the file and gives it its name.
  public func finish() throws(MioError) {
    do { try writer.finish() } catch { throw MioError(error) }
  }
}

/// Sends mono sound to a pipe, a device or a program while it is made.
public final class AudioPipeWriter {
  /// The forms in which sound is sent.
  public enum Format: Sendable {
    /// Signed 16-bit little-endian samples, no header.
    case raw16
    /// RIFF WAVE with 16-bit samples; its sizes say "until the end", because the header goes out first. In a regular file
    /// ``AudioPipeWriter/finish()`` puts them right.
    case wave16
    /// The same with 32-bit floats.
    case waveFloat
  }

  private let handle: FileHandle
  private let stream: AudioStream

  /// - Parameters:
  ///   - handle: stays the caller's and open.
  ///   - name: what messages call it.
  ///   - format: of the samples, and whether a header comes first.
  ///   - sampleRateHz: 1,000 to 768,000.
  public init(to handle: FileHandle, name: String, format: Format, sampleRateHz: Int) throws(MioError) {
    self.handle = handle
    let format: AudioStream.Format =
      switch format {
      case .raw16: .raw16
      case .wave16: .wave16
      case .waveFloat: .waveFloat
      }
    do {
      stream = try AudioStream(
        descriptor: handle.fileDescriptor, name: name, format: format, sampleRateHz: sampleRateHz)
    } catch {
      throw MioError(error)
    }
  }

  /// Samples that were beyond full scale and had to be cut off.
  public var clippedSampleCount: Int { stream.clippedSampleCount }

  public func write(_ samples: [Float]) throws(MioError) {
    do { try stream.write(samples) } catch { throw MioError(error) }
  }

  /// Puts the sizes of the header right where what is written to is a file; nothing may be written afterwards.
  public func finish() throws(MioError) {
    do { try stream.finish() } catch { throw MioError(error) }
  }
}

extension Audio.Format {
  /// The format that the suffix of a file names: .wav (of 16 bits), .flac, .ogg, .opus or .mp3.
  ///
  /// - Throws: ``MioError`` with code `.invalidInput` for any other.
  public init(suffixOf url: URL) throws(MioError) {
    do {
      switch try AudioFormat(path: url.relativePath) {
      case .waveFloat: self = .waveFloat
      case .wave16: self = .wave16
      case .flac: self = .flac
      case .vorbis: self = .vorbis
      case .opus: self = .opus
      case .mp3: self = .mp3
      }
    } catch {
      throw MioError(error)
    }
  }
}

/// Encodes mono sound piece by piece into bytes that can be sent as they come: what was handed out never changes.
///
/// Headers do not say how long the sound is. The same samples give the same bytes, however they are cut into pieces.
public final class AudioStreamEncoder {
  /// The forms in which sound is sent.
  public enum Format: String, CaseIterable, Sendable {
    /// Signed 16-bit little-endian samples, no header.
    case raw16
    /// RIFF WAVE with 16-bit samples; its sizes say "until the end".
    case wave16
    case flac
    /// Without a Xing frame, so that parts may be put together.
    case mp3
    /// Ogg Vorbis.
    case vorbis
    /// Ogg Opus.
    case opus
  }

  private let encoder: SoundStreamEncoder

  /// - Throws: ``MioError`` with code `.failed` if the format cannot be written at that rate.
  public init(format: Format, sampleRateHz: Int) throws(MioError) {
    guard let layer = SoundStreamEncoder.Format(rawValue: format.rawValue) else { preconditionFailure("formats differ") }
    do { encoder = try SoundStreamEncoder(format: layer, sampleRateHz: sampleRateHz) } catch { throw MioError(error) }
  }

  /// The bytes that can be sent now; may be none.
  public func encode(_ samples: [Float]) throws(MioError) -> [UInt8] {
    do { return try encoder.encode(samples) } catch { throw MioError(error) }
  }

  /// The last bytes; nothing may be encoded afterwards.
  public func finish() throws(MioError) -> [UInt8] {
    do { return try encoder.finish() } catch { throw MioError(error) }
  }
}
