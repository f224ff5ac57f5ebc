/// Sound that is still being made, in pieces of any size: 16-bit samples, as a WAV stream without an end or with nothing before them.
package struct WaveStream: Sendable {
  package struct Format: Hashable, Sendable {
    package var sampleRateHz: Int
    package var channelCount: Int

    package init(sampleRateHz: Int, channelCount: Int) {
      self.sampleRateHz = sampleRateHz
      self.channelCount = channelCount
    }
  }

  /// Bytes that one chunk before the samples may have.
  private static let chunkLimit = 1 << 20

  private let plain: Format
  private let name: String
  /// What the samples are; nil until that is known.
  package private(set) var format: Format?
  /// What the chunk `fmt ` said, while others still follow it.
  private var stated: Format?
  private var isPastForm = false
  /// Bytes of a frame or of the header that is not whole yet.
  private var rest: [UInt8] = []

  /// - Parameter plain: what samples are that no header stands before.
  package init(plain: Format, name: String) {
    self.plain = plain
    self.name = name
  }

  /// Samples of `bytes`, the mean of the channels, in -1...1; none while the header is not whole.
  package mutating func samples(of bytes: [UInt8]) throws(MediaError) -> [Float] {
    rest += bytes
    if format == nil { try readHeader() }
    return format.map { takeFrames(of: $0.channelCount) } ?? []
  }

  /// Samples of what is left when nothing more comes.
  package mutating func finish() throws(MediaError) -> [Float] {
    guard format == nil else { return [] }
    guard !isPastForm, rest.count < 12 else { throw broken("ends before its samples") }
    format = plain
    return takeFrames(of: plain.channelCount)
  }

  private mutating func readHeader() throws(MediaError) {
    if !isPastForm {
      guard rest.count >= 12 else { return }
      guard rest.starts(with: Array("RIFF".utf8)), rest[8..<12].elementsEqual(Array("WAVE".utf8)) else {
        format = plain
        return
      }
      isPastForm = true
      rest.removeFirst(12)
    }
    // Chunks are skipped by position, so that many small ones do not move the bytes behind them once each.
    var position = 0
    defer { rest.removeFirst(position) }
    while rest.count - position >= 8 {
      let head = rest[position..<(position + 8)]
      if head.starts(with: Array("data".utf8)) {
        guard let stated else { throw broken("does not say what its samples are") }
        format = stated
        position += 8
        return
      }
      let size = SoundLayout.number(head.suffix(4), isBig: false)
      guard size < Self.chunkLimit else { throw broken("has a header of \(size) bytes") }
      let end = position + 8 + size + size % 2
      guard rest.count >= end else { return }
      if head.starts(with: Array("fmt ".utf8)), size >= 16 { stated = try parsed(rest[(position + 8)..<end]) }
      position = end
    }
  }

  private func parsed(_ chunk: ArraySlice<UInt8>) throws(MediaError) -> Format {
    func number(_ offset: Int, _ count: Int) -> Int {
      SoundLayout.number(chunk.dropFirst(offset).prefix(count), isBig: false)
    }
    let (kind, channels, rate, bits) = (number(0, 2), number(2, 2), number(4, 4), number(14, 2))
    guard kind == 1 || kind == 0xFFFE, bits == 16, (1...64).contains(channels) else {
      throw broken("has no 16-bit samples; 'ffmpeg -i - -f wav -c:a pcm_s16le -' makes them of anything")
    }
    guard Resampler.supportedRates.contains(rate) else {
      let rates = Resampler.supportedRates
      throw MediaError(.unsupportedRate, name, "\(rate) Hz: rates are \(rates.lowerBound) to \(rates.upperBound) Hz")
    }
    return Format(sampleRateHz: rate, channelCount: channels)
  }

  private mutating func takeFrames(of channelCount: Int) -> [Float] {
    let width = 2 * channelCount
    let end = rest.count / width * width
    defer { rest.removeFirst(end) }
    return stride(from: 0, to: end, by: width).map { start in
      let sum = stride(from: start, to: start + width, by: 2).reduce(0) { sum, at in
        sum + Int(Int16(truncatingIfNeeded: Int(rest[at]) | Int(rest[at + 1]) << 8))
      }
      return Float(sum) / Float(32_768 * channelCount)
    }
  }

  private func broken(_ what: String) -> MediaError { MediaError(.malformed, name, "the WAV stream \(what)") }
}
