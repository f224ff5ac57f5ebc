import MioKernels
import MioMedia
import MioModel

/// A reply on its way to what people can read, see and hear, part by part as it is generated.
struct PartRenderer {
  private let model: Model
  private let engine: Engine
  private let image: ImageOptions?
  private let outlet: Outlet<OutputPart>
  private var stops: StopTexts
  private var imageCount = 0
  private var speechCount = 0
  /// The tokens of the reply so far.
  private(set) var ids: [Int32] = []
  /// Whether it is a reply: whole, or cut short because nobody waits for it any more; not one that failed.
  private(set) var isReply = false

  /// Share of the time of an image that its codes are shown to take.
  private static let codesShare = 0.1

  /// Ends the work where the reply is to end.
  private struct StopMet: Error {}

  /// - Parameters:
  ///   - image: how images are generated; nil leaves them as codes.
  ///   - stops: words at which the reply ends.
  init(
    _ model: Model, _ engine: Engine, _ image: ImageOptions?, _ outlet: Outlet<OutputPart>, stops: [String] = []
  ) {
    self.stops = StopTexts(stops)
    self.model = model
    self.engine = engine
    self.image = image
    self.outlet = outlet
  }

  /// Runs a request and hands over the parts of its reply.
  mutating func render(_ request: GenerationRequest) throws {
    var parser = ReplyParser(engine.tokenizer, after: request.prompt)
    var codesInBlock = 0
    var summary = ReplySummary()
    do {
      do {
        try engine.run([request], cancellation: outlet.cancellation) { _, event in
          if case .finished(_, let output) = event { summary.end = output.reason.end }
          guard case .token(_, let id) = event else { return }
          ids.append(id)
          for part in parser.append(id) { try render(part) }
          codesInBlock = parser.isInImage ? codesInBlock + 1 : 0
          if codesInBlock > 0, image != nil {
            let share = Double(codesInBlock) / Double(MediaTokens.imageLength + 1)
            report(.image, imageCount + 1, min(share, 1) * Self.codesShare, "codes")
          }
        }
        for part in parser.finish() { try render(part) }
        try renderHeldText()
      } catch is StopMet {}
      isReply = true
      for id in request.prompt { summary.prompt.count(engine.classes.kind(of: id)) }
      for id in ids { summary.reply.count(engine.classes.kind(of: id)) }
      try outlet.yield(.finished(summary))
    } catch {
      isReply = outlet.cancellation.isCancelled
      throw error
    }
  }

  /// Text that no words to stop at follow.
  private mutating func renderHeldText() throws {
    let text = stops.finish()
    if !text.isEmpty { try outlet.yield(.text(text)) }
  }

  private func report(_ kind: PartProgress.Kind, _ number: Int, _ fraction: Double, _ detail: String) {
    outlet.offer(.progress(PartProgress(kind: kind, number: number, fraction: fraction, detail: detail)))
  }

  private mutating func render(_ part: ReplyPart) throws {
    if case .text = part {} else { try renderHeldText() }
    switch part {
    case .text(let text):
      let text = stops.append(text)
      if !text.isEmpty { try outlet.yield(.text(text)) }
      if stops.isMet { throw StopMet() }
    case .stray(let text): try outlet.yield(.problem("tokens outside of any block: \(text.prefix(60))"))
    case .image(let image): try render(image)
    case .speech(let speech): try render(speech)
    }
  }

  private mutating func render(_ reply: ReplyImage) throws {
    let codes = reply.codes.map(Int32.init)
    guard reply.isComplete else {
      return try outlet.yield(.problem("an image of \(codes.count) codes; \(MediaTokens.imageLength) are needed"))
    }
    imageCount += 1
    guard var options = image, model.canGenerateImages else { return try outlet.yield(.image(nil, codes: codes)) }
    let number = imageCount
    if options.seedsEachImage, let seed = options.sampling.seed { options.sampling.seed = seed &+ UInt64(number - 1) }
    let image = try ImageDecoding(model, options).image(
      of: codes, cancellation: outlet.cancellation,
      progress: { index, count in
        let share = Double(index + 1) / Double(count + 1)
        report(.image, number, Self.codesShare + (1 - Self.codesShare) * share, "step \(index + 1) of \(count)")
      }, preview: { try outlet.yield(.preview($0)) })
    try outlet.yield(.image(image, codes: codes))
  }

  private mutating func render(_ speech: ReplySpeech) throws {
    if let fault = speech.fault { try outlet.yield(.problem("incomplete speech (\(fault.rawValue))")) }
    guard let codec = model.codec, !speech.codebooks.isEmpty, !speech.codebooks[0].isEmpty else { return }
    speechCount += 1
    report(.speech, speechCount, 0.9, "sound")
    let codes = speech.codebooks.map { codebook in codebook.map(Int32.init) }
    let samples = try model.withoutSilentEnd(engine.codec.run(outlet.cancellation) { try codec.decode(codes, on: $0) })
    try outlet.yield(.speech(Audio(samples: samples, sampleRateHz: codec.config.sampleRateHz), codes: codes))
  }
}

extension ReplySummary.TokenCount {
  fileprivate mutating func count(_ kind: TokenKind) {
    switch kind {
    case .openSpeech, .speech, .closeSpeech: speech += 1
    case .openImage, .image, .closeImage: image += 1
    case .none, .text, .control, .stop: text += 1
    }
  }
}

extension GenerationOutput.Reason {
  fileprivate var end: ReplySummary.End {
    switch self {
    case .tokenLimit, .contextLimit: .length
    case .stopToken, .complete, .cancelled: .complete
    }
  }
}
