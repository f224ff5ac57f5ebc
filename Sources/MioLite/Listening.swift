import Foundation
import MioMedia

/// What is done to sound in memory before it is listened to: as for files, but for the level.
enum Listening {
  static func prepared(_ audio: Audio) -> (audio: Audio, remarks: [String]) {
    guard audio.sampleRateHz > 0 else { return (audio, []) }
    let (samples, remarks) = AudioFile.preparedForListening(audio.samples, sampleRateHz: audio.sampleRateHz)
    return (Audio(samples: samples, sampleRateHz: audio.sampleRateHz), remarks)
  }

  /// A change of the level.
  static func words(_ decibels: Float) -> String {
    decibels > 0
      ? String(format: "speech is raised by %.0f dB", decibels) : String(format: "speech is lowered by %.0f dB", -decibels)
  }
}

extension Model {
  /// The level of the speech that the model was trained on. Where the file does not say, only what is far from the usual level
  /// of recordings is changed.
  var speechLevel: SpeechLevel {
    get throws(MioError) {
      let level: Double?
      do { level = try settings.floatIfPresent("speech_level") } catch { throw MioError(error) }
      guard let level else { return SpeechLevel(wanted: -23, tolerance: 8) }
      guard (-60...0).contains(level) else {
        throw MioError(
          .invalidModel, "generation.speech_level is \(level), but levels are -60 to 0 dB; convert the checkpoint again")
      }
      return SpeechLevel(wanted: Float(level), tolerance: 1.5)
    }
  }
}

/// Takes an offset out of sound as it comes: a high-pass filter of the first order at 12 Hz, below all speech.
struct OffsetFilter {
  private let decay: Float
  private var last: (given: Float, made: Float)?

  init(sampleRateHz: Int) { decay = exp(-2 * .pi * 12 / Float(sampleRateHz)) }

  mutating func filtered(_ samples: [Float]) -> [Float] {
    samples.map { sample in
      // What comes first is the best guess of the offset.
      let made = last.map { sample - $0.given + decay * $0.made } ?? 0
      last = (sample, made)
      return made
    }
  }
}
