import Foundation

/// The checkpoints and expected outputs that lie in `Tests/Goldens`.
package enum Goldens {
  /// The folder itself.
  package static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Goldens")

  /// A file or folder of the speech and language set: `Goldens.speech("expected/tokenizer.json")`.
  package static func speech(_ path: String) -> URL {
    root.appendingPathComponent("speech").appendingPathComponent(path)
  }
}
