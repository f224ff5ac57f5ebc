/// The tokens of images and speech: their ids by number and back.
///
/// `<spchN>` stands for code N mod K of codebook N div K, K codes to a codebook (1024 in MIO); codebook 0 is content, 1 to 3 are timbre.
package struct MediaTokens: Sendable {
  /// Start, end and codes of one kind of block. Ids need not ascend or be contiguous.
  package struct Block: Sendable {
    package let start: Int32
    package let end: Int32
    /// Id by number.
    package let codes: [Int32]
  }

  /// Codebooks of speech in the vocabulary: content and three of timbre.
  package static let speechCodebookCount = 4
  /// Tokens of one image.
  package static let imageLength = 32

  /// Nil in checkpoints without image tokens.
  package let image: Block?
  /// Nil in checkpoints without speech tokens.
  package let speech: Block?
  private let kinds: [Int32: TokenKind]

  init(_ tables: TokenizerTables) {
    var kinds: [Int32: TokenKind] = [:]
    kinds.reserveCapacity(tables.imageCodeIDs.count + tables.speechCodeIDs.count + 4)
    if let start = tables.named.imageStart, let end = tables.named.imageEnd {
      image = Block(start: start, end: end, codes: tables.imageCodeIDs)
      for (n, id) in tables.imageCodeIDs.enumerated() { kinds[id] = .image(code: n) }
      kinds[start] = .openImage
      kinds[end] = .closeImage
    } else {
      image = nil
    }
    if let start = tables.named.speechStart, let end = tables.named.speechEnd {
      speech = Block(start: start, end: end, codes: tables.speechCodeIDs)
      let codesPerCodebook = Self.codesPerCodebook(of: tables.speechCodeIDs)
      for (n, id) in tables.speechCodeIDs.enumerated() {
        kinds[id] = .speech(codebook: n / codesPerCodebook, code: n % codesPerCodebook)
      }
      kinds[start] = .openSpeech
      kinds[end] = .closeSpeech
    } else {
      speech = nil
    }
    self.kinds = kinds
  }

  /// K, the codes of one codebook of speech: 1024 in MIO.
  package var speechCodesPerCodebook: Int { Self.codesPerCodebook(of: speech?.codes ?? []) }

  private static func codesPerCodebook(of codes: [Int32]) -> Int { max(1, codes.count / speechCodebookCount) }

  /// What a media token is; nil for all others.
  package func kind(of id: Int32) -> TokenKind? { kinds[id] }

  /// `[Q][code]`: the ids of the speech codes, codebook by codebook.
  package var speechCodebooks: [[Int32]] {
    let codes = speech?.codes ?? []
    return stride(from: 0, to: codes.count, by: speechCodesPerCodebook).map {
      Array(codes[$0...].prefix(speechCodesPerCodebook))
    }
  }

  /// `<image>`, one token per code, `</image>`.
  ///
  /// - Throws: ``TextError`` with code `.missingToken` or `.codeOutOfRange`.
  package func imageTokens(_ codes: [Int]) throws(TextError) -> [Int32] {
    guard let image else { throw TextError(.missingToken, "this checkpoint has no image tokens") }
    return [image.start] + (try ids(codes, in: image, "image")) + [image.end]
  }

  /// `<spch>`, the codes codebook after codebook, `</spch>`.
  ///
  /// - Parameter codebooks: `[Q, T]`; speech that the model hears has one codebook, speech that it says has four.
  /// - Throws: ``TextError`` with code `.missingToken` or `.codeOutOfRange`.
  package func speechTokens(_ codebooks: [[Int]]) throws(TextError) -> [Int32] {
    guard let speech else { throw TextError(.missingToken, "this checkpoint has no speech tokens") }
    var tokens = [speech.start]
    for (codebook, codes) in codebooks.enumerated() {
      guard codes.allSatisfy((0..<speechCodesPerCodebook).contains) else {
        throw TextError(.codeOutOfRange, "speech codes must be 0 to \(speechCodesPerCodebook - 1)")
      }
      tokens += try ids(codes.map { $0 + codebook * speechCodesPerCodebook }, in: speech, "speech")
    }
    return tokens + [speech.end]
  }

  private func ids(_ codes: [Int], in block: Block, _ name: String) throws(TextError) -> [Int32] {
    var ids: [Int32] = []
    ids.reserveCapacity(codes.count)
    for code in codes {
      guard block.codes.indices.contains(code) else {
        throw TextError(.codeOutOfRange, "\(name) code \(code) has no token; codes are 0 to \(block.codes.count - 1)")
      }
      ids.append(block.codes[code])
    }
    return ids
  }
}

extension TextTokenizer {
  /// What the token is; never `.stop`.
  package func kind(of id: Int32) -> TokenKind {
    if let kind = media.kind(of: id) { return kind }
    if poolIndex(id) == nil { return .none }
    return isControl(id) ? .control : .text
  }
}
