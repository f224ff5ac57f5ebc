import Foundation

/// One token as the JSON files of a tokenizer write it: a string, or an object with flags.
enum TokenSpecification: Decodable {
  case string(String)
  case object(AddedTokenEntry)

  init(from decoder: any Decoder) throws {
    if let text = try? decoder.singleValueContainer().decode(String.self) {
      self = .string(text)
    } else {
      self = .object(try AddedTokenEntry(from: decoder))
    }
  }

  var content: String {
    switch self {
    case .string(let text): text
    case .object(let entry): entry.content
    }
  }
}

/// An added token: its string and how text around it is treated. Absent flags are false.
struct AddedTokenEntry: Decodable {
  var content: String
  var stripsLeft = false
  var stripsRight = false
  var isSingleWord = false
  var isSpecial = false

  enum CodingKeys: String, CodingKey {
    case content, special
    case stripsLeft = "lstrip"
    case stripsRight = "rstrip"
    case isSingleWord = "single_word"
  }

  init(content: String, stripsLeft: Bool = false, stripsRight: Bool = false) {
    self.content = content
    self.stripsLeft = stripsLeft
    self.stripsRight = stripsRight
  }

  init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    content = try values.decode(String.self, forKey: .content)
    stripsLeft = try values.decodeIfPresent(Bool.self, forKey: .stripsLeft) ?? false
    stripsRight = try values.decodeIfPresent(Bool.self, forKey: .stripsRight) ?? false
    isSingleWord = try values.decodeIfPresent(Bool.self, forKey: .isSingleWord) ?? false
    isSpecial = try values.decodeIfPresent(Bool.self, forKey: .special) ?? false
  }
}

/// The seven named special tokens, in the order in which transformers registers them.
enum SpecialRole: String, CaseIterable {
  case beginning = "bos_token"
  case end = "eos_token"
  case unknown = "unk_token"
  case separator = "sep_token"
  case padding = "pad_token"
  case classification = "cls_token"
  case mask = "mask_token"
}

/// A JSON object whose keys are decoded one by one, so that an absent key and a null can be told apart.
struct JSONKey: CodingKey {
  let stringValue: String
  var intValue: Int? { nil }
  init(stringValue: String) { self.stringValue = stringValue }
  init?(intValue: Int) { nil }
}

/// The keys of `tokenizer_config.json` that `LlamaTokenizer` of transformers 4.34 acts on.
struct TokenizerConfiguration: Decodable {
  var roles: [SpecialRole: TokenSpecification] = [.beginning: .string("<s>"), .end: .string("</s>"), .unknown: .string("<unk>")]
  var additionalSpecials: [TokenSpecification] = []
  /// Nil when the key is absent: then `added_tokens.json` and `special_tokens_map.json` are read.
  var addedTokens: [String: AddedTokenEntry]?
  var addsBeginning = true
  var addsEnd = false
  var isLegacy = true
  var cleansUpSpaces = false
  var splitsSpecialTokens = false
  var tokenizerClass: String?

  init() {}

  init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: JSONKey.self)
    func flag(_ name: String, absent: Bool, null: Bool) throws -> Bool {
      let key = JSONKey(stringValue: name)
      guard values.contains(key) else { return absent }
      return try values.decodeNil(forKey: key) ? null : values.decode(Bool.self, forKey: key)
    }
    addsBeginning = try flag("add_bos_token", absent: true, null: false)
    addsEnd = try flag("add_eos_token", absent: false, null: false)
    isLegacy = try flag("legacy", absent: true, null: true)
    cleansUpSpaces = try flag("clean_up_tokenization_spaces", absent: false, null: false)
    splitsSpecialTokens = try flag("split_special_tokens", absent: false, null: false)
    tokenizerClass = try values.decodeIfPresent(String.self, forKey: JSONKey(stringValue: "tokenizer_class"))
    addedTokens = try values.decodeIfPresent(
      [String: AddedTokenEntry].self, forKey: JSONKey(stringValue: "added_tokens_decoder"))
    try overrideSpecials(from: values)
  }

  /// Takes over what `values` says about bos, eos and the others; a null removes the token.
  mutating func overrideSpecials(from values: KeyedDecodingContainer<JSONKey>) throws {
    for role in SpecialRole.allCases {
      let key = JSONKey(stringValue: role.rawValue)
      guard values.contains(key) else { continue }
      let token = try values.decodeIfPresent(TokenSpecification.self, forKey: key)
      roles[role] = token.flatMap { $0.content.isEmpty ? nil : $0 }
    }
    let key = JSONKey(stringValue: "additional_special_tokens")
    let more = try values.decodeIfPresent([TokenSpecification].self, forKey: key) ?? []
    for token in more where !additionalSpecials.contains(where: { $0.content == token.content }) {
      additionalSpecials.append(token)
    }
  }
}

/// `special_tokens_map.json`: overrides of the special tokens, in directories without `added_tokens_decoder`.
struct SpecialTokensMap: Decodable {
  let values: KeyedDecodingContainer<JSONKey>
  init(from decoder: any Decoder) throws { values = try decoder.container(keyedBy: JSONKey.self) }
}
