/// The added tokens of a tokenizer and which of them are special, as transformers 4.34 arrives at them.
///
/// Follows `PreTrainedTokenizerBase._from_pretrained`, `PreTrainedTokenizer.__init__` and `_add_tokens`
/// (`tokenization_utils_base.py`, `tokenization_utils.py`).
struct AddedTokenTable {
  struct Token {
    var entry: AddedTokenEntry
    var id: Int
    /// Member of the special tokens: bos, eos, unk, pad, and every additional special token.
    var isSpecial: Bool
    /// Decoding sets it apart from its neighbours with spaces.
    var isSeparate: Bool
  }

  /// Ids must fit the vocabulary tables; far above any real model.
  static let maxID = (1 << 24) - 1

  private(set) var tokens: [Int: Token] = [:]
  private(set) var roles: [SpecialRole: Int] = [:]
  private(set) var problems: [ConversionError.Problem] = []
  private var idByContent: [[UInt8]: Int] = [:]

  /// - Parameters:
  ///   - configuration: The settings after `special_tokens_map.json` was applied.
  ///   - listed: Added tokens with ids and flags, from `added_tokens_decoder` or `added_tokens.json`.
  ///   - source: The file `listed` comes from.
  init(
    _ configuration: TokenizerConfiguration, listed: [(id: Int, entry: AddedTokenEntry)], source: String,
    pieces: [[UInt8]: Int]
  ) {
    for (id, entry) in listed { add(id, entry, source) }
    // Strings among the additional special tokens that are listed take the listed entry: `special: true` decides there.
    let isDecoder = configuration.addedTokens != nil
    var additional = configuration.additionalSpecials.filter { token in
      if case .string(let text) = token, isDecoder { return idByContent[Array(text.utf8)] == nil }
      return true
    }
    if isDecoder { additional += listed.filter(\.entry.isSpecial).map { .object($0.entry) } }
    registerSpecials(configuration.roles, additional, pieces: pieces)
    let additionalContents = Set(additional.map { Array($0.content.utf8) })
    for id in tokens.keys {
      guard let token = tokens[id] else { continue }
      let isAdditional = additionalContents.contains(Array(token.entry.content.utf8))
      tokens[id]?.isSeparate = !token.isSpecial || (isAdditional && id >= pieces.count)
    }
    checkStripping()
  }

  private mutating func add(_ id: Int, _ entry: AddedTokenEntry, _ source: String) {
    let content = Array(entry.content.utf8)
    guard (0...Self.maxID).contains(id) else {
      return report(
        .badTokenizer, source, "the id \(id) of \"\(entry.content)\" is out of range; it must be 0 to \(Self.maxID)")
    }
    guard (1...SentencePieceModel.maxPieceBytes).contains(content.count) else {
      return report(.badTokenizer, source, "added token \(id) must have 1 to \(SentencePieceModel.maxPieceBytes) bytes")
    }
    if let other = idByContent.updateValue(id, forKey: content) {
      report(.badTokenizer, source, "\"\(entry.content)\" has two ids, \(other) and \(id); remove one entry")
    }
    if let other = tokens[id] {
      report(
        .badTokenizer, source,
        "id \(id) belongs to both \"\(other.entry.content)\" and \"\(entry.content)\"; remove one entry")
    }
    if entry.isSingleWord {
      report(.unsupported, source, "single_word of \"\(entry.content)\" is not supported; set it to false")
    }
    tokens[id] = Token(entry: entry, id: id, isSpecial: false, isSeparate: false)
  }

  /// Makes bos, eos and the others added tokens. The flags given with the role replace those of the list: plain strings
  /// strip nothing as bos, eos, unk or pad, and strip both sides as additional special tokens.
  private mutating func registerSpecials(
    _ named: [SpecialRole: TokenSpecification], _ additional: [TokenSpecification], pieces: [[UInt8]: Int]
  ) {
    var seen: Set<[UInt8]> = []
    for role in SpecialRole.allCases {
      guard let token = named[role] else { continue }
      roles[role] = register(token, stripsAlone: false, name: role.rawValue, seen: &seen, pieces: pieces)
    }
    for token in additional {
      _ = register(token, stripsAlone: true, name: "additional_special_tokens", seen: &seen, pieces: pieces)
    }
  }

  private mutating func register(
    _ token: TokenSpecification, stripsAlone: Bool, name: String, seen: inout Set<[UInt8]>, pieces: [[UInt8]: Int]
  ) -> Int? {
    let content = Array(token.content.utf8)
    guard let id = idByContent[content] ?? pieces[content] else {
      report(
        .badTokenizer, "tokenizer_config.json",
        "\(name) \"\(token.content)\" is neither a piece of tokenizer.model nor an added token; list it with its id")
      return nil
    }
    guard seen.insert(content).inserted else { return id }
    let entry =
      switch token {
      case .string(let text): AddedTokenEntry(content: text, stripsLeft: stripsAlone, stripsRight: stripsAlone)
      case .object(let entry): entry
      }
    if entry.isSingleWord {
      report(
        .unsupported, "tokenizer_config.json", "single_word of \"\(entry.content)\" is not supported; set it to false")
    }
    idByContent[content] = id
    tokens[id] = Token(entry: entry, id: id, isSpecial: true, isSeparate: false)
    return id
  }

  /// A token that is itself white space at an end would be eaten by a neighbour that strips.
  private mutating func checkStripping() {
    guard tokens.values.contains(where: { $0.entry.stripsLeft || $0.entry.stripsRight }) else { return }
    for token in tokens.values.sorted(by: { $0.id < $1.id }) {
      let ends = [token.entry.content.unicodeScalars.first, token.entry.content.unicodeScalars.last]
      if ends.contains(where: { $0?.properties.isWhitespace ?? false }) {
        report(
          .unsupported, "added tokens",
          "token \(token.id) begins or ends with white space while others have lstrip or rstrip; clear those flags")
      }
    }
  }

  /// The id of a token string, added tokens first.
  func id(of content: String) -> Int? { idByContent[Array(content.utf8)] }

  private mutating func report(_ code: ConversionError.Code, _ file: String, _ message: String) {
    problems.append(.init(code, file: file, message))
  }
}
