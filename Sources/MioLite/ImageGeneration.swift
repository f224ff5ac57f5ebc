import MioKernels
import MioMedia
import MioModel

/// How ``Model/draw(_:options:cancellation:)`` draws. The defaults are the reference's.
public struct ImageOptions: Hashable, Sendable {
  /// How steps from noise to image are taken.
  public enum Sampler: String, CaseIterable, Sendable {
    /// The reference's: one evaluation of the network more than steps.
    case plms
    /// DPM-Solver++ of second order: as many evaluations as steps; good from about 10.
    case dpm2m = "dpm++2m"
    /// UniPC of second order: as many evaluations as steps; good from about 8.
    case unipc
  }

  /// How the codes are chosen. Its seed also decides the noise that the image is made from.
  public var sampling: Sampling
  /// Steps from noise to image.
  public var steps: Int
  /// How much the codes count; 1 is as trained, at half the work.
  public var guidance: Double
  /// Rows and columns in pixels; `nil` takes what the model was trained with.
  public var size: Int?
  public var sampler: Sampler
  /// Evaluations for which the inner part of the network is evaluated once; 1 evaluates it every time.
  public var reuse: Int
  /// Whether each image of a reply is drawn from noise of its own; otherwise all are drawn from one, and share their
  /// composition.
  public var seedsEachImage: Bool

  public init(
    sampling: Sampling = Sampling(), steps: Int = 20, guidance: Double = 10, size: Int? = nil, sampler: Sampler = .plms,
    reuse: Int = 1, seedsEachImage: Bool = false
  ) {
    self.sampling = sampling
    self.steps = steps
    self.guidance = guidance
    self.size = size
    self.sampler = sampler
    self.reuse = reuse
    self.seedsEachImage = seedsEachImage
  }

  /// The same with a seed, so that all images are made from one noise.
  public var seeded: ImageOptions { seeded(from: .random(in: 0...0xFFFF_FFFF)) }

  /// The same with `seed` if it has none of its own.
  func seeded(from seed: UInt64) -> ImageOptions {
    var options = self
    options.sampling.seed = sampling.seed ?? seed
    return options
  }
}

/// What happens while an image is drawn, in this order.
public enum ImageEvent: Sendable {
  /// The words have become the codes of an image.
  case codes([Int32])
  /// One evaluation of the network is done: `index` of `count`, counted from 0.
  case step(index: Int, count: Int)
  /// The image is finished.
  case finished(ImageClip)
}

extension Model {
  /// Whether the file holds what drawing needs.
  public var canDraw: Bool { hasText && tokenizer?.media.image != nil && imageTokenizer != nil && diffusion != nil }

  /// Draws an image of what `text` describes.
  ///
  /// The same seed gives the same image for any number of threads.
  ///
  /// - Throws: ``MioError`` while iterating.
  public func draw(
    _ text: String, options: ImageOptions = ImageOptions(), cancellation: Cancellation = Cancellation()
  ) -> AsyncThrowingStream<ImageEvent, any Error> {
    stream(cancellation) { yield in
      let drawing = try ImageGenerating(self, options)
      let codes = try drawing.codes(for: text, cancellation: cancellation)
      yield(.codes(codes))
      let image = try drawing.image(of: codes, cancellation: cancellation) { yield(.step(index: $0, count: $1)) }
      yield(.finished(image))
    }
  }
}

extension Model {
  /// Draws the image that 32 codes stand for. Of the sampling, only the seed counts.
  package func image(
    of codes: [Int32], options: ImageOptions, cancellation: Cancellation = Cancellation(),
    progress: (_ index: Int, _ count: Int) -> Void = { _, _ in }
  ) throws(MioError) -> ImageClip {
    do {
      return try ImageGenerating(self, options).image(of: codes, cancellation: cancellation, progress: progress)
    } catch {
      throw MioError(error)
    }
  }
}

/// One text on its way to an image.
struct ImageGenerating {
  private let model: Model
  private let diffusion: DiffusionModel
  private let imageTokenizer: ImageTokenizer
  private let sampling: SamplingOptions
  private let options: ImageOptions
  /// Rows and columns of the latents.
  private let side: Int

  init(_ model: Model, _ options: ImageOptions) throws(MioError) {
    self.model = model
    self.options = options
    diffusion = try model.requiredDiffusion()
    imageTokenizer = try model.requiredImageTokenizer()
    sampling = try options.sampling.options(over: model.defaults(for: .imageGeneration))
    let config = diffusion.config
    let factor = config.pixelFactor * config.sideFactor
    let size = options.size ?? config.latentSize * config.pixelFactor
    guard size > 0, size % factor == 0, size / config.pixelFactor <= Latents.maxRows else {
      throw MioError(
        .invalidInput,
        "size: \(size) pixels; must be a multiple of \(factor), at most \(Latents.maxRows * config.pixelFactor)")
    }
    side = size / config.pixelFactor
    do {
      try drawing.check(maxSteps: diffusion.schedule.maxSteps)
    } catch {
      throw MioError(error)
    }
  }

  private var drawing: DrawingOptions {
    DrawingOptions(
      steps: options.steps, guidance: Float(options.guidance), sampler: options.sampler.method, reuse: options.reuse)
  }

  /// Asks the language model for the codes of an image.
  func codes(for text: String, cancellation: Cancellation) throws -> [Int32] {
    let engine = try model.engine
    let request = GenerationRequest(
      prompt: try model.prompt(.imagine, [.text: .untrusted(text)]), options: sampling,
      grammar: ModalityGrammar(engine.classes, rules: .imageOnly))
    var codes: [Int32] = []
    try engine.run([request], wantsTokens: false, cancellation: cancellation) { _, event in
      if case .blockFinished(_, .image(let block)) = event { codes = block.map(Int32.init) }
    }
    guard !codes.isEmpty else { throw MioError(.failed, "the model did not finish an image; allow more tokens") }
    return codes
  }

  func image(
    of codes: [Int32], cancellation: Cancellation, progress: (_ index: Int, _ count: Int) -> Void
  ) throws -> ImageClip {
    try model.lanes.diffusion.run(cancellation) { context in
      try image(of: codes, cancellation: cancellation, progress: progress, on: context)
    }
  }

  private func image(
    of codes: [Int32], cancellation: Cancellation, progress: (_ index: Int, _ count: Int) -> Void,
    on context: KernelContext
  ) throws -> ImageClip {
    let embedding = try imageTokenizer.embed(codes: codes, on: context)
    let noise = Latents(
      seed: sampling.seed, channels: diffusion.config.latentChannels, height: side, width: side)
    let latents = try diffusion.sample(embedding, from: noise, drawing, on: context) { step in
      progress(step.index, step.count)
      return !cancellation.isCancelled
    }
    let image = try diffusion.decode(latents, on: context)
    return ImageClip(width: image.width, height: image.height, rgb: image.bytes)
  }
}

extension ImageOptions.Sampler {
  /// The same choice in the terms of the diffusion model.
  var method: DrawingOptions.Method {
    switch self {
    case .plms: .plms
    case .dpm2m: .dpm2m
    case .unipc: .unipc
    }
  }
}
