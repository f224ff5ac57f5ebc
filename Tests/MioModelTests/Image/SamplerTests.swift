import Foundation
import MioModel
import Testing

/// Samplers on data whose exact path is known: normally distributed numbers, of which the best prediction is linear.
@Suite struct SamplerTests {
  private let schedule: DiffusionSchedule
  private let mean = 0.7
  private let deviation = 0.4

  init() throws { schedule = try DiffusionFixture().model.schedule }

  private func shares(_ timestep: Int) -> (a: Double, s: Double) {
    let alpha = Double(schedule.alphas[timestep])
    return (alpha.squareRoot(), (1 - alpha).squareRoot())
  }

  /// Standard deviation of the numbers with the noise of a step.
  private func spread(_ a: Double, _ s: Double) -> Double { (a * a * deviation * deviation + s * s).squareRoot() }

  /// What a perfect network answers: v = a noise - s image, both as they are to be expected.
  private func prediction(_ x: [Float], at timestep: Int) -> [Float] {
    let (a, s) = shares(timestep)
    let variance = spread(a, s) * spread(a, s)
    return x.map { x in
      let image = (mean * s * s + a * deviation * deviation * Double(x)) / variance
      return Float(a * (Double(x) - a * image) / s - s * image)
    }
  }

  private let noise: [Float] = [-2.1, -0.4, 0.3, 1.7]

  /// The largest error at the end of the path.
  private func error(_ steps: Int, corrected: Bool) -> Double {
    var sampler = DataPredictionSampler(schedule, steps: steps, corrected: corrected)
    var x = noise
    for timestep in sampler.timesteps { sampler.advance(&x, along: prediction(x, at: timestep)) }
    let (a, s) = shares(sampler.timesteps[0])
    let (endA, endS) = shares(0)
    // Along the exact path, (x - a mean) / spread does not change.
    return zip(noise, x).map { start, end in
      let exact = endA * mean + spread(endA, endS) * (Double(start) - a * mean) / spread(a, s)
      return abs(Double(end) - exact)
    }.max() ?? .infinity
  }

  @Test(arguments: [false, true]) func `half the step leaves a fraction of the error`(corrected: Bool) {
    let errors = [40, 80, 160, 320].map { error($0, corrected: corrected) }
    // Of second order; the last step, which is long on the scale of noise, keeps the gain below four times.
    for (coarse, fine) in zip(errors, errors.dropFirst()) { #expect(fine < coarse / 2, "\(errors)") }
    #expect(errors[3] < 0.005, "\(errors)")
  }

  @Test func `the corrector pays`() {
    for steps in [8, 10, 20] { #expect(error(steps, corrected: true) < error(steps, corrected: false)) }
  }

  @Test(arguments: [1, 2, 3, 20, 200, 900]) func `visits steps of the schedule, the noisiest first`(steps: Int) {
    let timesteps = DataPredictionSampler(schedule, steps: steps, corrected: true).timesteps
    #expect(timesteps.count == steps && timesteps[0] == schedule.timesteps(20)[0])
    #expect(zip(timesteps, timesteps.dropFirst()).allSatisfy { $0 > $1 } && timesteps.allSatisfy { $0 >= 1 })
  }
}
