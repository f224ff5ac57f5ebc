import Foundation

/// A checkpoint's tokenizer, read from its directory: the `tokenizer` blob of a `.mio` file and a summary for people.
///
/// Reads `tokenizer.model`, `tokenizer_config.json` and, where the latter has no `added_tokens_decoder`, `added_tokens.json` and
/// `special_tokens_map.json`, by the rules of transformers 4.34. What the runtime does not implement is refused by name; all
/// problems are reported together.
package struct TokenizerImport: Sendable {
  package let summary: TokenizerSummary
  /// The bytes of the blob; layout in ``TokenizerBlob``.
  package let blob: [UInt8]

  /// Limit of each of the four files.
  static let maxFileBytes = 64 << 20

  package init(directory: URL) throws(TokenizerImportError) {
    var problems: [TokenizerImportError.Problem] = []
    let files = TokenizerDirectory(directory)
    var configuration = files.decode(TokenizerConfiguration.self, "tokenizer_config.json", &problems) ?? .init()
    var listed: [(id: Int, entry: AddedTokenEntry)] = []
    var source = "tokenizer_config.json"
    if let entries = configuration.addedTokens {
      for (key, entry) in entries {
        guard let id = Int(key) else {
          problems.append(.init(.malformedFile, file: source, "the key \"\(key)\" of added_tokens_decoder is not an id"))
          continue
        }
        listed.append((id, entry))
      }
    } else {
      source = "added_tokens.json"
      listed = files.legacyAddedTokens(&configuration, &problems)
    }
    listed.sort { $0.id < $1.id }

    guard let model = files.sentencePieceModel(&problems) else { throw TokenizerImportError(problems) }
    problems += model.unsupportedFeatures().map { .init(.unsupported, file: "tokenizer.model", $0) }
    problems += model.inconsistencies().map { .init(.inconsistent, file: "tokenizer.model", $0) }
    problems += configuration.unsupportedFeatures().map { .init(.unsupported, file: "tokenizer_config.json", $0) }
    let pieces = Dictionary(model.pieces.enumerated().map { ($1.text, $0) }, uniquingKeysWith: { first, _ in first })
    let added = AddedTokenTable(configuration, listed: listed, source: source, pieces: pieces)
    problems += added.problems
    let media = MediaTokens(added, pieces: pieces)
    problems += media.problems.map { .init(.inconsistent, file: source, $0) }
    guard problems.isEmpty else { throw TokenizerImportError(problems) }

    summary = TokenizerSummary(model, configuration, added, media)
    blob = TokenizerBlob.encode(model, configuration, added, media)
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

/// Access to the files of one tokenizer; every failure becomes a problem with the file's name.
private struct TokenizerDirectory {
  let directory: URL

  init(_ directory: URL) { self.directory = directory }

  func exists(_ name: String) -> Bool {
    FileManager.default.fileExists(atPath: directory.appendingPathComponent(name).path)
  }

  func read(_ name: String, _ problems: inout [TokenizerImportError.Problem]) -> Data? {
    let url = directory.appendingPathComponent(name)
    guard exists(name) else {
      problems.append(.init(.missingFile, file: name, "there is no such file in the checkpoint; copy it beside the weights"))
      return nil
    }
    do {
      let size = try FileManager.default.attributesOfItem(atPath: url.path)[.size] as? Int ?? 0
      guard size <= TokenizerImport.maxFileBytes else {
        problems.append(
          .init(.malformedFile, file: name, "\(size) bytes are too many; \(TokenizerImport.maxFileBytes) are allowed"))
        return nil
      }
      return try Data(contentsOf: url)
    } catch {
      problems.append(.init(.missingFile, file: name, "cannot be read: \(error.localizedDescription)"))
      return nil
    }
  }

  func decode<T: Decodable>(_ type: T.Type, _ name: String, _ problems: inout [TokenizerImportError.Problem]) -> T? {
    guard let data = read(name, &problems) else { return nil }
    do {
      return try JSONDecoder().decode(type, from: data)
    } catch {
      problems.append(.init(.malformedFile, file: name, "is not the JSON expected: \(Self.explain(error))"))
      return nil
    }
  }

  /// The places of a decoding error, without Foundation's prose around them.
  private static func explain(_ error: any Error) -> String {
    let (context, what): (DecodingError.Context?, String) =
      switch error as? DecodingError {
      case .typeMismatch(let type, let context): (context, "expected \(type)")
      case .valueNotFound(let type, let context): (context, "expected \(type), found null")
      case .keyNotFound(let key, let context): (context, "the key \"\(key.stringValue)\" is missing")
      case .dataCorrupted(let context): (context, context.debugDescription)
      default: (nil, "\(error)")
      }
    let path = (context?.codingPath ?? []).map(\.stringValue).joined(separator: ".")
    return path.isEmpty ? what : "\(path): \(what)"
  }

  /// Directories written before transformers 4.34: all tokens of `added_tokens.json` strip both sides, and
  /// `special_tokens_map.json` overrides the roles.
  func legacyAddedTokens(
    _ configuration: inout TokenizerConfiguration, _ problems: inout [TokenizerImportError.Problem]
  ) -> [(id: Int, entry: AddedTokenEntry)] {
    if exists("special_tokens_map.json"),
      let map = decode(SpecialTokensMap.self, "special_tokens_map.json", &problems) {
      do {
        try configuration.overrideSpecials(from: map.values)
      } catch {
        problems.append(.init(.malformedFile, file: "special_tokens_map.json", Self.explain(error)))
      }
    }
    guard exists("added_tokens.json") else {
      if exists("tokenizer.json") {
        problems.append(
          .init(
            .unsupported, file: "tokenizer.json",
            "added tokens are only in tokenizer.json, which is not read; "
              + "save the tokenizer again with transformers 4.34 or newer, so that tokenizer_config.json lists them"))
      }
      return []
    }
    let tokens = decode([String: Int].self, "added_tokens.json", &problems) ?? [:]
    return tokens.map { ($1, AddedTokenEntry(content: $0, stripsLeft: true, stripsRight: true)) }
  }

  func sentencePieceModel(_ problems: inout [TokenizerImportError.Problem]) -> SentencePieceModel? {
    guard let data = read("tokenizer.model", &problems) else { return nil }
    do {
      return try SentencePieceModel(parsing: [UInt8](data))
    } catch {
      problems.append(
        .init(
          .malformedFile, file: "tokenizer.model",
          "is not a sentencepiece model (byte \(error.byteOffset): \(error.message)); copy it again from the checkpoint"))
      return nil
    }
  }
}
