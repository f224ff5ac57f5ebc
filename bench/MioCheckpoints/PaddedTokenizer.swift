import Foundation
import MioConverter

/// A tokenizer of any size, made from a small one: pieces are added to its sentencepiece model, and MIO's 12,292 image
/// and speech tokens follow them.
package struct PaddedTokenizer {
  /// How the added tokens are written down.
  package enum Style: String, Sendable, CaseIterable {
    /// In `tokenizer_config.json`, as transformers does since 4.34.
    case decoder
    /// In `added_tokens.json` and `special_tokens_map.json`, as before.
    case json
  }

  static let imageCodeCount = 8192
  static let speechCodeCount = 4096

  /// The bytes of `tokenizer.model`.
  let model: [UInt8]
  let pieceCount: Int

  /// Number of ids: pieces and added tokens.
  var idCount: Int { pieceCount + 4 + Self.imageCodeCount + Self.speechCodeCount }

  /// - Parameters:
  ///   - source: a sentencepiece model, whose settings and pieces are kept.
  ///   - pieceCount: the pieces wanted; at least as many as the source has.
  package init(from source: [UInt8], pieceCount: Int, seed: UInt64) throws {
    var pieces = try SentencePieces(parsing: source).texts
    guard pieces.count <= pieceCount else {
      throw CocoaError(.featureUnsupported, userInfo: [NSLocalizedDescriptionKey: "at least \(pieces.count) pieces"])
    }
    // A piece that joins two others can be reached by merging, as the pieces of a trained tokenizer can.
    var generator = Xoshiro(seed: seed, name: "tokenizer.model")
    var known = Set(pieces)
    let parts = pieces.filter { $0.count <= 8 && !$0.hasPrefix("<") }
    var joinable = parts
    // Repeated fields of concatenated messages are one list, so the new pieces can follow the whole file.
    var model = source
    while pieces.count < pieceCount {
      let joined =
        joinable[Int.random(in: 0..<joinable.count, using: &generator)]
        + parts[Int.random(in: 0..<parts.count, using: &generator)]
      guard joined.count <= 16, !joined.dropFirst().contains("▁"), known.insert(joined).inserted else { continue }
      model += Self.record(joined, score: -Float(pieces.count))
      pieces.append(joined)
      joinable.append(joined)
    }
    self.model = model
    self.pieceCount = pieces.count
  }

  /// A `ModelProto.SentencePiece`: field 1 the text, field 2 the score; its type is the default, normal.
  private static func record(_ text: String, score: Float) -> [UInt8] {
    var inner: [UInt8] = [0x0A, UInt8(text.utf8.count)] + Array(text.utf8) + [0x15]
    for shift in stride(from: 0, to: 32, by: 8) { inner.append(UInt8(truncatingIfNeeded: score.bitPattern >> shift)) }
    return [0x0A, UInt8(inner.count)] + inner
  }

  /// Every added token in the order of the ids.
  private var addedTokens: [String] {
    ["<image>", "</image>", "<spch>", "</spch>"] + (0..<Self.imageCodeCount).map { "<img\($0)>" }
      + (0..<Self.speechCodeCount).map { "<spch\($0)>" }
  }

  /// The tokenizer's files by name.
  package func files(_ style: Style) -> [String: [UInt8]] {
    func entry(_ text: String, special: Bool) -> String {
      "{\"content\": \(JSON.quoted(text)), \"lstrip\": false, \"rstrip\": false, \"normalized\": true, "
        + "\"single_word\": false, \"special\": \(special)}"
    }
    let tokens = addedTokens.enumerated().map { (id: pieceCount + $0, text: $1) }
    let specials = ["<unk>", "<|startoftext|>", "<|endoftext|>"].enumerated().map {
      "\"\($0)\": \(entry($1, special: true))"
    }
    let decoder = specials + tokens.map { "\"\($0.id)\": \(entry($0.text, special: false))" }
    let config = """
      {"add_bos_token": false, "add_eos_token": false, "bos_token": "<|startoftext|>", \
      "clean_up_tokenization_spaces": false, "eos_token": "<|endoftext|>", "legacy": true, "model_max_length": 4096, \
      "pad_token": "<unk>", "sp_model_kwargs": {}, "tokenizer_class": "LlamaTokenizer", "unk_token": "<unk>"
      """
    let added = "{" + tokens.map { "\(JSON.quoted($0.text)): \($0.id)" }.joined(separator: ", ") + "}\n"
    let map = """
      {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "pad_token": "<unk>", "unk_token": "<unk>"}

      """
    let list = style == .decoder ? ", \"added_tokens_decoder\": {\(decoder.joined(separator: ", "))}}\n" : "}\n"
    return [
      "tokenizer.model": model, "tokenizer_config.json": Array((config + list).utf8),
      "added_tokens.json": Array(added.utf8), "special_tokens_map.json": Array(map.utf8),
    ]
  }
}

/// The texts of a sentencepiece model's pieces, in the order of their ids.
private struct SentencePieces {
  var texts: [String] = []

  init(parsing bytes: [UInt8]) throws {
    var reader = Reader(bytes: bytes[...])
    while !reader.bytes.isEmpty {
      let (field, content) = try reader.field()
      guard field == 1 else { continue }
      var piece = Reader(bytes: content)
      let (inner, text) = try piece.field()
      guard inner == 1 else { throw CocoaError(.fileReadCorruptFile) }
      texts.append(String(decoding: text, as: UTF8.self))
    }
  }

  /// Length-delimited protobuf fields, which is all that the top level of the file has.
  private struct Reader {
    var bytes: ArraySlice<UInt8>

    mutating func number() throws -> Int {
      var result = 0
      for shift in stride(from: 0, to: 35, by: 7) {
        guard let byte = bytes.popFirst() else { break }
        result |= Int(byte & 0x7F) << shift
        if byte < 0x80 { return result }
      }
      throw CocoaError(.fileReadCorruptFile)
    }

    mutating func field() throws -> (number: Int, content: ArraySlice<UInt8>) {
      let key = try number()
      let length = try number()
      guard key & 7 == 2, length <= bytes.count else { throw CocoaError(.fileReadCorruptFile) }
      defer { bytes = bytes.dropFirst(length) }
      return (key >> 3, bytes.prefix(length))
    }
  }
}
