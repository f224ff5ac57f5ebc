import ArgumentParser
import MioLite

/// How images are drawn, wherever there are any.
struct ImageFlags: ParsableArguments {
  @Option(help: "Steps from noise to image (default: the model's own, 20 of MIO's).")
  var steps: Int?

  @Option(help: "How much the codes count; 1 is as trained, at half the work (default: the model's own, 10 of MIO's).")
  var guidance: Double?

  @Option(help: "Rows and columns in pixels (default: the model's own, 768 of MIO's).")
  var size: Int?

  @Option(
    help: """
      How steps are taken: plms (the reference's), dpm++2m or unipc (good with half the steps) (default: the model's own, plms \
      of MIO's).
      """)
  var sampler: ImageOptions.Sampler?

  @Option(
    help: "Evaluate the inner part of the network once for so many evaluations; 2 or 3 save a quarter to a third. (default: 1)")
  var reuse: Int?

  @Flag(help: "Draw each image of a film or story from noise of its own; images from one noise share their composition.")
  var varyNoise = false

  @Flag(help: "Show no images in the terminal.")
  var noPreview = false

  /// Everything said, by the command line or by the model.
  ///
  /// - Parameters:
  ///   - sampling: its seed also decides the noise that images are made from.
  ///   - like: what is taken where the command line says nothing.
  func options(_ sampling: Sampling, like: ImageOptions = ImageOptions(), of model: Model) throws -> ImageOptions {
    try model.resolved(
      ImageOptions(
        sampling: sampling, steps: steps ?? like.steps, guidance: guidance ?? like.guidance, size: size ?? like.size,
        sampler: sampler ?? like.sampler, reuse: reuse ?? like.reuse, seedsEachImage: varyNoise))
  }
}

extension ImageOptions.Sampler: ExpressibleByArgument {}
