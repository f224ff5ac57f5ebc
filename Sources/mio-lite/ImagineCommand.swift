import ArgumentParser
import Foundation
import MioLite

/// `imagine PROMPT`: draws.
struct ImagineCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "imagine", abstract: "Draw an image of what a text describes.",
    discussion: """
      The language model writes the codes of an image, and the diffusion model draws it. Of MIO the defaults are the
      reference's: the size that the model was trained with, 20 steps, guidance 10; another model's file may say others. Fewer
      steps, another sampler, a smaller size or a guidance of 1 are faster and give another image. The same seed gives the same
      image. Prompt, seed and settings are written into the file; 'mio-lite inspect out.png' shows them, --like repeats them. With
      -n 4, out.png is a sheet of the images, which are out-1.png to out-4.png, of seeds that follow each other.
      """)

  @Argument(help: "What to draw; '-', or nothing and a pipe, reads standard input.")
  var prompt: [String] = []

  @Option(
    name: .shortAndLong, help: "Where to: .png or .jpg by the suffix; '-' writes a PNG to standard output.",
    completion: .file(extensions: ["png", "jpg"]))
  var output: String

  @Option(name: [.customShort("n"), .long], parsing: .unconditional, help: "How many images, 1 to 64.")
  var count: Int = 1

  @Option(
    help: "An image of this program: its prompt, seed and settings are taken where nothing else is said.", completion: .file())
  var like: String?

  @OptionGroup var drawing: ImageFlags
  @OptionGroup var model: ModelOptions
  @OptionGroup var sampling: SamplingFlags
  @OptionGroup var common: CommonOptions

  func validate() throws {
    if !(1...64).contains(count) { throw ValidationError("-n takes a number of images from 1 to 64, not \(count)") }
    if count > 1 && output == "-" { throw ValidationError("several images are several files; name them with -o out.png") }
  }

  func run() async throws {
    let origin = try like.map(Self.origin)
    let words = if let origin, prompt.isEmpty { origin.prompt } else { try Input.text(prompt, "what to draw") }
    try await ImageTask(
      title: "imagine", recipe: .imageGeneration, parts: [.text(words)], prompt: words, output: output, count: count,
      like: origin?.options ?? ImageOptions(), drawing: drawing, model: model, sampling: sampling, common: common
    ).run()
  }

  private static func origin(_ path: String) throws -> ImageOrigin {
    guard let origin = ImageOrigin(bytes: try Input.bytes(of: path, limit: 256 << 20)) else {
      throw Failure(
        .wrongInput, "\(PathText.shown(path)): does not say how it was made; --like takes an image that mio-lite has drawn")
    }
    return origin
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
  var count = 1
  /// What is taken where the command line says nothing.
  var like = ImageOptions()
  let drawing: ImageFlags
  let model: ModelOptions
  let sampling: SamplingFlags
  let common: CommonOptions

  func run() async throws {
    try Output.checkImage(output)
    let opened = try model.open()
    try opened.require(task: recipe)
    var flags = self.sampling
    flags.seed = flags.seed ?? like.sampling.seed
    let sampling = flags.sampling(draws: true, quiet: common.quiet)
    var images: [Image] = []
    for index in 0..<count {
      var seeded = sampling
      seeded.seed = sampling.seed.map { $0 &+ UInt64(index) }
      let place = count == 1 ? output : numbered(index + 1)
      images.append(try await draw(opened, drawing.options(seeded, like: like, of: opened), to: place))
    }
    if count > 1, let sheet = Image.contactSheet(images) {
      let options = try drawing.options(sampling, like: like, of: opened)
      try Output.write(sheet, to: output, origin: ImageOrigin(prompt: prompt, options: options))
    }
  }

  /// `out-1.png` for `out.png`.
  private func numbered(_ number: Int) -> String {
    let name = output.split(separator: "/", omittingEmptySubsequences: false).last ?? ""
    guard let dot = name.lastIndex(of: ".") else { return "\(output)-\(number)" }
    return "\(output.dropLast(name.distance(from: dot, to: name.endIndex)))-\(number)\(name[dot...])"
  }

  private func draw(_ opened: Model, _ options: ImageOptions, to output: String) async throws -> Image {
    let started = ContinuousClock.now
    var image: Image?
    try await Interrupts.during { cancellation in
      let bar = ProgressBar(title, quiet: common.quiet)
      defer { bar.finish() }
      let task = TaskOptions(sampling: options.sampling, image: options, maxImages: 1)
      for try await part in cancellation.stopping(opened.perform(recipe, parts, options: task)) {
        switch part {
        case .progress(let progress): bar.update(progress.fraction, detail: progress.detail)
        case .image(let clip, _): image = clip
        case .problem(let problem): Output.note("mio-lite: \(problem)")
        case .text, .speech, .preview, .finished: break
        }
      }
    }
    guard let image else { throw Failure(.failed, "the model did not finish an image; allow more tokens") }
    try Output.write(image, to: output, origin: ImageOrigin(prompt: prompt, options: options))
    if !common.quiet {
      if !drawing.noPreview { Preview.show(image) }
      let elapsed = String(format: "%.1f", (ContinuousClock.now - started).seconds)
      Output.note("\(output): \(image.width) x \(image.height) pixels in \(elapsed) s")
    }
    return image
  }
}
