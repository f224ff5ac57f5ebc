import ArgumentParser
import Foundation
import MioLite
import MioMedia

/// `imagine PROMPT`: draws.
struct ImagineCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "imagine", abstract: "Draw a picture of what a text describes.",
    discussion: """
      The language model writes the codes of a picture, and the diffusion model draws it. The defaults are the reference's:
      the size that the model was trained with, 20 steps, guidance 10. Fewer steps, a smaller size or a guidance of 1 are
      faster and give another picture. The same seed gives the same picture.
      """)

  enum SamplerOption: String, CaseIterable, ExpressibleByArgument {
    case plms
  }

  @Argument(help: "What to draw; '-' reads standard input.")
  var prompt: String

  @Option(name: .shortAndLong, help: "Where to: .png or .jpg by the suffix.", completion: .file(extensions: ["png", "jpg"]))
  var output: String

  @Option(help: "Steps from noise to picture.")
  var steps: Int = 20

  @Option(help: "How much the codes count; 1 is as trained, at half the work.")
  var guidance: Double = 10

  @Option(help: "Rows and columns in pixels (default: the model's own).")
  var size: Int?

  @Option(help: "How steps are taken: plms, the reference's.")
  var sampler: SamplerOption = .plms

  @OptionGroup var model: ModelOptions
  @OptionGroup var sampling: SamplingFlags
  @OptionGroup var common: CommonOptions

  func run() async throws {
    _ = try PictureFormat(path: output)
    let opened = try model.open()
    let words = try Input.text(prompt)
    let options = PictureOptions(
      sampling: sampling.sampling(draws: true, quiet: common.quiet), steps: steps, guidance: guidance, size: size)
    let started = ContinuousClock.now
    var picture: ImageClip?
    try await Interrupts.during { cancellation in
      let bar = ProgressBar("imagine", quiet: common.quiet)
      defer { bar.finish() }
      for try await event in opened.draw(words, options: options, cancellation: cancellation) {
        switch event {
        case .codes(let codes): bar.update(0, detail: "\(codes.count) codes")
        case .step(let index, let count):
          bar.update(Double(index + 1) / Double(count + 1), detail: "step \(index + 1) of \(count)")
        case .finished(let clip): picture = clip
        }
      }
    }
    guard let picture else { throw Failure(.interrupted, "interrupted") }
    try picture.write(to: output)
    if !common.quiet {
      let elapsed = String(format: "%.1f", (ContinuousClock.now - started).seconds)
      Output.note("\(output): \(picture.width) x \(picture.height) pixels in \(elapsed) s")
    }
  }
}
