extension Prompt {
  /// Text in which `<image_placeholder_0>`, `<speech_placeholder_0>` and so on stand for media.
  ///
  /// Every occurrence of a placeholder becomes its medium; placeholders without a medium stay as text.
  ///
  /// - Parameters:
  ///   - trusted: Whether token strings in the text become tokens.
  ///   - images: Tokens of image 0, 1, …
  ///   - speeches: Tokens of speech 0, 1, …
  package init(placeholdersIn text: String, trusted: Bool, images: [[Int32]] = [], speeches: [[Int32]] = []) {
    self.init()
    let text = Array(text.utf8)
    let kinds = [(Array("<image_placeholder_".utf8), images), (Array("<speech_placeholder_".utf8), speeches)]
    var start = 0
    var at = 0
    func segment(_ range: Range<Int>) -> Segment {
      let string = String(decoding: text[range], as: UTF8.self)
      return trusted ? .trusted(string) : .untrusted(string)
    }
    while at < text.count {
      guard text[at] == UInt8(ascii: "<"), let (tokens, length) = Self.placeholder(text[at...], kinds) else {
        at += 1
        continue
      }
      segments.append(segment(start..<at))
      segments.append(.tokens(tokens))
      at += length
      start = at
    }
    segments.append(segment(start..<at))
  }

  /// The medium of the placeholder at the start of `text`, and the placeholder's length.
  private static func placeholder(
    _ text: ArraySlice<UInt8>, _ kinds: [(name: [UInt8], media: [[Int32]])]
  ) -> (tokens: [Int32], length: Int)? {
    for (name, media) in kinds where text.starts(with: name) {
      let digits = text.dropFirst(name.count).prefix { (48...57).contains($0) }
      guard text.dropFirst(name.count + digits.count).first == UInt8(ascii: ">"), digits.count <= 9,
        digits.count == 1 || digits.first != 48, let number = Int(String(decoding: digits, as: UTF8.self)),
        media.indices.contains(number)
      else { continue }
      return (media[number], name.count + digits.count + 1)
    }
    return nil
  }
}
