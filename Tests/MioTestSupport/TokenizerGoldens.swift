import Foundation
import MioConverter

extension Goldens {
  /// The tokenizer directories of the speech set, by the names in `expected/tokenizer.json`.
  package static let tokenizerNames = [
    "tiny-mio", "llama_prefix", "old_json", "old_json_prefix", "special_im", "strip_right", "new_behaviour",
  ]

  /// The directory of a tokenizer, in the shared set or in another one made by `make_speech_oracle.py`.
  package static func tokenizerDirectory(_ name: String, in set: URL = speech("")) -> URL {
    set.appendingPathComponent(name == "tiny-mio" ? name : "tokenizers/\(name)")
  }

  /// The `tokenizer` blob that the converter makes of a directory.
  package static func tokenizerBlob(_ name: String, in set: URL = speech("")) throws -> [UInt8] {
    try TokenizerImport(directory: tokenizerDirectory(name, in: set)).blob
  }

  /// The sets to compare tokenizers with: the shared one, and those listed in `MIO_ORACLE_SETS`, separated by colons.
  package static var speechSets: [URL] {
    let more = ProcessInfo.processInfo.environment["MIO_ORACLE_SETS"] ?? ""
    return [speech("")] + more.split(separator: ":").map { URL(fileURLWithPath: String($0)) }
  }
}
