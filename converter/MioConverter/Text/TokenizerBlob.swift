/// Writes the `tokenizer` blob: section "Tokenizer blob" of `format-spec/SPEC.md`, whose order the code follows.
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
