import Foundation
import MioConverter

extension Goldens {
  /// The directory of a tokenizer, by its name in `expected/tokenizer.json`.
  package static func tokenizerDirectory(_ name: String) -> URL {
    speech(name == "tiny-mio" ? name : "tokenizers/\(name)")
  }

  /// The `tokenizer` blob that the converter makes of a directory.
  package static func tokenizerBlob(_ name: String) throws -> [UInt8] {
    try TokenizerImport(CheckpointDirectory(path: tokenizerDirectory(name).path)).blob
  }
}
