/// The formats sound can be written in.
package enum AudioFormat: String, Sendable, CaseIterable {
  /// RIFF WAVE with 32-bit floats: every sample as the codec gave it, beyond full scale too.
  case waveFloat
  /// RIFF WAVE with 16-bit integers.
  case wave16
  /// FLAC with 16-bit integers.
  case flac
  /// Ogg Vorbis.
  case vorbis
  /// Ogg Opus.
  case opus
  /// MPEG layer III, by libsndfile 1.1 or newer.
  case mp3

  /// The format that the suffix of `path` names; `.wav` means 16-bit integers, which every program reads.
  package init(path: String) throws(MediaError) {
    let name = path.split(separator: "/").last ?? ""
    let suffix = name.lastIndex(of: ".").map { name[name.index(after: $0)...].lowercased() }
    switch suffix {
    case "wav", "wave": self = .wave16
    case "flac": self = .flac
    case "ogg", "oga": self = .vorbis
    case "opus": self = .opus
    case "mp3": self = .mp3
    default:
      throw MediaError(
        .unknownFormat, path, "the suffix names no sound format; use .wav, .flac, .ogg, .opus or .mp3")
    }
  }
}
