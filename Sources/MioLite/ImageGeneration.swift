import MioKernels
import MioMedia
import MioModel

/// How images are generated. The defaults are the reference's.
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
  /// Whether each image of a reply is made from noise of its own; otherwise all are made from one, and share their
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

  /// The same with `seed` if it has none of its own, so that all images are made from one noise.
  func seeded(from seed: UInt64 = .random(in: 0...0xFFFF_FFFF)) -> ImageOptions {
    var options = self
    options.sampling.seed = sampling.seed ?? seed
    return options
  }
}

extension Model {
  /// Whether the file holds what generating images needs.
  public var canGenerateImages: Bool {
    hasText && textTokenizer?.media.image != nil && imageTokenizer != nil && diffusion != nil
  }

  /// Generates an image of what `text` describes.
  ///
  /// The same seed gives the same image for any number of threads. For progress, see ``perform(_:_:options:)``.
  ///
  /// - Throws: `CancellationError` if the task is cancelled; ``MioError`` with code `.unsupported` if the file cannot, with
  ///   `.invalidInput` for options out of range.
  public func image(for text: String, options: ImageOptions = ImageOptions()) async throws -> Image {
    try await image(.imageGeneration, [.text(text)], options)
  }

  /// Changes an image as an instruction says. The model sees 32 codes of the image: what they do not tell is not kept.
  ///
  /// - Throws: as ``image(for:options:)``.
  public func edit(
    _ image: Image, instruction: String, options: ImageOptions = ImageOptions()
  ) async throws -> Image {
    try await self.image(.imageEditing, [.image(image), .text(instruction)], options)
  }

  /// Generates the key frames of a video that `text` describes.
  ///
  /// - Parameters:
  ///   - text: what happens.
  ///   - maxFrames: the model may end earlier.
  ///   - options: of every frame.
  /// - Throws: as ``image(for:options:)``.
  public func video(
    for text: String, maxFrames: Int = 8, options: ImageOptions = ImageOptions()
  ) async throws -> Video {
    var video = Video(frames: [])
    let options = TaskOptions(sampling: options.sampling, image: options, maxImages: maxFrames)
    for try await case .image(let frame?, _) in perform(.videoGeneration, [.text(text)], options: options) {
      video.frames.append(frame)
    }
    if video.frames.isEmpty { throw MioError(.failed, "the model did not finish a frame; allow more tokens") }
    return video
  }

  private func image(_ task: MioTask, _ parts: [InputPart], _ options: ImageOptions) async throws -> Image {
    let options = TaskOptions(sampling: options.sampling, image: options, maxImages: 1)
    var result: Image?
    for try await case .image(let image?, _) in perform(task, parts, options: options) { result = image }
    guard let result else { throw MioError(.failed, "the model did not finish an image; allow more tokens") }
    return result
  }
}

/// Codes on their way to an image.
struct ImageDecoding {
  private let model: Model
  private let diffusion: DiffusionModel
  private let imageTokenizer: ImageTokenizer
  private let seed: UInt64
  private let options: ImageOptions
  /// Rows and columns of the latents.
  private let side: Int

  init(_ model: Model, _ options: ImageOptions) throws(MioError) {
    self.model = model
    self.options = options
    diffusion = try model.requiredDiffusion()
    imageTokenizer = try model.requiredImageTokenizer()
    seed = try options.sampling.options(over: model.defaults(for: .imageGeneration)).seed
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
      try drawing.check(on: diffusion.schedule)
    } catch {
      throw MioError(error)
    }
  }

  private var drawing: DrawingOptions {
    DrawingOptions(
      steps: options.steps, guidance: Float(options.guidance), sampler: options.sampler.method, reuse: options.reuse)
  }

  /// - Parameter progress: called after each evaluation of the network; must not wait for anybody.
  func image(
    of codes: [Int32], cancellation: Cancellation, progress: (_ index: Int, _ count: Int) -> Void
  ) throws -> Image {
    try model.lanes.diffusion.run(cancellation) { context in
      let embedding = try imageTokenizer.embed(codes: codes, on: context)
      let noise = Latents(seed: seed, channels: diffusion.config.latentChannels, height: side, width: side)
      let latents = try diffusion.sample(embedding, from: noise, drawing, on: context) { step in
        progress(step.index, step.count)
        return !cancellation.isCancelled
      }
      let image = try diffusion.decode(latents, on: context)
      try cancellation.check()
      return Image(width: image.width, height: image.height, rgb: image.bytes)
    }
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
