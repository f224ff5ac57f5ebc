/// The part of a sentencepiece model (`tokenizer.model`, protobuf `ModelProto`) that byte-fallback BPE needs.
///
/// Field numbers as in `src/sentencepiece_model.proto` of google/sentencepiece; an absent field has the default given
/// there.
struct SentencePieceModel {
  enum PieceKind: UInt8 {
    case normal = 1
    case unknown = 2
    case control = 3
    case userDefined = 4
    case unused = 5
    case byte = 6
  }

  struct Piece {
    /// UTF-8. Bytes, because two pieces may be canonically equivalent (`String` would call them equal) and still
    /// differ.
    var text: [UInt8] = []
    var score: Float = 0
    var kind = PieceKind.normal
  }

  /// Values of `TrainerSpec.ModelType`.
  enum Algorithm: UInt64 {
    case unigram = 1
    case bytePairEncoding = 2
    case word = 3
    case char = 4
  }

  static let maxPieceCount = 1 << 20
  static let maxPieceBytes = 4096

  private(set) var pieces: [Piece] = []
  private(set) var algorithm: UInt64 = Algorithm.unigram.rawValue
  private(set) var hasByteFallback = false
  private(set) var treatsWhitespaceAsSuffix = false
  private(set) var unknownSurface = " \u{2047} "
  private(set) var addsDummyPrefix = true
  private(set) var removesExtraWhitespaces = true
  private(set) var escapesWhitespaces = true
  /// Bytes of a compiled normalisation table (NFKC and the like), of the normaliser and the denormaliser.
  private(set) var charsmapByteCount = 0

  init(parsing bytes: [UInt8]) throws(ProtobufReader.Fault) {
    var reader = ProtobufReader(bytes)
    while let (number, value) = try reader.nextField() {
      let at = reader.offset
      switch (number, value) {
      case (1, .bytes(let range)): try addPiece(bytes, range)
      case (2, .bytes(let range)): try readTrainerSpec(bytes, range)
      case (3, .bytes(let range)): try readNormalizerSpec(bytes, range)
      case (5, .bytes(let range)): try readDenormalizerSpec(bytes, range)
      case (1, _), (2, _), (3, _), (5, _):
        throw ProtobufReader.Fault(byteOffset: at, message: "field \(number) is not a message")
      default: break
      }
    }
    guard !pieces.isEmpty else {
      throw ProtobufReader.Fault(byteOffset: bytes.count, message: "there are no pieces in it")
    }
  }

  private mutating func addPiece(_ bytes: [UInt8], _ range: Range<Int>) throws(ProtobufReader.Fault) {
    var piece = Piece()
    let id = pieces.count
    guard id < Self.maxPieceCount else {
      throw ProtobufReader.Fault(byteOffset: range.lowerBound, message: "more than \(Self.maxPieceCount) pieces")
    }
    var reader = ProtobufReader(bytes, range)
    while let (number, value) = try reader.nextField() {
      switch (number, value) {
      case (1, .bytes(let text)):
        guard String(validating: bytes[text], as: UTF8.self) != nil, (1...Self.maxPieceBytes).contains(text.count)
        else {
          throw ProtobufReader.Fault(
            byteOffset: text.lowerBound,
            message: "piece \(id) is not UTF-8 text of 1 to \(Self.maxPieceBytes) bytes")
        }
        piece.text = Array(bytes[text])
      case (2, .fixed32(let bits)):
        piece.score = Float(bitPattern: bits)
        guard piece.score.isFinite else {
          throw ProtobufReader.Fault(byteOffset: reader.offset, message: "the score of piece \(id) is not a number")
        }
      case (3, .varint(let kind)):
        guard let known = UInt8(exactly: kind).flatMap(PieceKind.init) else {
          throw ProtobufReader.Fault(byteOffset: reader.offset, message: "piece \(id) has the unknown type \(kind)")
        }
        piece.kind = known
      case (1, _), (2, _), (3, _):
        throw ProtobufReader.Fault(
          byteOffset: reader.offset, message: "field \(number) of piece \(id) has a wrong type")
      default: break
      }
    }
    guard !piece.text.isEmpty else {
      throw ProtobufReader.Fault(byteOffset: range.lowerBound, message: "piece \(id) has no text")
    }
    pieces.append(piece)
  }

  private mutating func readTrainerSpec(_ bytes: [UInt8], _ range: Range<Int>) throws(ProtobufReader.Fault) {
    var reader = ProtobufReader(bytes, range)
    while let (number, value) = try reader.nextField() {
      switch (number, value) {
      case (3, .varint(let v)): algorithm = v
      case (24, .varint(let v)): treatsWhitespaceAsSuffix = v != 0
      case (35, .varint(let v)): hasByteFallback = v != 0
      case (44, .bytes(let text)):
        guard let string = String(validating: bytes[text], as: UTF8.self), text.count <= Self.maxPieceBytes else {
          throw ProtobufReader.Fault(
            byteOffset: text.lowerBound, message: "unk_surface is not UTF-8 of at most \(Self.maxPieceBytes) bytes")
        }
        unknownSurface = string
      case (3, _), (24, _), (35, _), (44, _):
        throw ProtobufReader.Fault(byteOffset: reader.offset, message: "trainer field \(number) has a wrong type")
      default: break
      }
    }
  }

  private mutating func readNormalizerSpec(_ bytes: [UInt8], _ range: Range<Int>) throws(ProtobufReader.Fault) {
    var reader = ProtobufReader(bytes, range)
    while let (number, value) = try reader.nextField() {
      switch (number, value) {
      case (2, .bytes(let map)): charsmapByteCount += map.count
      case (3, .varint(let v)): addsDummyPrefix = v != 0
      case (4, .varint(let v)): removesExtraWhitespaces = v != 0
      case (5, .varint(let v)): escapesWhitespaces = v != 0
      case (2, _), (3, _), (4, _), (5, _):
        throw ProtobufReader.Fault(byteOffset: reader.offset, message: "normalizer field \(number) has a wrong type")
      default: break
      }
    }
  }

  private mutating func readDenormalizerSpec(_ bytes: [UInt8], _ range: Range<Int>) throws(ProtobufReader.Fault) {
    var reader = ProtobufReader(bytes, range)
    while let (number, value) = try reader.nextField() {
      if case (2, .bytes(let map)) = (number, value) { charsmapByteCount += map.count }
    }
  }
}

extension SentencePieceModel {
  /// Everything about the model that the runtime does not implement, with the way out.
  func unsupportedFeatures() -> [String] {
    var list: [String] = []
    func refuse(_ what: String, _ wayOut: String) { list.append("\(what) is not supported; \(wayOut)") }
    let needsBPE =
      "convert a checkpoint whose tokenizer is sentencepiece BPE with byte fallback, as Yi's and Llama's are"
    if algorithm != Algorithm.bytePairEncoding.rawValue {
      let name = Algorithm(rawValue: algorithm).map { "\($0)" } ?? "\(algorithm)"
      refuse("model_type \(name)", needsBPE)
    }
    if !hasByteFallback { refuse("a model without byte_fallback", needsBPE) }
    if charsmapByteCount > 0 {
      refuse(
        "a precompiled_charsmap (\(charsmapByteCount) bytes of normalisation rules)",
        "train or export the tokenizer with normalization_rule_name=identity")
    }
    if removesExtraWhitespaces {
      refuse("remove_extra_whitespaces", "export the tokenizer with remove_extra_whitespaces=false")
    }
    if !escapesWhitespaces { refuse("escape_whitespaces=false", "export the tokenizer with escape_whitespaces=true") }
    if treatsWhitespaceAsSuffix {
      refuse("treat_whitespace_as_suffix", "export the tokenizer with treat_whitespace_as_suffix=false")
    }
    if let id = pieces.firstIndex(where: { $0.kind == .unused }) {
      refuse(
        "the UNUSED piece \(id) \"\(String(decoding: pieces[id].text, as: UTF8.self))\"",
        "make it a NORMAL piece or remove it from the model")
    }
    return list
  }

  /// Contradictions inside the model.
  func inconsistencies() -> [String] {
    var list: [String] = []
    var seen: [[UInt8]: Int] = [:]
    for (id, piece) in pieces.enumerated() {
      if let other = seen.updateValue(id, forKey: piece.text) {
        list.append("pieces \(other) and \(id) are both \"\(String(decoding: piece.text, as: UTF8.self))\"")
      }
    }
    if pieces.count(where: { $0.kind == .unknown }) != 1 {
      list.append("there must be exactly one piece of type UNKNOWN")
    }
    if hasByteFallback {
      let digits = Array("0123456789ABCDEF")
      let absent = (0..<256).map { "<0x\(digits[$0 >> 4])\(digits[$0 & 15])>" }
        .filter { name in seen[Array(name.utf8)].map { pieces[$0].kind != .byte } ?? true }
      if let first = absent.first { list.append("\(absent.count) of the 256 BYTE pieces are missing, first \(first)") }
      if pieces.count(where: { $0.kind == .byte }) != 256 - absent.count {
        list.append("a piece of type BYTE is not named <0x00> to <0xFF>")
      }
    }
    return list
  }
}
