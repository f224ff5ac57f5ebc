import MioKernels
import MioModel

/// A reply on its way to what people can read, see and hear, part by part as it is generated.
struct PartRenderer {
  private let model: Model
  private let engine: Engine
  private let drawing: ImageOptions?
  private let cancellation: Cancellation
  private var imageCount = 0
  private var speechCount = 0

  /// Share of the time of an image that its codes are shown to take.
  private static let codesShare = 0.1

  /// - Parameter drawing: how images are drawn; nil leaves them as codes.
  init(_ model: Model, _ engine: Engine, drawing: ImageOptions?, _ cancellation: Cancellation) {
    self.model = model
    self.engine = engine
    self.drawing = drawing
    self.cancellation = cancellation
  }

  /// Runs a request and hands over the parts of its reply.
  ///
  /// - Returns: the tokens of the reply; those that came until the work was cancelled, if it was.
  mutating func render(_ request: GenerationRequest, yield: (OutputPart) -> Void) throws -> [Int32] {
    var parser = ReplyParser(engine.tokenizer, after: request.prompt)
    var ids: [Int32] = []
    var codesInBlock = 0
    do {
      try engine.run([request], cancellation: cancellation) { _, event in
        guard case .token(_, let id) = event else { return }
        ids.append(id)
        for part in parser.append(id) { try render(part, yield) }
        codesInBlock = parser.isInImage ? codesInBlock + 1 : 0
        if codesInBlock > 0, drawing != nil {
          let share = Double(codesInBlock) / Double(MediaTokens.imageLength + 1)
          report(.image, imageCount + 1, min(share, 1) * Self.codesShare, "codes", yield)
        }
      }
      for part in parser.finish() { try render(part, yield) }
    } catch let error as MioError where error.code == .cancelled {
      return ids
    }
    return ids
  }

  private func report(
    _ kind: PartProgress.Kind, _ number: Int, _ fraction: Double, _ detail: String, _ yield: (OutputPart) -> Void
  ) {
    yield(.progress(PartProgress(kind: kind, number: number, fraction: fraction, detail: detail)))
  }

  private mutating func render(_ part: ReplyPart, _ yield: (OutputPart) -> Void) throws {
    switch part {
    case .text(let text): yield(.text(text))
    case .stray(let text): yield(.problem("tokens outside of any block: \(text.prefix(60))"))
    case .image(let image): try render(image, yield)
    case .speech(let speech): try render(speech, yield)
    }
  }

  private mutating func render(_ image: ReplyImage, _ yield: (OutputPart) -> Void) throws {
    let codes = image.codes.map(Int32.init)
    guard image.isComplete else {
      yield(.problem("an image of \(codes.count) codes; \(MediaTokens.imageLength) are needed"))
      return
    }
    imageCount += 1
    guard var drawing, model.canDraw else {
      yield(.image(nil, codes: codes))
      return
    }
    let number = imageCount
    if drawing.seedsEachImage, let seed = drawing.sampling.seed { drawing.sampling.seed = seed &+ UInt64(number - 1) }
    let clip = try ImageGenerating(model, drawing).image(of: codes, cancellation: cancellation) { index, count in
      let share = Double(index + 1) / Double(count + 1)
      report(
        .image, number, Self.codesShare + (1 - Self.codesShare) * share, "step \(index + 1) of \(count)", yield)
    }
    yield(.image(clip, codes: codes))
  }

  private mutating func render(_ speech: ReplySpeech, _ yield: (OutputPart) -> Void) throws {
    if let fault = speech.fault { yield(.problem("incomplete speech (\(fault.rawValue))")) }
    guard let codec = model.codec, !speech.codebooks.isEmpty, !speech.codebooks[0].isEmpty else { return }
    speechCount += 1
    report(.speech, speechCount, 0.9, "sound", yield)
    let codes = speech.codebooks.map { codebook in codebook.map(Int32.init) }
    let samples = try model.withoutSilentEnd(engine.codec.run(cancellation) { try codec.decode(codes, on: $0) })
    yield(.speech(AudioClip(samples: samples, sampleRateHz: codec.config.sampleRateHz), codes: codes))
  }
}
