import MioModel

/// Cuts text into a model's tokens, exactly as the checkpoint's own tokenizer does.
public struct Tokenizer: Sendable {
  let layer: TextTokenizer

  /// The ids of a text.
  ///
  /// - Parameters:
  ///   - text: at most 256 MiB.
  ///   - special: whether strings such as `<|im_end|>` or `<spch12>` in the text become the tokens that they name. Leave it
  ///     off for text of users.
  ///   - addsEnds: whether the tokens are added that the tokenizer puts at the ends of a text (bos).
  /// - Throws: ``MioError`` with code `.invalidInput` if the text is longer than 256 MiB.
  public func encode(_ text: String, special: Bool = false, addsEnds: Bool = true) throws(MioError) -> [Int32] {
    do { return try layer.encode(text, trusted: special, addsEnds: addsEnds) } catch { throw MioError(error) }
  }

  /// The text of token ids, special tokens included, as the checkpoint's tokenizer decodes it.
  ///
  /// - Throws: ``MioError`` with code `.invalidInput` if an id has no token.
  public func decode(_ ids: [Int32]) throws(MioError) -> String {
    do { return try layer.decode(ids) } catch { throw MioError(error) }
  }

  /// The string of one token; `nil` if the id has none.
  public func token(_ id: Int32) -> String? { layer.piece(id) }

  /// The id of the token with this string.
  public func id(of token: String) -> Int32? { layer.id(of: token) }

  /// Ids are below this.
  public var vocabularySize: Int { layer.idCount }

  /// Turns tokens into text as they come: ordinary words only, no special tokens.
  public func textDecoder() -> TextDecoder { TextDecoder(layer: PlainTextDecoder(layer, continuing: true)) }

  /// The words of a reply, token by token. Bytes that may still become a character are held back.
  public struct TextDecoder: Sendable {
    var layer: PlainTextDecoder

    /// Takes the next token and returns the text that is certain by now.
    public mutating func append(_ id: Int32) -> String { layer.append(id) }

    /// What was held back; nothing follows.
    public mutating func finish() -> String { layer.finish() }
  }
}

extension Model {
  /// Whether the tokenizer has tokens of speech.
  public var hasSpeechTokens: Bool { textTokenizer?.media.speech != nil }
  /// Whether the tokenizer has tokens of images.
  public var hasImageTokens: Bool { textTokenizer?.media.image != nil }

  /// The model's tokenizer; `nil` if the file has none.
  public var tokenizer: Tokenizer? { textTokenizer.map(Tokenizer.init) }
}
