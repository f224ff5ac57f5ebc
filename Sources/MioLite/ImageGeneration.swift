import MioKernels
import MioMedia
import MioModel

/// How images are generated, from the text to the pixels. What is `nil` is as the model's file says
/// (``Model/resolved(_:)``), or as the reference has it.
///
/// More than the `DrawingOptions` of the diffusion model, which know nothing of codes, seeds and pixels.
public struct ImageOptions: Hashable, Sendable {
  public typealias Sampler = DiffusionMethod

  /// How the codes are chosen. Its seed also decides the noise that the image is made from.
  public var sampling: Sampling
  /// Steps from noise to image; the reference takes 20.
  public var steps: Int?
  /// How much the codes count; 1 is as trained, at half the work. The reference's is 10.
  public var guidance: Double?
  /// Rows and columns in pixels; `nil` takes what the model was trained with.
  public var size: Int?
  /// How steps are taken; the reference's is `plms`.
  public var sampler: Sampler?
  /// Evaluations for which the inner part of the network is evaluated once; 1 evaluates it every time.
  public var reuse: Int
  /// Whether each image of a reply is made from noise of its own; otherwise all are made from one, and share their
  /// composition.
  public var seedsEachImage: Bool
  /// How often a stream shows what an image is going to be (``OutputPart/preview(_:)``), while it is made; each takes about as
  /// long as an evaluation of the network.
  public var previews: Int

  public init(
    sampling: Sampling = Sampling(), steps: Int? = nil, guidance: Double? = nil, size: Int? = nil, sampler: Sampler? = nil,
    reuse: Int = 1, seedsEachImage: Bool = false, previews: Int = 0
  ) {
    self.sampling = sampling
    self.steps = steps
    self.guidance = guidance
    self.size = size
    self.sampler = sampler
    self.reuse = reuse
    self.seedsEachImage = seedsEachImage
    self.previews = previews
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

  /// The same options with everything said: what they leave open is as the file has it, or the reference.
  ///
  /// - Throws: ``MioError`` with code `.invalidModel` if the file says what is not possible.
  public func resolved(_ options: ImageOptions) throws(MioError) -> ImageOptions {
    let reference = DrawingOptions()
    var resolved = options
    do {
      resolved.steps = try options.steps ?? settings.intIfPresent("image_steps") ?? reference.steps
      resolved.guidance =
        try options.guidance ?? settings.floatIfPresent("image_guidance") ?? Double(reference.guidance)
      resolved.sampler = try options.sampler ?? settings.stringIfPresent("image_sampler").map(Self.sampler) ?? reference.method
    } catch {
      throw MioError(error)
    }
    if let config = diffusion?.config { resolved.size = options.size ?? config.latentSize * config.pixelFactor }
    return resolved
  }

  private static func sampler(_ name: String) throws -> ImageOptions.Sampler {
    guard let sampler = ImageOptions.Sampler(rawValue: name) else {
      throw MioError(.invalidModel, "image_sampler: \(name); must be plms, dpm++2m or unipc")
    }
    return sampler
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

extension DrawingOptions {
  /// What `options` say, and the reference where they say nothing.
  fileprivate init(_ options: ImageOptions) {
    self.init(reuse: options.reuse)
    steps = options.steps ?? steps
    guidance = options.guidance.map(Float.init) ?? guidance
    method = options.sampler ?? method
  }
}

/// Codes on their way to an image.
struct ImageDecoding {
  private let model: Model
  private let diffusion: DiffusionModel
  private let imageTokenizer: ImageTokenizer
  private let seed: UInt64
  private let drawing: DrawingOptions
  /// What the image is going to be is shown so often.
  private let previews: Int
  /// Rows and columns of the latents.
  private let side: Int

  init(_ model: Model, _ options: ImageOptions) throws(MioError) {
    self.model = model
    previews = options.previews
    diffusion = try model.requiredDiffusion()
    imageTokenizer = try model.requiredImageTokenizer()
    seed = try options.sampling.options(over: model.defaults(for: .imageGeneration)).seed
    let config = diffusion.config
    let factor = config.pixelFactor * config.sideFactor
    let resolved = try model.resolved(options)
    let size = resolved.size ?? config.latentSize * config.pixelFactor
    guard size > 0, size % factor == 0, size / config.pixelFactor <= Latents.maxRows else {
      throw MioError(
        .invalidInput,
        "size: \(size) pixels; must be a multiple of \(factor), at most \(Latents.maxRows * config.pixelFactor)")
    }
    side = size / config.pixelFactor
    drawing = DrawingOptions(resolved)
    do {
      try drawing.check(on: diffusion.schedule)
    } catch {
      throw MioError(error)
    }
  }

  /// - Parameters:
  ///   - progress: called after each evaluation of the network; must not wait for anybody.
  ///   - preview: takes what the image is going to be.
  func image(
    of codes: [Int32], cancellation: Cancellation, progress: (_ index: Int, _ count: Int) -> Void,
    preview: (Image) throws -> Void = { _ in }
  ) throws -> Image {
    try model.lanes.diffusion.run(cancellation) { context in
      let embedding = try imageTokenizer.embed(codes: codes, on: context)
      let noise = Latents(seed: seed, channels: diffusion.config.latentChannels, height: side, width: side)
      let latents = try diffusion.sample(embedding, from: noise, drawing, on: context) { step in
        progress(step.index, step.count)
        if !cancellation.isCancelled, isPreviewed(step) {
          // A preview that fails is none; what is wrong shows in the image.
          try? preview(decode(step.estimate, on: context))
        }
        return !cancellation.isCancelled
      }
      let image = try decode(latents, on: context)
      try cancellation.check()
      return image
    }
  }

  private func decode(_ latents: Latents, on context: KernelContext) throws -> Image {
    let image = try diffusion.decode(latents, on: context)
    return Image(width: image.width, height: image.height, rgb: image.bytes)
  }

  /// Previews come at equal distances, none behind the last evaluation.
  private func isPreviewed(_ step: DiffusionStep) -> Bool {
    (0..<previews).contains { (($0 + 1) * step.count) / (previews + 1) == step.index + 1 }
      && step.index + 1 < step.count
  }
}
