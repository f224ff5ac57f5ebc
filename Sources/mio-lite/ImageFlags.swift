import ArgumentParser
import MioLite

/// How images are drawn, wherever there are any.
struct ImageFlags: ParsableArguments {
  @Option(help: "Steps from noise to image.")
  var steps: Int = 20

  @Option(help: "How much the codes count; 1 is as trained, at half the work.")
  var guidance: Double = 10

  @Option(help: "Rows and columns in pixels (default: the model's own, 768 of MIO's).")
  var size: Int?

  @Option(help: "How steps are taken: plms (the reference's), dpm++2m or unipc (good with half the steps).")
  var sampler: ImageOptions.Sampler = .plms

  @Option(help: "Evaluate the inner part of the network once for so many evaluations; 2 or 3 save a quarter to a third.")
  var reuse: Int = 1

  @Flag(help: "Draw each image of a film or story from noise of its own; images from one noise share their composition.")
  var varyNoise = false

  @Flag(help: "Show no images in the terminal.")
  var noPreview = false

  /// - Parameter sampling: its seed also decides the noise that images are made from.
  func options(_ sampling: Sampling) -> ImageOptions {
    ImageOptions(
      sampling: sampling, steps: steps, guidance: guidance, size: size, sampler: sampler, reuse: reuse,
      seedsEachImage: varyNoise)
  }
}

extension ImageOptions.Sampler: ExpressibleByArgument {}
