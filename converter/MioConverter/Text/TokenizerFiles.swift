/// One token as the JSON files of a tokenizer write it: a string, or an object with flags.
enum TokenSpecification {
  case string(String)
  case object(AddedTokenEntry)

  /// - Parameter place: Where the value stands, for the message.
  init(_ json: JSON, _ place: String) throws(TokenizerFileFault) {
    if let text = json.string {
      self = .string(text)
    } else {
      self = .object(try AddedTokenEntry(json, place))
    }
  }

  var content: String {
    switch self {
    case .string(let text): text
    case .object(let entry): entry.content
    }
  }
}

/// What is wrong with a JSON file of a tokenizer.
struct TokenizerFileFault: Error {
  let message: String
  init(_ message: String) { self.message = message }
}

extension JSON.Object {
  /// The truth value of a member, with what stands for an absent key and for a null.
  func flag(_ key: String, absent: Bool, null: Bool, _ place: String = "") throws(TokenizerFileFault) -> Bool {
    guard let value = self[key] else { return absent }
    if value.isNull { return null }
    guard let flag = value.bool else { throw TokenizerFileFault("\(place)\(key) is not true or false") }
    return flag
  }
}

/// An added token: its string and how text around it is treated. Absent flags are false.
struct AddedTokenEntry {
  var content: String
  var stripsLeft = false
  var stripsRight = false
  var isSingleWord = false
  var isSpecial = false

  init(content: String, stripsLeft: Bool = false, stripsRight: Bool = false) {
    self.content = content
    self.stripsLeft = stripsLeft
    self.stripsRight = stripsRight
  }

  init(_ json: JSON, _ place: String) throws(TokenizerFileFault) {
    guard let object = json.object, let content = object["content"]?.string else {
      throw TokenizerFileFault("\(place) is neither a string nor an object with \"content\"")
    }
    let known = SettingsTable.addedToken.used + SettingsTable.addedToken.inert.flatMap(\.keys)
    if let key = object.keys.first(where: { !known.contains($0) }) {
      throw TokenizerFileFault("\(place).\(key): this property of an added token is not known")
    }
    self.content = content
    stripsLeft = try object.flag("lstrip", absent: false, null: false, place + ".")
    stripsRight = try object.flag("rstrip", absent: false, null: false, place + ".")
    isSingleWord = try object.flag("single_word", absent: false, null: false, place + ".")
    isSpecial = try object.flag("special", absent: false, null: false, place + ".")
  }
}

/// The named special tokens, in the order in which transformers registers them.
enum SpecialRole: String, CaseIterable {
  case beginning = "bos_token"
  case end = "eos_token"
  case unknown = "unk_token"
  case separator = "sep_token"
  case padding = "pad_token"
  case classification = "cls_token"
  case mask = "mask_token"
}

/// The keys of `tokenizer_config.json` that `LlamaTokenizer` of transformers 4.34 acts on.
struct TokenizerConfiguration {
  private(set) var roles: [SpecialRole: TokenSpecification] = [
    .beginning: .string("<s>"), .end: .string("</s>"), .unknown: .string("<unk>"),
  ]
  private(set) var additionalSpecials: [TokenSpecification] = []
  /// Nil when the key is absent: then `added_tokens.json` and `special_tokens_map.json` are read.
  private(set) var addedTokens: [(id: Int, entry: AddedTokenEntry)]?
  let addsBeginning: Bool
  let addsEnd: Bool
  let isLegacy: Bool
  let cleansUpSpaces: Bool
  let splitsSpecialTokens: Bool
  let tokenizerClass: String?

  init(_ object: JSON.Object) throws(TokenizerFileFault) {
    addsBeginning = try object.flag("add_bos_token", absent: true, null: false)
    addsEnd = try object.flag("add_eos_token", absent: false, null: false)
    isLegacy = try object.flag("legacy", absent: true, null: true)
    cleansUpSpaces = try object.flag("clean_up_tokenization_spaces", absent: false, null: false)
    splitsSpecialTokens = try object.flag("split_special_tokens", absent: false, null: false)
    tokenizerClass = object["tokenizer_class"]?.string
    try overrideSpecials(from: object)
    guard let listed = object["added_tokens_decoder"], !listed.isNull else { return }
    guard let entries = listed.object else { throw TokenizerFileFault("added_tokens_decoder is not an object") }
    addedTokens = []
    for (key, value) in zip(entries.keys, entries.values) {
      guard let id = Int(key) else {
        throw TokenizerFileFault("the key \"\(key)\" of added_tokens_decoder is not an id")
      }
      addedTokens?.append((id, try AddedTokenEntry(value, "added_tokens_decoder.\(key)")))
    }
  }

  /// Takes over what `object` says about bos, eos and the others; a null removes the token.
  mutating func overrideSpecials(from object: JSON.Object) throws(TokenizerFileFault) {
    for role in SpecialRole.allCases {
      guard let value = object[role.rawValue] else { continue }
      let token = value.isNull ? nil : try TokenSpecification(value, role.rawValue)
      roles[role] = token.flatMap { $0.content.isEmpty ? nil : $0 }
    }
    let key = "additional_special_tokens"
    guard let list = object[key], !list.isNull else { return }
    guard let values = list.array else { throw TokenizerFileFault("\(key) is not a list") }
    for value in values {
      let token = try TokenSpecification(value, key)
      if !additionalSpecials.contains(where: { $0.content.utf8.elementsEqual(token.content.utf8) }) {
        additionalSpecials.append(token)
      }
    }
  }
}
