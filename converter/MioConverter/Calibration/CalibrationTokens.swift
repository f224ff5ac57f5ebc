import Foundation
import MioFormat
import MioModel

/// The tokens that a model is calibrated on: sequences of at most ``sequenceLength`` ids.
struct CalibrationTokens {
  let sequences: [[Int32]]
  /// What messages call the source.
  let name: String

  static let sequenceLength = 512
  /// More tokens than this make a calibration slow and no better; the first are taken.
  static let tokenLimit = 65_536
  private static let fileLimit = 64_000_000

  var count: Int { sequences.reduce(0) { $0 + $1.count } }

  init(_ sequences: [[Int32]], name: String) throws(ConversionError) {
    var cut: [[Int32]] = []
    var total = 0
    for sequence in sequences {
      for start in stride(from: 0, to: sequence.count, by: Self.sequenceLength) {
        let room = Self.tokenLimit - total
        let piece = sequence[start..<min(sequence.count, start + min(Self.sequenceLength, room))]
        if !piece.isEmpty { cut.append(Array(piece)) }
        total += piece.count
        if total >= Self.tokenLimit { break }
      }
      if total >= Self.tokenLimit { break }
    }
    guard !cut.isEmpty else { throw ConversionError(.unsupported, file: name, "no tokens to calibrate on") }
    self.sequences = cut
    self.name = name
  }

  /// Reads a file: lists of token ids as JSON (`[[1, 2], [3]]`), or text, in which control and media tokens count as such,
  /// so that it may hold what `encode --text` prints.
  ///
  /// - Parameter tokenizer: the checkpoint's, nil if it has none; then only ids can be read.
  init(file path: String, tokenizer: [UInt8]?) throws(ConversionError) {
    let mapping = try MappedFile.open(path, label: path)
    guard mapping.byteCount <= Self.fileLimit else {
      throw ConversionError(.unreadable, file: path, "\(mapping.byteCount) bytes; at most \(Self.fileLimit) are read")
    }
    let bytes = try mapping.read(0..<mapping.byteCount, label: path)
    if let lists = try? JSON(parsing: bytes).array {
      let sequences = lists.compactMap { list in list.integers?.compactMap(Int32.init(exactly:)) }
      guard sequences.count == lists.count, zip(sequences, lists).allSatisfy({ $0.count == $1.array?.count }) else {
        throw ConversionError(.badJSON, file: path, "expected a list of lists of token ids")
      }
      try self.init(sequences, name: URL(fileURLWithPath: path).lastPathComponent)
      return
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw ConversionError(.unreadable, file: path, "neither UTF-8 text nor lists of token ids as JSON")
    }
    guard let tokenizer else {
      throw ConversionError(
        .missingFile, file: "tokenizer.model",
        "missing, and needed to calibrate on text; give lists of token ids as JSON instead: [[1, 2, 3], [4, 5]]")
    }
    do {
      try self.init(
        [TextTokenizer(parsing: tokenizer).encode(text, trusted: true)], name: URL(fileURLWithPath: path).lastPathComponent)
    } catch let error as ConversionError {
      throw error
    } catch { throw ConversionError(.unreadable, file: path, "\(error)") }
  }
}
