/// A checkpoint's tokenizer, read from its directory: the `tokenizer` blob of a `.mio` file and a summary for people.
///
/// Reads `tokenizer.model`, `tokenizer_config.json` and, where the latter has no `added_tokens_decoder`,
/// `added_tokens.json` and `special_tokens_map.json`, by the rules of transformers 4.34. What the runtime does not
/// implement is refused by name; all problems are reported together.
package struct TokenizerImport: Sendable {
  package let summary: TokenizerSummary
  /// The bytes of the blob; layout in ``TokenizerBlob``.
  package let blob: [UInt8]
  /// The files that were read.
  package let files: [String]

  package init(_ checkpoint: CheckpointDirectory) throws(ConversionError) {
    var files = TokenizerFiles(checkpoint)
    let configuration = files.configuration()
    let model = files.sentencePieceModel()
    guard var configuration, let model else { throw ConversionError(files.problems) }

    let source = configuration.addedTokens == nil ? "added_tokens.json" : "tokenizer_config.json"
    var listed = configuration.addedTokens ?? files.legacyAddedTokens(&configuration)
    listed.sort { $0.id < $1.id }
    files.problems += model.unsupportedFeatures().map { .init(.unsupported, file: "tokenizer.model", $0) }
    files.problems += model.inconsistencies().map { .init(.badTokenizer, file: "tokenizer.model", $0) }
    files.problems += configuration.unsupportedFeatures().map { .init(.unsupported, file: "tokenizer_config.json", $0) }
    let pieces = Dictionary(model.pieces.enumerated().map { ($1.text, $0) }, uniquingKeysWith: { first, _ in first })
    let added = AddedTokenTable(configuration, listed: listed, source: source, pieces: pieces)
    let media = MediaTokens(added, pieces: pieces)
    files.problems += added.problems + media.problems.map { .init(.badTokenizer, file: source, $0) }
    guard files.problems.isEmpty else { throw ConversionError(files.problems) }

    summary = TokenizerSummary(model, configuration, added, media)
    blob = TokenizerBlob.encode(model, configuration, added, media)
    self.files = files.read
  }
}

extension TokenizerConfiguration {
  func unsupportedFeatures() -> [String] {
    var list: [String] = []
    if cleansUpSpaces { list.append("clean_up_tokenization_spaces is not supported; set it to false") }
    if splitsSpecialTokens { list.append("split_special_tokens is not supported; set it to false") }
    return list
  }
}

/// Reads the files of one tokenizer and collects everything that is wrong with them.
private struct TokenizerFiles {
  private let checkpoint: CheckpointDirectory
  var problems: [ConversionError.Problem] = []
  private(set) var read: [String] = []

  init(_ checkpoint: CheckpointDirectory) { self.checkpoint = checkpoint }

  private mutating func attempt<T>(_ file: String, _ body: (CheckpointDirectory) throws(ConversionError) -> T) -> T? {
    do {
      let value = try body(checkpoint)
      read.append(file)
      return value
    } catch {
      problems += error.problems
      return nil
    }
  }

  private mutating func object(_ file: String) -> JSON.Object? {
    attempt(file) { (checkpoint) throws(ConversionError) in try checkpoint.object(file) }
  }

  mutating func configuration() -> TokenizerConfiguration? {
    let file = "tokenizer_config.json"
    guard let object = object(file) else { return nil }
    var settings = SettingsReader(object, file: file, ignoring: checkpoint.ignoredSettings)
    settings.finish(.tokenizer)
    problems += settings.problems
    do { return try TokenizerConfiguration(object) } catch {
      problems.append(.init(.badTokenizer, file: file, error.message))
      return nil
    }
  }

  mutating func sentencePieceModel() -> SentencePieceModel? {
    let file = "tokenizer.model"
    let bytes = attempt(file) { (checkpoint) throws(ConversionError) in try checkpoint.bytes(file) }
    guard let bytes else { return nil }
    do { return try SentencePieceModel(parsing: bytes) } catch {
      problems.append(
        .init(
          .badTokenizer, file: file,
          "not a sentencepiece model (byte \(error.byteOffset): \(error.message)); copy it again from the checkpoint"))
      return nil
    }
  }

  /// Directories written before transformers 4.34: all tokens of `added_tokens.json` strip both sides, and
  /// `special_tokens_map.json` overrides the roles.
  mutating func legacyAddedTokens(_ configuration: inout TokenizerConfiguration) -> [(id: Int, entry: AddedTokenEntry)] {
    let map = "special_tokens_map.json"
    if checkpoint.has(map), let object = object(map) {
      do { try configuration.overrideSpecials(from: object) } catch {
        problems.append(.init(.badTokenizer, file: map, error.message))
      }
    }
    let file = "added_tokens.json"
    guard checkpoint.has(file) else {
      if checkpoint.has("tokenizer.json") {
        problems.append(
          .init(
            .unsupported, file: "tokenizer.json",
            "the added tokens are in this file only, which is not read; "
              + "save the tokenizer again with transformers 4.34 or newer, so that tokenizer_config.json lists them"))
      }
      return []
    }
    var tokens: [(id: Int, entry: AddedTokenEntry)] = []
    guard let object = object(file) else { return [] }
    for (text, id) in zip(object.keys, object.values) {
      guard let id = id.integer else {
        problems.append(.init(.badTokenizer, file: file, "the id of \"\(text)\" is not a whole number"))
        continue
      }
      tokens.append((id, AddedTokenEntry(content: text, stripsLeft: true, stripsRight: true)))
    }
    return tokens
  }
}
