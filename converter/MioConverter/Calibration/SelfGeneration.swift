import Foundation
import MioFormat
import MioKernels
import MioModel

/// Tokens that a model makes up itself, of every modality it knows: what `--calibrate builtin` calibrates on. Nothing of anybody's
/// data is needed, and the model visits the states it will visit when it is used.
struct SelfGeneration {
  /// What a sequence consists of.
  private enum Kind {
    case anything, speech, images
  }

  private static let sequenceCount = 96
  private static let length = 256
  private static let batch = 16

  /// - Parameters:
  ///   - path: a model file with the language component.
  ///   - tokenizer: the checkpoint's, nil if it has none.
  static func tokens(
    from path: String, tokenizer blob: [UInt8]?, threads: Int, progress: (_ done: Int, _ total: Int) -> Void,
    isCancelled: () -> Bool
  ) throws(ConversionError) -> CalibrationTokens {
    do {
      let model = try LanguageModel(from: ModelFile.open(path: path))
      let tokenizer = try blob.map { try TextTokenizer(parsing: $0) }
      var sequences: [[Int32]] = []
      let kinds = Self.kinds(tokenizer)
      for first in stride(from: 0, to: sequenceCount, by: batch) {
        progress(first, sequenceCount)
        sequences += try generate(
          model, tokenizer, kinds: (first..<first + batch).map { kinds[$0 % kinds.count] }, number: first, threads,
          isCancelled)
      }
      return try CalibrationTokens(sequences, name: "builtin")
    } catch let error as ConversionError {
      throw error
    } catch { throw ConversionError(.unsupported, file: "builtin", "the model cannot generate: \(error)") }
  }

  private static func kinds(_ tokenizer: TextTokenizer?) -> [Kind] {
    [.anything] + (tokenizer?.media.speech == nil ? [] : [.speech]) + (tokenizer?.media.image == nil ? [] : [.images])
      + [.anything]
  }

  /// The ids a token may be drawn from after `sequence`; nil for all that have a token.
  private static func allowed(_ kind: Kind, after sequence: [Int32], _ tokenizer: TextTokenizer?) -> [Int32]? {
    switch kind {
    case .anything: return nil
    case .speech:
      guard let media = tokenizer?.media, let speech = media.speech else { return nil }
      // Frame by frame, a token of each codebook.
      return sequence.count == 1 ? [speech.start] : media.speechCodebooks[(sequence.count - 2) % media.speechCodebooks.count]
    case .images:
      guard let image = tokenizer?.media.image else { return nil }
      let place = (sequence.count - 1) % (MioModel.MediaTokens.imageLength + 2)
      return place == 0 ? [image.start] : place <= MioModel.MediaTokens.imageLength ? image.codes : [image.end]
    }
  }

  private static func generate(
    _ model: LanguageModel, _ tokenizer: TextTokenizer?, kinds: [Kind], number: Int, _ threads: Int,
    _ isCancelled: () -> Bool
  ) throws -> [[Int32]] {
    let length = min(Self.length, model.config.contextLength)
    let session = LanguageSession(
      model, contextLength: length, capacity: (length + 64) * kinds.count, context: KernelContext(threads: threads))
    var streams = kinds.indices.map { RandomStream(seed: 0, number: UInt64(number + $0)) }
    // Without a beginning of its own a sequence starts anywhere.
    let idCount = min(tokenizer?.idCount ?? model.config.vocabularySize, model.config.vocabularySize)
    var sequences: [[Int32]] = kinds.indices.map { index in
      [tokenizer?.beginningID ?? Int32(streams[index].next() % UInt64(idCount))]
    }
    let slots = kinds.map { _ in session.makeSequence() }
    var logits = Activations(rows: kinds.count, columns: model.config.vocabularySize)
    for _ in 1..<max(1, length) {
      if isCancelled() { throw ConversionError(.cancelled, file: "conversion", "cancelled; nothing was written") }
      let inputs = kinds.indices.map { index in
        DecoderInput(sequence: slots[index], tokens: [sequences[index].last ?? 0])
      }
      try session.evaluate(inputs, into: &logits)
      let rows = logits.values
      for index in kinds.indices {
        let row = rows[index * model.config.vocabularySize..<(index + 1) * model.config.vocabularySize]
        let ids = allowed(kinds[index], after: sequences[index], tokenizer) ?? (0..<Int32(idCount)).map { $0 }
        sequences[index].append(draw(ids, row, &streams[index]))
      }
    }
    return sequences
  }

  /// One of `ids` by the model's probabilities, as they are.
  private static func draw(_ ids: [Int32], _ logits: ArraySlice<Float>, _ stream: inout RandomStream) -> Int32 {
    let scores = ids.map { Double(logits[logits.startIndex + Int($0)]) }
    let peak = scores.max() ?? 0
    let weights = scores.map { exp($0 - peak) }
    var rest = stream.uniform() * weights.reduce(0, +)
    for (id, weight) in zip(ids, weights) {
      rest -= weight
      if rest < 0 { return id }
    }
    return ids[ids.count - 1]
  }
}
