/// Takes a reply apart while it is generated.
///
/// Finds media by token id, where `detokenize` of the reference uses regular expressions on the decoded text; white
/// space between the tokens of a block is allowed, as there. Control tokens end a block and are otherwise left out.
///
/// Not the same as the ``MediaBlock`` events of a generation: those follow the grammar, know what the voice prompt gave and why
/// speech ended, and need no tolerance. This reads tokens that no grammar held, broken ones among them, and the text between.
package struct ReplyParser: Sendable {
  private enum Block: Hashable {
    case image, speech
  }

  private let tokenizer: TextTokenizer
  private var decoder: PlainTextDecoder
  private var block: Block?
  private var numbers: [Int] = []
  /// White space inside the block: no part of it, and text again should the block turn out to be none.
  private var spaces: [Int32] = []

  /// - Parameter prompt: The tokens before the reply. A block that they leave open belongs to the reply.
  package init(_ tokenizer: TextTokenizer, after prompt: [Int32] = []) {
    self.tokenizer = tokenizer
    decoder = PlainTextDecoder(tokenizer, continuing: true)
    if let start = prompt.lastIndex(where: { !Self.continuesBlock(tokenizer.kind(of: $0)) }) {
      for id in prompt[start...] { _ = append(id) }
    }
    if block == nil { decoder = PlainTextDecoder(tokenizer, continuing: true) }
  }

  private static func continuesBlock(_ kind: TokenKind) -> Bool {
    switch kind {
    case .image, .speech: true
    default: false
    }
  }

  /// Whether the next tokens are codes of speech.
  package var isInSpeech: Bool { block == .speech }
  /// Whether the next tokens are codes of an image.
  package var isInImage: Bool { block == .image }

  /// Takes the next token.
  ///
  /// - Returns: Parts that are certain by now; text in pieces, to be shown at once.
  package mutating func append(_ id: Int32) -> [ReplyPart] {
    switch (block, tokenizer.kind(of: id)) {
    case (nil, .text): return text(decoder.append(id))
    case (_, .text) where isSpace(id):
      spaces.append(id)
      return []
    case (_, .text): return closeBlock(isFinished: false) + text(decoder.append(id))
    case (_, .openImage): return openBlock(.image, id)
    case (_, .openSpeech): return openBlock(.speech, id)
    case (.image?, .image(let code)): return append(number: code)
    case (.speech?, .speech(let codebook, let code)):
      return append(number: codebook * tokenizer.media.speechCodesPerCodebook + code)
    case (.image?, .closeImage), (.speech?, .closeSpeech):
      guard !numbers.isEmpty else { return closeBlock(isFinished: false) + stray(id) }
      spaces = []
      return text(decoder.append(id)) + closeBlock(isFinished: true)
    case (_, .image), (_, .speech), (_, .closeImage), (_, .closeSpeech):
      return closeBlock(isFinished: false) + stray(id)
    case (_, .control), (_, .stop), (_, .none): return closeBlock(isFinished: false) + text(decoder.append(id))
    }
  }

  private mutating func append(number: Int) -> [ReplyPart] {
    numbers.append(number)
    spaces = []
    return []
  }

  /// What is left; nothing follows.
  package mutating func finish() -> [ReplyPart] { closeBlock(isFinished: false) + text(decoder.finish()) }

  private mutating func openBlock(_ kind: Block, _ id: Int32) -> [ReplyPart] {
    defer { block = kind }
    return closeBlock(isFinished: false) + text(decoder.append(id))
  }

  /// Ends the open block, if there is one. An unfinished one without codes was none: its start token is stray.
  private mutating func closeBlock(isFinished: Bool) -> [ReplyPart] {
    guard let kind = block else { return [] }
    let spaces = self.spaces
    let numbers = self.numbers
    block = nil
    self.spaces = []
    self.numbers = []
    let part: ReplyPart =
      switch kind {
      case _ where numbers.isEmpty: .stray(kind == .image ? "<image>" : "<spch>")
      case .image: .image(ReplyImage(codes: numbers, isFinished: isFinished))
      case .speech:
        .speech(
          ReplySpeech(
            numbers: numbers, codesPerCodebook: tokenizer.media.speechCodesPerCodebook, isFinished: isFinished))
      }
    return [part] + text(spaces.map { decoder.append($0) }.joined())
  }

  private mutating func stray(_ id: Int32) -> [ReplyPart] {
    text(decoder.append(id)) + [.stray(tokenizer.piece(id) ?? "")]
  }

  private func text(_ text: String) -> [ReplyPart] { text.isEmpty ? [] : [.text(text)] }

  private func isSpace(_ id: Int32) -> Bool {
    let text = Array(tokenizer.plainText(of: [id], continuing: true).utf8)
    return !text.isEmpty && PythonWhitespace.trim(text[...]).isEmpty
  }
}
