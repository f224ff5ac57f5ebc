import MioMedia

/// Makes samples of 16-bit sound that arrives in pieces of any size: a WAV stream, whose writer need not know its length, or bare
/// little-endian samples.
///
/// ```swift
/// var stream = PCMStream(sampleRateHz: 16_000, channelCount: 1, name: "microphone")
/// let samples = try stream.samples(of: bytes)
/// ```
/// ``Model/transcription(ofSoundAt:options:next:)`` takes what it returns.
public struct PCMStream: Sendable {
  private var stream: WaveStream

  /// - Parameters:
  ///   - sampleRateHz: of samples that nothing stands before, 1,000 to 768,000; a WAV header says it itself.
  ///   - channelCount: the same for channels, at least 1.
  ///   - name: what messages call the stream.
  public init(sampleRateHz: Int, channelCount: Int, name: String) {
    precondition(channelCount > 0, "sound has channels")
    stream = WaveStream(plain: WaveStream.Format(sampleRateHz: sampleRateHz, channelCount: channelCount), name: name)
  }

  /// Samples per second; nil until enough has come to know it.
  public var sampleRateHz: Int? { stream.format?.sampleRateHz }

  /// Samples of the bytes that came, the mean of the channels, in -1...1; what is not whole waits for more.
  ///
  /// - Throws: ``MioError`` with code `.invalidInput` for a WAV stream of other than 16-bit samples, and for a damaged one.
  public mutating func samples(of bytes: [UInt8]) throws(MioError) -> [Float] {
    do throws(MediaError) { return try stream.samples(of: bytes) } catch { throw MioError(error) }
  }

  /// Samples of what still waits, when nothing more comes.
  ///
  /// - Throws: ``MioError`` with code `.invalidInput` if the stream ended before its samples.
  public mutating func finish() throws(MioError) -> [Float] {
    do throws(MediaError) { return try stream.finish() } catch { throw MioError(error) }
  }
}
