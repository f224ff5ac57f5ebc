import Foundation
import MioModel
import MioTestSupport
import Testing

/// One tokenizer of `expected/tokenizer.json`.
struct TokenizerCases: Decodable {
  struct Encode: Decodable {
    let text: String
    let ids: [Int32]
    let ids_no_special: [Int32]
    let pieces: [String]
    let decoded: String
    let decoded_skip_special: String
  }
  struct Decode: Decodable {
    let ids: [Int32]
    let decoded: String
  }
  let name: String
  let sp_vocab: Int
  let full_vocab: Int
  let bos, eos, unk, pad: Int32
  let probes: [String: Int32]
  let encode: [Encode]
  let decode: [Decode]
}

/// Compares by bytes: `String` calls canonically equivalent texts equal.
func expectSame(
  _ found: String, _ expected: String, _ comment: Comment, sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(Array(found.utf8) == Array(expected.utf8), comment, sourceLocation: sourceLocation)
}

@Suite struct TextTokenizerTests {
  static func cases() throws -> [TokenizerCases] {
    let data = try Data(contentsOf: Goldens.speech("expected/tokenizer.json"))
    return try JSONDecoder().decode([TokenizerCases].self, from: data)
  }

  static func tokenizer(_ name: String) throws -> TextTokenizer {
    try TextTokenizer(parsing: Goldens.tokenizerBlob(name))
  }

  @Test func `encodes every text as the reference does`() throws {
    for cases in try Self.cases() {
      let tokenizer = try Self.tokenizer(cases.name)
      for item in cases.encode {
        let ids = try tokenizer.encode(item.text, trusted: true)
        #expect(ids == item.ids, "\(cases.name): \(item.text.debugDescription)")
        #expect(try tokenizer.encode(item.text, trusted: true, addsEnds: false) == item.ids_no_special)
        #expect(ids.map { tokenizer.piece($0) } == item.pieces.map { $0 })
      }
    }
  }

  /// A legal file may have added tokens that are neither special nor set apart, which no checkpoint gives; the golden says what
  /// the reference makes of them between others (`make_added_tokens.py`).
  @Test func `decodes added tokens that are neither special nor set apart as the reference does`() throws {
    struct Run: Decodable {
      let ids: [Int32]
      let text: String
    }
    let golden = try Data(contentsOf: Goldens.root.appendingPathComponent("text/added-tokens.json"))
    let tokenizers = try JSONDecoder().decode([String: [Run]].self, from: golden)
    #expect(tokenizers.count == 5)
    for (name, runs) in tokenizers {
      var blob = try Goldens.tokenizerBlob(name)
      func number(_ offset: Int) -> Int { (0..<4).reduce(0) { $0 | Int(blob[offset + $1]) << (8 * $1) } }
      // Behind the header lie ends of strings, scores and kinds of pieces, and the ids of added tokens.
      let (pieces, tokens) = (number(12), number(16))
      let flags = 80 + 4 * (pieces + tokens + 1) + 4 * pieces + (pieces + 3) / 4 * 4 + 4 * tokens
      var changedCount = 0
      for index in flags..<(flags + tokens) where blob[index] & 4 == 0 {
        #expect(blob[index] & 8 != 0)
        blob[index] &= ~8
        changedCount += 1
      }
      #expect(changedCount > 0)
      let tokenizer = try TextTokenizer(parsing: blob)
      for run in runs { expectSame(try tokenizer.decode(run.ids), run.text, "\(name): \(run.ids)") }
    }
  }

  @Test func `decodes every sequence as the reference does`() throws {
    for cases in try Self.cases() {
      let tokenizer = try Self.tokenizer(cases.name)
      for item in cases.encode {
        expectSame(try tokenizer.decode(item.ids), item.decoded, "\(cases.name): \(item.ids)")
        expectSame(
          try tokenizer.decode(item.ids, skippingSpecials: true), item.decoded_skip_special,
          "\(cases.name): \(item.ids)")
      }
      for item in cases.decode {
        expectSame(try tokenizer.decode(item.ids), item.decoded, "\(cases.name): \(item.ids)")
      }
    }
  }

  @Test func `knows the named tokens`() throws {
    for cases in try Self.cases() {
      let tokenizer = try Self.tokenizer(cases.name)
      #expect(tokenizer.pieceCount == cases.sp_vocab)
      #expect(tokenizer.idCount == cases.full_vocab)
      #expect(tokenizer.beginningID == cases.bos)
      #expect(tokenizer.endID == cases.eos)
      #expect(tokenizer.unknownID == cases.unk)
      #expect(tokenizer.paddingID == cases.pad)
      for (text, id) in cases.probes { #expect(tokenizer.id(of: text) == id, "\(cases.name): \(text)") }
      #expect(tokenizer.turnStartID == cases.probes["<|im_start|>"])
      #expect(tokenizer.turnEndID == cases.probes["<|im_end|>"])
      #expect(tokenizer.media.image?.start == cases.probes["<image>"])
      #expect(tokenizer.media.image?.codes[7] == cases.probes["<img7>"])
      #expect(tokenizer.media.speech?.end == cases.probes["</spch>"])
      #expect(tokenizer.media.speech?.codes[7] == cases.probes["<spch7>"])
    }
  }
}
