/// What a token means to the engine.
package enum TokenRole: Hashable, Sendable {
  /// Spells text.
  case text
  /// Steers the model: bos, eos, `<|im_end|>` and the like.
  case control
  case imageStart
  case imageEnd
  /// N of `<imgN>`.
  case imageCode(Int)
  case speechStart
  case speechEnd
  /// N of `<spchN>`: codebook × codes per codebook + code.
  case speechCode(Int)
  /// An id without a token, as rows that pad the embedding.
  case none
}

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

  /// Codebook of speech in the vocabulary: content and three of timbre.
  package static let speechLevelCount = 4
  /// Tokens of one image.
  package static let imageLength = 32

  /// Nil in checkpoints without image tokens.
  package let image: Block?
  /// Nil in checkpoints without speech tokens.
  package let speech: Block?
  private let roles: [Int32: TokenRole]

  init(_ tables: TokenizerTables) {
    var roles: [Int32: TokenRole] = [:]
    roles.reserveCapacity(tables.imageCodeIDs.count + tables.speechCodeIDs.count + 4)
    if let start = tables.named.imageStart, let end = tables.named.imageEnd {
      image = Block(start: start, end: end, codes: tables.imageCodeIDs)
      for (n, id) in tables.imageCodeIDs.enumerated() { roles[id] = .imageCode(n) }
      roles[start] = .imageStart
      roles[end] = .imageEnd
    } else {
      image = nil
    }
    if let start = tables.named.speechStart, let end = tables.named.speechEnd {
      speech = Block(start: start, end: end, codes: tables.speechCodeIDs)
      for (n, id) in tables.speechCodeIDs.enumerated() { roles[id] = .speechCode(n) }
      roles[start] = .speechStart
      roles[end] = .speechEnd
    } else {
      speech = nil
    }
    self.roles = roles
  }

  /// K, the codes of one codebook of speech: 1024 in MIO.
  package var speechCodesPerCodebook: Int { max(1, (speech?.codes.count ?? 0) / Self.speechLevelCount) }

  /// The role of a media token; nil for all others.
  package func role(of id: Int32) -> TokenRole? { roles[id] }

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
  /// What the token means to the engine.
  package func role(of id: Int32) -> TokenRole {
    if let role = media.role(of: id) { return role }
    if poolIndex(id) == nil { return .none }
    return isControl(id) ? .control : .text
  }
}
