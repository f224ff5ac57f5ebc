/// Writes small sentencepiece models, right or wrong on purpose.
struct SentencePieceBuilder {
  struct Piece {
    var text: [UInt8]
    var score: Float = 0
    var kind: UInt64 = 1
  }

  var pieces: [Piece]
  /// Fields of `TrainerSpec` and `NormalizerSpec`, in wire form.
  var trainer: [UInt8] = []
  var normalizer: [UInt8] = []
  var denormalizer: [UInt8] = []

  /// Byte-fallback BPE without prefix that keeps spaces: `<unk>`, `<s>`, `</s>`, 256 bytes, and the given pieces, ranked in order.
  init(_ texts: [String] = ["a", "b", "ab", "▁"]) {
    let digits = Array("0123456789ABCDEF")
    pieces = [
      Piece(text: Array("<unk>".utf8), kind: 2), Piece(text: Array("<s>".utf8), kind: 3),
      Piece(text: Array("</s>".utf8), kind: 3),
    ]
    pieces += (0..<256).map { Piece(text: Array("<0x\(digits[$0 >> 4])\(digits[$0 & 15])>".utf8), kind: 6) }
    pieces += texts.enumerated().map { Piece(text: Array($1.utf8), score: -Float($0)) }
    trainer = Self.varint(3, 2) + Self.varint(35, 1)
    normalizer = Self.varint(3, 0) + Self.varint(4, 0)
  }

  /// The file's bytes.
  var bytes: [UInt8] {
    var out: [UInt8] = []
    for piece in pieces {
      var score: [UInt8] = [0x15]
      for shift: UInt32 in [0, 8, 16, 24] { score.append(UInt8(truncatingIfNeeded: piece.score.bitPattern >> shift)) }
      out += Self.message(1, Self.message(1, piece.text) + score + Self.varint(3, piece.kind))
    }
    return out + Self.message(2, trainer) + Self.message(3, normalizer)
      + (denormalizer.isEmpty ? [] : Self.message(5, denormalizer))
  }

  static func varint(_ field: UInt64, _ value: UInt64) -> [UInt8] { number(field << 3) + number(value) }

  static func message(_ field: UInt64, _ bytes: [UInt8]) -> [UInt8] {
    number(field << 3 | 2) + number(UInt64(bytes.count)) + bytes
  }

  static func number(_ value: UInt64) -> [UInt8] {
    var (value, out) = (value, [UInt8]())
    while value >= 0x80 {
      out.append(UInt8(truncatingIfNeeded: value) | 0x80)
      value >>= 7
    }
    return out + [UInt8(value)]
  }
}
