#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Samplers that need fewer evaluations than PLMS: they extrapolate the image that each prediction points to.
///
/// DPM-Solver++(2M): Lu et al. 2022, arXiv:2211.01095, algorithm 2. UniPC: Zhao et al. 2023, arXiv:2302.04867, of order
/// 2 with B(h) = e^h - 1; its corrector improves each step with the evaluation that the next one needs anyway. Both run from
/// the noisiest step of the reference's 20 to its last level of noise, so that the same noise leads to the same image.
///
/// Letters: a the share of the image and s that of the noise, l = ln(a / s), h the way in l.
package struct DataPredictionSampler {
  package let timesteps: [Int]
  private let isCorrected: Bool
  private let levels: [Level]  // of every timestep and the end
  private var index = 0
  private var images: [[Float]] = []  // the last two, the newest last
  /// The latents that the last step started from.
  private var start: [Float] = []

  private struct Level {
    let a: Double
    let s: Double
    var l: Double { log(a / s) }

    init(_ alpha: Float) {
      a = Double(alpha).squareRoot()
      s = (1 - Double(alpha)).squareRoot()
    }
  }

  /// - Parameter corrected: UniPC instead of DPM-Solver++(2M).
  package init(_ schedule: DiffusionSchedule, steps: Int, corrected: Bool) {
    isCorrected = corrected
    let first = schedule.firstDataStep
    timesteps = (0..<steps).map { max(1, (2 * first * (steps - $0) + steps) / (2 * steps)) }
    levels = timesteps.map { Level(schedule.alphas[min($0, schedule.alphas.count - 1)]) } + [Level(schedule.alphas[0])]
  }

  /// Moves the latents along the prediction of v made for them at `timesteps[k]`, k counting the calls.
  package mutating func advance(_ latents: inout [Float], along prediction: [Float]) {
    let here = levels[index]
    let (a, s) = (Float(here.a), Float(here.s))
    let image = latents.indices.map { a * latents[$0] - s * prediction[$0] }
    if isCorrected, index > 0 { correct(&latents, by: image) }
    images = images.suffix(1) + [image]
    start = latents
    predict(&latents)
    index += 1
  }

  /// Whether the step of that number extrapolates from two images: not the first, and not the last of a few.
  private func isSecondOrder(_ step: Int) -> Bool {
    step > 0 && (step < timesteps.count - 1 || !isCorrected && timesteps.count >= 15)
  }

  private func predict(_ latents: inout [Float]) {
    let (from, to) = (levels[index], levels[index + 1])
    let h = to.l - from.l
    let keep = Float(to.s / from.s)
    let move = Float(-to.a * expm1(-h))
    let newest = images[images.count - 1]
    guard isSecondOrder(index) else {
      for element in latents.indices { latents[element] = keep * latents[element] + move * newest[element] }
      return
    }
    let slope = Float(h / (from.l - levels[index - 1].l) / 2)
    let oldest = images[0]
    for element in latents.indices {
      let image = newest[element] + slope * (newest[element] - oldest[element])
      latents[element] = keep * latents[element] + move * image
    }
  }

  /// Takes the last step again, now that the image at its end is known.
  private func correct(_ latents: inout [Float], by image: [Float]) {
    let (from, to) = (levels[index - 1], levels[index])
    let h = to.l - from.l
    let phi1 = expm1(-h)
    let keep = Float(to.s / from.s)
    let move = Float(-to.a * phi1)
    let before = images[images.count - 1]
    var (past, ahead) = (Float(0), Float(0.5))
    if isSecondOrder(index - 1) {
      // Weights of the differences to the image before and after, from two conditions of order.
      let ratio = (levels[index - 2].l - from.l) / h
      let phi2 = phi1 / -h - 1
      let (b1, b2) = (phi2 / phi1, 2 * (phi2 / -h - 0.5) / phi1)
      let weight = (b1 - b2) / (1 - ratio)
      (past, ahead) = (Float(weight / ratio), Float(b1 - weight))
    }
    let oldest = images[0]
    for element in latents.indices {
      let change = past * (oldest[element] - before[element]) + ahead * (image[element] - before[element])
      latents[element] = keep * start[element] + move * (before[element] + change)
    }
  }
}

/// The sampler of a drawing, whichever it is.
struct ImageSampler {
  private enum Kind {
    case multistep(MultistepSampler)
    case data(DataPredictionSampler)
  }

  private var kind: Kind

  init(_ method: DiffusionMethod, _ schedule: DiffusionSchedule, steps: Int) {
    switch method {
    case .plms: kind = .multistep(MultistepSampler(schedule, steps: steps))
    case .dpm2m: kind = .data(DataPredictionSampler(schedule, steps: steps, corrected: false))
    case .unipc: kind = .data(DataPredictionSampler(schedule, steps: steps, corrected: true))
    }
  }

  var timesteps: [Int] {
    switch kind {
    case .multistep(let sampler): sampler.timesteps
    case .data(let sampler): sampler.timesteps
    }
  }

  mutating func advance(_ latents: inout [Float], along prediction: [Float]) {
    switch kind {
    case .multistep(var sampler):
      sampler.advance(&latents, along: prediction)
      kind = .multistep(sampler)
    case .data(var sampler):
      sampler.advance(&latents, along: prediction)
      kind = .data(sampler)
    }
  }
}
