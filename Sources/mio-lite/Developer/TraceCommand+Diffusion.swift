import MioConverter
import MioKernels
import MioLite
import MioModel

/// The stages that draw.
extension TraceCommand {
  func traceUNet(
    _ opened: Model, _ given: SafetensorsFile, _ context: KernelContext, into results: inout SafetensorsWriter
  ) throws {
    let model = try opened.requiredDiffusion()
    let latents = try latents(given)
    let shape = try given.shape(of: "class_labels")
    try requireShape("class_labels", shape, rank: 2)
    let labels = try given.floats("class_labels")
    let embeddings = try (0..<shape[0]).map { row in
      try embedding(label: Array(labels[(row * shape[1])..<((row + 1) * shape[1])]), model)
    }
    let timestep = Int(try number("timestep", try given.ints("timestep")))
    let prediction = try model.predict(latents, timestep: timestep, embeddings: embeddings, on: context)
    results.add("prediction", [shape[0], latents.channels, latents.height, latents.width], prediction)
  }

  func traceDiffusion(
    _ opened: Model, _ given: SafetensorsFile, _ context: KernelContext, into results: inout SafetensorsWriter
  ) throws {
    let model = try opened.requiredDiffusion()
    let latents = try latents(given)
    let options = DrawingOptions(
      steps: Int(try number("steps", try given.ints("steps"))),
      guidance: try number("guidance", try given.floats("guidance")))
    var (timesteps, guided, trajectory): ([Int32], [Float], [Float]) = ([], [], [])
    let last = try model.sample(try given.floats("embedding"), from: latents, options, on: context) { step in
      timesteps.append(Int32(step.timestep))
      guided += step.guided
      trajectory += step.latents.values
      return true
    }
    let shape = [timesteps.count, latents.channels, latents.height, latents.width]
    results.add("timesteps", [timesteps.count], timesteps)
    results.add("guided", shape, guided)
    results.add("trajectory", shape, trajectory)
    add(try model.decode(last, on: context), to: &results)
  }

  func traceVAEDecoder(
    _ opened: Model, _ given: SafetensorsFile, _ context: KernelContext, into results: inout SafetensorsWriter
  ) throws {
    let model = try opened.requiredDiffusion()
    add(try model.decode(latents(given), on: context), to: &results)
  }

  private func add(_ image: GeneratedImage, to results: inout SafetensorsWriter) {
    results.add("image", [3, image.height, image.width], image.values)
  }

  private func latents(_ given: SafetensorsFile) throws -> Latents {
    let shape = try given.shape(of: "latents")
    try requireShape("latents", shape, rank: 3)
    return Latents(try given.floats("latents"), channels: shape[0], height: shape[1], width: shape[2])
  }

  /// The first half of a label; nil for a label of zeros. The second half of others is a constant of the network.
  private func embedding(label: [Float], _ model: DiffusionModel) throws -> [Float]? {
    let width = model.config.embeddingWidth
    if label.allSatisfy({ $0 == 0 }) { return nil }
    let constant = Array(repeating: Float(1), count: width / 2) + Array(repeating: Float(0), count: width - width / 2)
    guard label.count == 2 * width, Array(label[width...]) == constant else {
      throw Failure(
        .wrongInput,
        "\(input): 'class_labels' needs rows of zeros, or of an embedding of \(width) values, \(width / 2) ones and "
          + "\(width - width / 2) zeros: noise levels above 0 were folded away")
    }
    return Array(label[..<width])
  }

  private func number<Number>(_ name: String, _ values: [Number]) throws -> Number {
    guard values.count == 1 else {
      throw Failure(.wrongInput, "\(input): '\(name)' has \(values.count) values; this stage needs one")
    }
    return values[0]
  }
}
