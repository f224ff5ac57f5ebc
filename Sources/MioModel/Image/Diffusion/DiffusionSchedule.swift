#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// How much of the image and how much noise there is at every step: the tables of a diffusion model.
///
/// The betas' square roots grow evenly ("scaled linear"); ᾱ is the running product of 1 - beta.
package struct DiffusionSchedule: Sendable {
  /// ᾱ of every training step.
  package let alphas: [Float]
  let stepOffset: Int

  package init(_ config: DiffusionConfig) {
    let (first, last) = (Float(config.betaStart.squareRoot()), Float(config.betaEnd.squareRoot()))
    let count = config.trainingStepCount
    let step = count > 1 ? (last - first) / Float(count - 1) : 0
    // In 32-bit floats like the reference, from both ends to the middle; the product in double precision.
    var product = 1.0
    alphas = (0..<count).map { index in
      let root = index < count / 2 ? first + step * Float(index) : last - step * Float(count - 1 - index)
      product *= Double(1 - root * root)
      return Float(product)
    }
    stepOffset = config.stepOffset
  }

  /// Training steps between two steps of the sampler.
  func stride(steps: Int) -> Int { alphas.count / steps }

  /// The training steps that a sampler of so many steps visits, the noisiest first. The second is visited twice, so that
  /// there is one evaluation more than steps.
  package func timesteps(_ steps: Int) -> [Int] {
    let distance = stride(steps: steps)
    let ascending = (0..<steps).map { $0 * distance + stepOffset }
    guard steps > 1 else { return ascending }
    return ([ascending[steps - 1], ascending[steps - 2]] + ascending.dropLast().reversed())
  }

  /// The greatest number of steps whose every timestep lies on the schedule.
  package var maxSteps: Int { max(1, alphas.count - stepOffset) }

  /// The greatest number of steps that a sampler can take: each goes to a timestep of its own, without which there is no
  /// way to extrapolate over.
  package func maxSteps(_ method: DiffusionMethod) -> Int {
    switch method {
    case .plms: maxSteps
    case .dpm2m, .unipc: max(1, firstDataStep)
    }
  }

  /// The timestep that samplers of data predictions begin at: the noisiest of the reference's 20.
  var firstDataStep: Int { timesteps(min(20, maxSteps))[0] }

  /// The step as waves: `[cos(t f_k), sin(t f_k)]`, `f_k = 10000^(-k / (n/2))`.
  static func waves(_ timestep: Int, count: Int) -> [Float] {
    let half = count / 2
    let angles = (0..<half).map { Float(timestep) * Float(exp(-log(10_000.0) * Double($0) / Double(half))) }
    return angles.map { Float(cos(Double($0))) } + angles.map { Float(sin(Double($0))) }
  }
}
