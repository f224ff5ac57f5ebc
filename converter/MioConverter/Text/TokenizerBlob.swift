/// Writes the `tokenizer` blob, version 1.
///
/// All numbers are little-endian; `i32` is two's complement, -1 meaning "none". Sections follow each other without gaps, in
/// this order; a `u8` section is padded with zero bytes to a multiple of 4. The blob ends with the last section.
///
/// | offset | type | field |
/// | --- | --- | --- |
/// | 0 | 4 bytes | `MTOK` |
/// | 4 | u32 | version, 1 |
/// | 8 | u32 | options: bit 0 dummy prefix (sentencepiece puts a space in front of every segment), bit 1 legacy segmentation, bit 2 bos in front of every text, bit 3 eos after every text; other bits 0 |
/// | 12 | u32 | P, number of pieces, 1 to 2^20; the id of a piece is its index |
/// | 16 | u32 | A, number of added tokens, 0 to 2^20 |
/// | 20 | u32 | S, bytes of the strings section without padding, at most 2^26 |
/// | 24 | i32 × 4 | ids of bos, eos, unk, pad |
/// | 40 | i32 × 2 | ids of `<\|im_start\|>`, `<\|im_end\|>` |
/// | 48 | i32 × 2 | ids of `<image>`, `</image>` |
/// | 56 | i32 × 2 | ids of `<spch>`, `</spch>` |
/// | 64 | u32 | I, number of runs of image code ids, at most 2^20 |
/// | 68 | u32 | J, number of runs of speech code ids, at most 2^20 |
/// | 72 | u32 × 2 | reserved, 0 |
/// | 80 | u32 × (P + A + 1) | `ends`: where string i ends in the strings section; it starts where string i - 1 ends, the first at 0. Strings are the P pieces by id, the A added tokens, and last the text that the unknown piece decodes to. Each is valid UTF-8; the pieces and added tokens have 1 to 4096 bytes, the last 0 to 4096. The last end is S |
/// | | f32 × P | score of each piece, finite; of two possible merges the one with the higher score goes first |
/// | | u8 × P | type of each piece: 1 normal, 2 unknown, 3 control, 4 user-defined, 6 byte |
/// | | u32 × A | id of each added token, below 2^24, all different. Added tokens are in strictly ascending order of their string's bytes; where an id is below P the added token replaces the piece when ids become text |
/// | | u8 × A | flags of each added token: bit 0 removes white space on its left, bit 1 on its right, bit 2 special (left out when special tokens are skipped), bit 3 set apart with spaces when decoded; other bits 0 |
/// | | (u32, u32) × I | runs of the ids of `<img0>`, `<img1>`, …: first id, count ≥ 1; id = first + k for the run's k-th number. At most 2^20 numbers |
/// | | (u32, u32) × J | the same for `<spch0>`, `<spch1>`, … |
/// | | u8 × S | strings |
///
/// No two pieces have the same string. The 256 pieces of type byte are `<0x00>` to `<0xFF>`. There is exactly one piece of type
/// unknown. Ids named in the header and the runs have a token. `<image>`, `</image>` and image codes are all present or all
/// absent, so are the speech tokens.
enum TokenizerBlob {
  static let magic: [UInt8] = Array("MTOK".utf8)
  static let version: UInt32 = 1

  static func encode(
    _ model: SentencePieceModel, _ configuration: TokenizerConfiguration, _ added: AddedTokenTable, _ media: MediaTokens
  ) -> [UInt8] {
    let tokens = added.tokens.values.map { (token: $0, text: Array($0.entry.content.utf8)) }
      .sorted { $0.text.lexicographicallyPrecedes($1.text) }
    let strings = model.pieces.map(\.text) + tokens.map(\.text) + [Array(model.unknownSurface.utf8)]
    let imageRuns = runs(media.image?.codes ?? [])
    let speechRuns = runs(media.speech?.codes ?? [])

    var out = Writer()
    out.bytes += magic
    out.put(version)
    out.put(options(model, configuration))
    out.put([model.pieces.count, tokens.count, strings.reduce(0) { $0 + $1.count }].map { UInt32($0) })
    out.put(ids: [added.roles[.beginning], added.roles[.end], added.roles[.unknown], added.roles[.padding]])
    out.put(ids: [media.turnStart, media.turnEnd])
    out.put(ids: [media.image?.start, media.image?.end, media.speech?.start, media.speech?.end])
    out.put([UInt32(imageRuns.count), UInt32(speechRuns.count), 0, 0])

    var end = 0
    for text in strings {
      end += text.count
      out.put(UInt32(end))
    }
    for piece in model.pieces { out.put(piece.score.bitPattern) }
    out.put(padded: model.pieces.map(\.kind.rawValue))
    for (token, _) in tokens { out.put(UInt32(token.id)) }
    out.put(padded: tokens.map { flags($0.token) })
    for run in imageRuns + speechRuns { out.put([UInt32(run.first), UInt32(run.count)]) }
    out.put(padded: Array(strings.joined()))
    return out.bytes
  }

  private static func options(_ model: SentencePieceModel, _ configuration: TokenizerConfiguration) -> UInt32 {
    // Without legacy segmentation transformers switches sentencepiece's own prefix off.
    let hasPrefix = model.addsDummyPrefix && configuration.isLegacy
    return (hasPrefix ? 1 : 0) | (configuration.isLegacy ? 2 : 0) | (configuration.addsBeginning ? 4 : 0)
      | (configuration.addsEnd ? 8 : 0)
  }

  private static func flags(_ token: AddedTokenTable.Token) -> UInt8 {
    (token.entry.stripsLeft ? 1 : 0) | (token.entry.stripsRight ? 2 : 0) | (token.isSpecial ? 4 : 0)
      | (token.isSeparate ? 8 : 0)
  }

  /// Splits `ids` into stretches that ascend by one.
  private static func runs(_ ids: [Int]) -> [(first: Int, count: Int)] {
    var runs: [(first: Int, count: Int)] = []
    for id in ids {
      if let last = runs.last, last.first + last.count == id {
        runs[runs.count - 1].count += 1
      } else {
        runs.append((id, 1))
      }
    }
    return runs
  }

  private struct Writer {
    var bytes: [UInt8] = []

    mutating func put(_ value: UInt32) {
      for shift: UInt32 in [0, 8, 16, 24] { bytes.append(UInt8(truncatingIfNeeded: value >> shift)) }
    }

    mutating func put(_ values: [UInt32]) { for value in values { put(value) } }

    mutating func put(ids: [Int?]) { for id in ids { put(UInt32(bitPattern: Int32(id ?? -1))) } }

    mutating func put(padded values: [UInt8]) {
      bytes += values
      while bytes.count % 4 != 0 { bytes.append(0) }
    }
  }
}
