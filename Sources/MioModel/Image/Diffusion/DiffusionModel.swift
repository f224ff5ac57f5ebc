import MioFormat
import MioKernels

/// Draws an image from its embedding: Stable Diffusion 2.1 unCLIP with the empty prompt.
///
/// Rombach et al. 2022, arXiv:2112.10752; Ramesh et al. 2022, arXiv:2204.06125. MODEL.md describes the network; all
/// sizes come from the file.
package struct DiffusionModel: Sendable {
  /// The component of a model file that holds the model.
  package static let component = "diffusion"

  package let config: DiffusionConfig
  package let schedule: DiffusionSchedule
  let network: UNet
  let decoder: VAEDecoder

  package init(from file: ModelFile) throws(ModelFileError) {
    let weights = WeightScope(file, component: Self.component)
    config = try DiffusionConfig(weights.config)
    schedule = DiffusionSchedule(config)
    network = try UNet(config, from: weights)
    decoder = try VAEDecoder(config, from: weights)
  }

  /// One evaluation of the U-Net.
  ///
  /// - Parameter embeddings: [N][D]; nil for an image that is told nothing.
  /// - Returns: the prediction [N, C, h, w].
  package func predict(
    _ latents: Latents, timestep: Int, embeddings: [[Float]?], trace: DiffusionTrace? = nil, on context: KernelContext
  ) throws(DiffusionError) -> [Float] {
    try check(latents)
    for embedding in embeddings { try check(embedding) }
    guard (0..<config.trainingStepCount).contains(timestep) else {
      throw DiffusionError(.wrongSteps, "step \(timestep); the schedule has 0 to \(config.trainingStepCount - 1)")
    }
    let classes = network.conditions.classes(embeddings, trace: trace, on: context)
    return network.forward(
      latents.map(images: embeddings.count), timestep: timestep, classes: classes, trace: trace, on: context
    ).channelsFirst
  }

  /// Turns noise into the latents of an image.
  ///
  /// - Parameters:
  ///   - embedding: [D], what the image shows.
  ///   - latents: the noise to start from.
  ///   - options: steps and guidance.
  ///   - progress: called after each evaluation; returns false to stop.
  package func sample(
    _ embedding: [Float], from latents: Latents, _ options: DrawingOptions = .init(), on context: KernelContext,
    progress: (DiffusionStep) -> Bool = { _ in true }
  ) throws(DiffusionError) -> Latents {
    try check(latents)
    try check(embedding)
    try options.check(on: schedule)
    // Without guidance, the row that is told nothing is not needed.
    let isGuided = options.guidance > 1
    let classes = network.conditions.classes(isGuided ? [nil, embedding] : [embedding], on: context)
    var sampler = ImageSampler(options.method, schedule, steps: options.steps)
    var state = latents
    var inner = UNet.Inner.evaluated
    for (index, timestep) in sampler.timesteps.enumerated() {
      if options.reuse > 1, index % options.reuse == 0 { inner = .kept(nil) }
      let output = network.forward(
        state.map(images: isGuided ? 2 : 1), timestep: timestep, classes: classes, inner: &inner, on: context
      ).channelsFirst
      let guided = isGuided ? Self.guide(output, options.guidance) : output
      let before = state
      sampler.advance(&state.values, along: guided)
      guard Activations.areFinite(state.values) else {
        throw DiffusionError(
          .notFinite,
          "the latents are not finite after evaluation \(index + 1) of \(sampler.timesteps.count) (timestep \(timestep)); lower "
            + "the guidance, or if that does not help, the weights are damaged, which 'mio-lite verify' tells")
      }
      let step = DiffusionStep(
        index: index, count: sampler.timesteps.count, timestep: timestep, guided: guided, latents: state, before: before,
        alpha: schedule.alphas[min(timestep, schedule.alphas.count - 1)])
      if !progress(step) { throw DiffusionError(.cancelled, "stopped after \(index + 1) evaluations") }
    }
    return state
  }

  /// Latents as the sampler leaves them, to an image.
  ///
  /// - Throws: ``DiffusionError`` with code `.cancelled` if the context is cancelled, between two tiles.
  package func decode(_ latents: Latents, on context: KernelContext) throws(DiffusionError) -> GeneratedImage {
    try check(latents)
    let map = try decoder.forward(latents.map(images: 1), on: context)
    let values = map.channelsFirst
    guard Activations.areFinite(values) else {
      throw DiffusionError(
        .notFinite,
        "the VAE decoder gave pixels that are not finite; its weights are damaged, which 'mio-lite verify' tells, or too "
          + "large for 16 bits: convert the checkpoint with --quantize f32")
    }
    return GeneratedImage(width: map.width, height: map.height, values: values)
  }

  /// `v_u + g (v_c - v_u)` of the two halves of a batch.
  private static func guide(_ output: [Float], _ guidance: Float) -> [Float] {
    let half = output.count / 2
    return (0..<half).map { output[$0] + guidance * (output[half + $0] - output[$0]) }
  }

  private func check(_ embedding: [Float]?) throws(DiffusionError) {
    guard let embedding, embedding.count != config.embeddingWidth || !embedding.allSatisfy(\.isFinite) else { return }
    throw DiffusionError(
      .wrongEmbedding, "an embedding of \(embedding.count) values; the model takes \(config.embeddingWidth) finite numbers")
  }

  private func check(_ latents: Latents) throws(DiffusionError) {
    let factor = config.sideFactor
    guard latents.channels == config.latentChannels, latents.height > 0, latents.width > 0,
      latents.height % factor == 0, latents.width % factor == 0, max(latents.height, latents.width) <= Latents.maxRows
    else {
      throw DiffusionError(
        .wrongLatents,
        "latents of \(latents.channels) x \(latents.height) x \(latents.width); the model takes \(config.latentChannels) "
          + "channels and sides that are multiples of \(factor), at most \(Latents.maxRows)")
    }
  }
}

/// How steps from noise to image are taken.
public enum DiffusionMethod: String, CaseIterable, Sendable {
  // See MultistepSampler.
  /// The reference's: one evaluation of the network more than steps.
  case plms
  // See DataPredictionSampler.
  /// DPM-Solver++ of second order: as many evaluations as steps; good from about 10.
  case dpm2m = "dpm++2m"
  /// UniPC of second order: as many evaluations as steps; good from about 8.
  case unipc
}

/// How an image is drawn from an embedding and noise. The defaults are the reference's.
package struct DrawingOptions: Hashable, Sendable {

  /// Steps of the sampler; with PLMS the network is evaluated once more than that.
  package var steps: Int
  /// How much the embedding counts; 1 is as trained, without a second evaluation of the network in each step.
  package var guidance: Float
  package var method: DiffusionMethod
  /// Evaluations for which the network's inner blocks are evaluated once; 1 evaluates them every time.
  package var reuse: Int

  package init(steps: Int = 20, guidance: Float = 10, sampler method: DiffusionMethod = .plms, reuse: Int = 1) {
    self.steps = steps
    self.guidance = guidance
    self.method = method
    self.reuse = reuse
  }

  /// Refuses what cannot be drawn.
  package func check(on schedule: DiffusionSchedule) throws(DiffusionError) {
    let maxSteps = schedule.maxSteps(method)
    guard (1...maxSteps).contains(steps) else {
      throw DiffusionError(
        .wrongSteps, "\(steps) steps; the schedule has 1 to \(maxSteps) different ones for the sampler \(method.rawValue)")
    }
    guard (1...maxSteps).contains(reuse) else {
      throw DiffusionError(.wrongSteps, "reuse of \(reuse) evaluations; 1 (none) to \(maxSteps) are possible")
    }
    guard guidance.isFinite else { throw DiffusionError(.wrongGuidance, "the guidance must be a finite number") }
  }
}

/// What is known after one evaluation of the network.
package struct DiffusionStep {
  /// 0..<count.
  package let index: Int
  package let count: Int
  package let timestep: Int
  /// The guided prediction, [C, h, w].
  package let guided: [Float]
  package let latents: Latents
  /// The latents that the prediction was made for, and the share of the image in their variance.
  fileprivate let before: Latents
  fileprivate let alpha: Float

  /// The image to which the prediction of v points, in latents: what the steps that follow would only refine.
  package var estimate: Latents {
    let (a, s) = (alpha.squareRoot(), (1 - alpha).squareRoot())
    var estimate = before
    for index in estimate.values.indices { estimate.values[index] = a * before.values[index] - s * guided[index] }
    return estimate
  }
}
