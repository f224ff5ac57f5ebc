/// The ids of the tokens that carry media and turns, found by their strings.
struct MediaTokens {
  /// `<image>` … `</image>` with `<img0>`, `<img1>`, …, or `<spch>` … `</spch>` with `<spch0>`, ….
  struct Block {
    var start: Int
    var end: Int
    /// Id by number. Nothing says that ids ascend or are contiguous.
    var codes: [Int]
  }

  private(set) var image: Block?
  private(set) var speech: Block?
  /// `<|im_start|>` and `<|im_end|>`, added tokens or pieces.
  private(set) var turnStart: Int?
  private(set) var turnEnd: Int?
  private(set) var problems: [String] = []

  init(_ added: AddedTokenTable, pieces: [[UInt8]: Int]) {
    func find(_ text: String) -> Int? { added.id(of: text) ?? pieces[Array(text.utf8)] }
    turnStart = find("<|im_start|>")
    turnEnd = find("<|im_end|>")
    image = block("image", code: "img", find: find, added)
    speech = block("spch", code: "spch", find: find, added)
  }

  private mutating func block(
    _ name: String, code: String, find: (String) -> Int?, _ added: AddedTokenTable
  ) -> Block? {
    let (start, end) = (find("<\(name)>"), find("</\(name)>"))
    var codes: [Int] = []
    while let id = find("<\(code)\(codes.count)>") { codes.append(id) }
    let listed = added.tokens.values.count { Self.isCode($0.entry.content, code) }
    if listed > codes.count {
      problems.append(
        "there are \(listed) <\(code)N> tokens, but <\(code)\(codes.count)> is missing; list every number from 0")
    }
    switch (start, end, codes.isEmpty) {
    case (let start?, let end?, false): return Block(start: start, end: end, codes: codes)
    case (nil, nil, true): return nil
    default:
      problems.append("<\(name)>, </\(name)> and <\(code)0> must be listed together or not at all")
      return nil
    }
  }

  /// Whether `content` is `<codeN>` with a plain decimal N.
  private static func isCode(_ content: String, _ code: String) -> Bool {
    guard content.hasPrefix("<\(code)"), content.hasSuffix(">") else { return false }
    let digits = content.utf8.dropFirst(code.utf8.count + 1).dropLast()
    return !digits.isEmpty && digits.allSatisfy { (48...57).contains($0) } && (digits.count == 1 || digits.first != 48)
  }
}
