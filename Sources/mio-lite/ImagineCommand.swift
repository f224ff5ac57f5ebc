import ArgumentParser
import Foundation
import MioLite

/// `imagine PROMPT`: draws.
struct ImagineCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "imagine", abstract: "Draw an image of what a text describes.",
    discussion: """
      The language model writes the codes of an image, and the diffusion model draws it. The defaults are the reference's:
      the size that the model was trained with, 20 steps, guidance 10. Fewer steps, another sampler, a smaller size or a
      guidance of 1 are faster and give another image. The same seed gives the same image. Prompt, seed and settings are
      written into the file.
      """)

  @Argument(help: "What to draw; '-', or nothing and a pipe, reads standard input.")
  var prompt: [String] = []

  @Option(
    name: .shortAndLong, help: "Where to: .png or .jpg by the suffix; '-' writes a PNG to standard output.",
    completion: .file(extensions: ["png", "jpg"]))
  var output: String

  @OptionGroup var drawing: ImageFlags
  @OptionGroup var model: ModelOptions
  @OptionGroup var sampling: SamplingFlags
  @OptionGroup var common: CommonOptions

  func run() async throws {
    let words = try Input.text(prompt, "what to draw")
    try await ImageTask(
      title: "imagine", recipe: .imageGeneration, parts: [.text(words)], prompt: words, output: output, drawing: drawing,
      model: model, sampling: sampling, common: common
    ).run()
  }
}

/// `edit IMAGE INSTRUCTION`: changes an image as told.
struct EditCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "edit", abstract: "Change an image as an instruction says.",
    discussion: """
      The model looks at the image, writes the codes of another one, and draws it: what it did not see in the 32 codes of the
      first is not kept. Settings as for 'imagine'.
      """)

  @Argument(help: "An image; '-' reads standard input.", completion: .file())
  var image: String

  @Argument(help: "What to change; '-', or nothing and a pipe, reads standard input.")
  var instruction: [String] = []

  @Option(
    name: .shortAndLong, help: "Where to: .png or .jpg by the suffix; '-' writes a PNG to standard output.",
    completion: .file(extensions: ["png", "jpg"]))
  var output: String

  @OptionGroup var seeing: SeeingFlags
  @OptionGroup var drawing: ImageFlags
  @OptionGroup var model: ModelOptions
  @OptionGroup var sampling: SamplingFlags
  @OptionGroup var common: CommonOptions

  func run() async throws {
    if image == "-" && (instruction.isEmpty || instruction == ["-"]) {
      throw Failure(.wrongInput, "the image is standard input; say as an argument what to change")
    }
    if let file = TypedPath.picture(among: instruction) {
      throw Failure(.wrongInput, "\(file): 'edit' changes one image; the words after it say how")
    }
    let instruction = try Input.text(self.instruction, "what to change")
    let image = try Image(seeing.source(image))
    try await ImageTask(
      title: "edit", recipe: .imageEditing, parts: [.image(image), .text(instruction)], prompt: instruction,
      output: output, drawing: drawing, model: model, sampling: sampling, common: common
    ).run()
  }
}

/// A command whose result is one image.
struct ImageTask {
  let title: String
  let recipe: MioTask
  let parts: [InputPart]
  let prompt: String
  let output: String
  let drawing: ImageFlags
  let model: ModelOptions
  let sampling: SamplingFlags
  let common: CommonOptions

  func run() async throws {
    try Output.checkImage(output)
    let opened = try model.open()
    try opened.require(task: recipe)
    let sampling = self.sampling.sampling(draws: true, quiet: common.quiet)
    let options = drawing.options(sampling)
    let started = ContinuousClock.now
    var image: Image?
    try await Interrupts.during { cancellation in
      let bar = ProgressBar(title, quiet: common.quiet)
      defer { bar.finish() }
      let task = TaskOptions(sampling: sampling, image: options, maxImages: 1)
      for try await part in cancellation.stopping(opened.perform(recipe, parts, options: task)) {
        switch part {
        case .progress(let progress): bar.update(progress.fraction, detail: progress.detail)
        case .image(let clip, _): image = clip
        case .problem(let problem): Output.note("mio-lite: \(problem)")
        case .text, .speech: break
        }
      }
    }
    guard let image else { throw Failure(.failed, "the model did not finish an image; allow more tokens") }
    let origin = ImageOrigin(prompt: prompt, options: options)
    try Output.write(image, to: output, origin: origin)
    if !common.quiet {
      if !drawing.noPreview { Preview.show(image) }
      let elapsed = String(format: "%.1f", (ContinuousClock.now - started).seconds)
      Output.note("\(output): \(image.width) x \(image.height) pixels in \(elapsed) s")
    }
  }
}
