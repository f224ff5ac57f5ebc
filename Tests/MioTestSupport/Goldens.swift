import Foundation

/// The checkpoints and expected outputs that the tests compare with.
package enum Goldens {
  /// `Tests/Goldens`.
  package static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Goldens")

  /// A file or folder of the speech and language set: `Goldens.speech("expected/tokenizer.json")`.
  ///
  /// Another set made by `make_speech_oracle.py` (other sizes, another seed) is tested by naming it in
  /// `MIO_SPEECH_GOLDENS`.
  package static func speech(_ path: String) -> URL {
    let other = ProcessInfo.processInfo.environment["MIO_SPEECH_GOLDENS"]
    let set = other.map { URL(fileURLWithPath: $0) } ?? root.appendingPathComponent("speech")
    return set.appendingPathComponent(path)
  }

  /// A file or folder of the image set: `Goldens.image("expected/unet.safetensors")`.
  ///
  /// Another set made by `make_image_oracle.py` is tested by naming it in `MIO_IMAGE_GOLDENS`.
  package static func image(_ path: String) -> URL {
    let other = ProcessInfo.processInfo.environment["MIO_IMAGE_GOLDENS"]
    let set = other.map { URL(fileURLWithPath: $0) } ?? root.appendingPathComponent("image")
    return set.appendingPathComponent(path)
  }
}
