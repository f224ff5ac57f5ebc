/// The pseudo linear multistep sampler (PLMS) of predictions of v.
///
/// Liu et al. 2022, arXiv:2202.09778; `PNDMScheduler` of huggingface/diffusers with `skip_prk_steps`. Up to four
/// predictions are mixed; the mix is turned into a prediction of the noise with the step and latents of the moment
/// (a quirk of the reference that is kept), and the latents move to the next step.
package struct MultistepSampler {
  package let timesteps: [Int]
  private let schedule: DiffusionSchedule
  private let distance: Int
  /// The last predictions, the newest last.
  private var predictions: [[Float]] = []
  /// The latents that the second evaluation starts from again.
  private var start: [Float] = []
  private var index = 0

  package init(_ schedule: DiffusionSchedule, steps: Int) {
    self.schedule = schedule
    timesteps = schedule.timesteps(steps)
    distance = schedule.stride(steps: steps)
  }

  /// Moves the latents along the prediction made for them at `timesteps[k]`, k counting the calls.
  package mutating func advance(_ latents: inout [Float], along prediction: [Float]) {
    let timestep = timesteps[index]
    let mixed: [Float]
    var (from, to) = (timestep, timestep - distance)
    switch index {
    case 0:
      predictions = [prediction]
      start = latents
      mixed = prediction
    case 1:
      // The same step once more, from the first latents and the mean of both predictions.
      mixed = zip(prediction, predictions[0]).map { ($0 + $1) / 2 }
      latents = start
      (from, to) = (timestep + distance, timestep)
    default:
      predictions = predictions.suffix(3) + [prediction]
      mixed = Self.mix(predictions)
    }
    index += 1
    move(&latents, along: mixed, from: from, to: to)
  }

  /// The Adams-Bashforth formula of as many steps as there are predictions.
  private static func mix(_ e: [[Float]]) -> [Float] {
    let (weights, divisor): ([Float], Float) =
      switch e.count {
      case 2: ([-1, 3], 2)
      case 3: ([5, -16, 23], 12)
      default: ([-9, 37, -59, 55], 24)
      }
    let factors = weights.map { $0 / divisor }
    return e[0].indices.map { element in
      zip(e, factors).reduce(Float(0)) { $0 + $1.0[element] * $1.1 }
    }
  }

  private func move(_ latents: inout [Float], along v: [Float], from: Int, to: Int) {
    let a = Double(schedule.alphas[min(max(from, 0), schedule.alphas.count - 1)])
    let q = Double(schedule.alphas[max(to, 0)])
    let keep = Float((q / a).squareRoot())
    let noise = Float((q - a) / (a * (1 - q).squareRoot() + (a * (1 - a) * q).squareRoot()))
    let (fromV, fromX) = (Float(a.squareRoot()), Float((1 - a).squareRoot()))
    for element in latents.indices {
      let x = latents[element]
      latents[element] = keep * x - noise * (fromV * v[element] + fromX * x)
    }
  }
}
