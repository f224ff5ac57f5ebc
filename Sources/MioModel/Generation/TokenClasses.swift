/// What every token id is to the modality grammar, from the tables of one checkpoint.
package struct TokenClasses: Sendable {
  /// The ids of speech: `codebooks[q][code]` is the token of code `code` on codebook q; codebook 0 is content, the others
  /// timbre.
  package struct Speech: Hashable, Sendable {
    package var open: Int32
    package var close: Int32
    package var codebooks: [[Int32]]
    /// The model was trained on blocks whose frame count is a multiple of this.
    package var frameMultiple: Int

    package init(open: Int32, close: Int32, codebooks: [[Int32]], frameMultiple: Int = 1) {
      self.open = open
      self.close = close
      self.codebooks = codebooks
      self.frameMultiple = frameMultiple
    }
  }

  /// The ids of images: `codes[code]` is the token of code `code`.
  package struct Image: Hashable, Sendable {
    package var open: Int32
    package var close: Int32
    package var codes: [Int32]
    /// Codes of one image.
    package var blockLength: Int

    package init(open: Int32, close: Int32, codes: [Int32], blockLength: Int = 32) {
      self.open = open
      self.close = close
      self.codes = codes
      self.blockLength = blockLength
    }
  }

  package let vocabularySize: Int
  /// Ids that may stand in ordinary text, those that now stop a reply included.
  package let text: [Range<Int>]
  package let stopIds: [Int32]
  package let speech: Speech?
  package let image: Image?
  /// Ids of kind `.text` and `.stop`.
  let textRanges: [Range<Int>]
  let stopRanges: [Range<Int>]
  /// Ids of every codebook of speech.
  let codebookRanges: [[Range<Int>]]
  let imageRanges: [Range<Int>]
  private let entries: [Entry]  // [V]

  private struct Entry: Hashable {
    var kind: UInt8 = 0
    var codebook: UInt8 = 0
    var code: UInt16 = 0
  }

  /// - Parameter vocabularySize: rows of the output head; rows that no table names are never allowed.
  /// - Parameter text: ids that may stand in ordinary text.
  /// - Parameter stopIds: ids that end a reply. A stop id may also be a text or media token.
  package init(
    vocabularySize: Int, text: [Range<Int>], stopIds: [Int32], speech: Speech? = nil, image: Image? = nil
  ) throws(GenerationError) {
    var entries = Array(repeating: Entry(), count: vocabularySize)
    let text = [Range<Int>].union(of: text)
    for range in text {
      guard range.lowerBound >= 0 && range.upperBound <= vocabularySize else {
        throw GenerationError(
          .invalidTokenTable, at: "text",
          "ids \(range) are not in a vocabulary of \(vocabularySize); do tokenizer and weights belong together?")
      }
      for id in range { entries[id].kind = Code.text }
    }
    if let speech { try Self.add(speech, to: &entries) }
    if let image { try Self.add(image, to: &entries) }
    for id in stopIds {
      try Self.check(id, "stop ids", entries.count)
      if entries[Int(id)].kind <= Code.text { entries[Int(id)].kind = Code.stop }
    }
    self.vocabularySize = vocabularySize
    self.text = text
    self.stopIds = stopIds
    self.speech = speech
    self.image = image
    textRanges = .covering(entries.indices.filter { entries[$0].kind == Code.text }.map(Int32.init))
    stopRanges = .covering(stopIds.filter { entries[Int($0)].kind == Code.stop })
    codebookRanges = speech?.codebooks.map { .covering($0) } ?? []
    imageRanges = .covering(image?.codes ?? [])
    self.entries = entries
  }

  /// The same tables with other stop ids.
  package func stopping(at ids: [Int32]) throws(GenerationError) -> TokenClasses {
    try TokenClasses(vocabularySize: vocabularySize, text: text, stopIds: ids, speech: speech, image: image)
  }

  /// The same tables for a model that was trained on speech blocks of a multiple of `frames`.
  package func speaking(inMultiplesOf frames: Int) throws(GenerationError) -> TokenClasses {
    var speech = speech
    speech?.frameMultiple = frames
    return try TokenClasses(
      vocabularySize: vocabularySize, text: text, stopIds: stopIds, speech: speech, image: image)
  }

  /// What the token is to the grammar: never `.control`.
  package func kind(of id: Int32) -> TokenKind {
    guard id >= 0 && Int(id) < entries.count else { return .none }
    let entry = entries[Int(id)]
    return switch entry.kind {
    case Code.text: .text
    case Code.stop: .stop
    case Code.openSpeech: .openSpeech
    case Code.closeSpeech: .closeSpeech
    case Code.speech: .speech(codebook: Int(entry.codebook), code: Int(entry.code))
    case Code.openImage: .openImage
    case Code.closeImage: .closeImage
    case Code.image: .image(code: Int(entry.code))
    default: .none
    }
  }

  private enum Code {
    static let text: UInt8 = 1, stop: UInt8 = 2
    static let openSpeech: UInt8 = 3, closeSpeech: UInt8 = 4, speech: UInt8 = 5
    static let openImage: UInt8 = 6, closeImage: UInt8 = 7, image: UInt8 = 8
  }

  private static func add(_ speech: Speech, to entries: inout [Entry]) throws(GenerationError) {
    guard (1...255).contains(speech.codebooks.count), (1...65_536).contains(speech.frameMultiple),
      speech.codebooks.allSatisfy({ (1...1 << 16).contains($0.count) })
    else {
      throw GenerationError(.invalidTokenTable, at: "speech", "needs 1...255 codebooks of 1...65536 codes each")
    }
    try set(speech.open, Entry(kind: Code.openSpeech), in: &entries, "speech")
    try set(speech.close, Entry(kind: Code.closeSpeech), in: &entries, "speech")
    for (codebook, ids) in speech.codebooks.enumerated() {
      for (code, id) in ids.enumerated() {
        let entry = Entry(kind: Code.speech, codebook: UInt8(codebook), code: UInt16(code))
        try set(id, entry, in: &entries, "speech codebook \(codebook)")
      }
    }
  }

  private static func add(_ image: Image, to entries: inout [Entry]) throws(GenerationError) {
    guard (1...1 << 16).contains(image.codes.count), image.blockLength >= 1 else {
      throw GenerationError(.invalidTokenTable, at: "image", "needs 1...65536 codes and at least one code an image")
    }
    try set(image.open, Entry(kind: Code.openImage), in: &entries, "image")
    try set(image.close, Entry(kind: Code.closeImage), in: &entries, "image")
    for (code, id) in image.codes.enumerated() {
      try set(id, Entry(kind: Code.image, code: UInt16(code)), in: &entries, "image codes")
    }
  }

  private static func set(
    _ id: Int32, _ entry: Entry, in entries: inout [Entry], _ table: String
  ) throws(GenerationError) {
    try check(id, table, entries.count)
    guard entries[Int(id)].kind <= Code.stop else {
      throw GenerationError(.invalidTokenTable, at: table, "token id \(id) is in two tables of media tokens")
    }
    entries[Int(id)] = entry
  }

  private static func check(_ id: Int32, _ table: String, _ vocabularySize: Int) throws(GenerationError) {
    guard id >= 0 && Int(id) < vocabularySize else {
      throw GenerationError(
        .invalidTokenTable, at: table,
        "token id \(id) is not in a vocabulary of \(vocabularySize); do tokenizer and weights belong together?")
    }
  }
}
