import MioLite

/// The forms in which clients may ask for sound.
enum SoundFormat: String, CaseIterable {
  case mp3, opus, flac, wav, pcm

  /// - Parameter field: of the request, for messages.
  init(_ name: String, field: String) throws {
    switch name.lowercased() {
    case "pcm16": self = .pcm
    case "aac":
      throw APIError.unsupported(field, "AAC cannot be made here; ask for mp3, opus, flac, wav or pcm")
    case let name:
      guard let format = SoundFormat(rawValue: name) else {
        throw APIError.unsupported(field, "'\(name.prefix(20))' is not known; ask for mp3, opus, flac, wav or pcm")
      }
      self = format
    }
  }

  /// What the header of an answer says; bare samples do not tell their rate.
  func mediaType(sampleRateHz: Int) -> String {
    switch self {
    case .mp3: "audio/mpeg"
    case .opus: "audio/ogg"
    case .flac: "audio/flac"
    case .wav: "audio/wav"
    case .pcm: "audio/pcm;rate=\(sampleRateHz);channels=1"
    }
  }

  private var streamed: AudioStreamEncoder.Format {
    switch self {
    case .mp3: .mp3
    case .opus: .opus
    case .flac: .flac
    case .wav: .wave16
    case .pcm: .raw16
    }
  }

  func encoder(sampleRateHz: Int) throws -> AudioStreamEncoder {
    try AudioStreamEncoder(format: streamed, sampleRateHz: sampleRateHz)
  }

  /// The bytes of a whole file, whose header says how long it is.
  func file(_ audio: Audio) throws -> [UInt8] {
    if self == .wav { return try audio.encoded(as: .wave16) }
    let encoder = try encoder(sampleRateHz: audio.sampleRateHz)
    return try encoder.encode(audio.samples) + encoder.finish()
  }
}
