import ArgumentParser
import Foundation
import MioLite

/// `describe IMAGE|VIDEO [QUESTION]`: says what is to be seen.
struct DescribeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "describe", abstract: "Say what an image or a video shows, or answer a question about it.",
    discussion: """
      Images: png, jpg, webp, bmp, gif; an image that a camera stored turned is turned upright. Videos: an animated gif or
      webp, a folder of images, or any video if ffmpeg is installed; the model sees key frames, one from each scene.
      MIO's own settings: beam search with 5 beams.
      """)

  @Argument(help: "An image or a video; '-' reads standard input.", completion: .file())
  var input: String

  @Argument(help: "A question about it; '-' reads standard input.")
  var question: [String] = []

  @Option(help: "Most frames that are looked at of a video.")
  var frames: Int = 20

  @Flag(help: "Look at evenly spaced frames of a video instead of one from each scene.")
  var uniform = false

  @Option(help: "Ask in the words of this recipe ('mio-lite recipes' lists them), chart-question for instance.")
  var recipe: String?

  @Flag(help: "Print JSON.")
  var json = false

  @OptionGroup var seeing: SeeingFlags
  @OptionGroup var model: ModelOptions
  @OptionGroup var sampling: SamplingFlags
  @OptionGroup var common: CommonOptions

  private struct Result: Encodable {
    let text: String
  }

  private func givenQuestion() throws -> String? {
    if question.isEmpty { return nil }
    if question == ["-"] && input == "-" {
      throw Failure(.wrongInput, "'-' is standard input once; give the question as an argument")
    }
    if let file = TypedPath.picture(among: question) {
      throw Failure(
        .wrongInput,
        "\(file): 'describe' looks at one image or video; for several: mio-lite chat QUESTION --image \(input) --image \(file)")
    }
    return try Input.text(question, "the question")
  }

  func run() async throws {
    let question = try givenQuestion()
    if let question, question.allSatisfy(\.isWhitespace) { throw Failure(.wrongInput, "the question is empty; ask something") }
    let recipe = try self.recipe.map(RecipeOption.find) ?? (question == nil ? .imageCaption : .imageQuestion)
    let opened = try model.open()
    try opened.require(task: recipe)
    try opened.require(.seeing)
    let options = TaskOptions(
      sampling: sampling.sampling(draws: false, quiet: common.quiet), image: nil, maxFrames: frames,
      frameSelection: uniform ? .uniform : .scenes)
    let parts: [InputPart] = [.visualFile(seeing.source(input))] + (question.map { [.text($0)] } ?? [])
    var shown = TrimmedText()
    var whole = ""
    func finish() throws {
      if json { try Output.json(Result(text: whole)) } else { try Output.line("") }
    }
    do {
      try await Interrupts.during { cancellation in
        let bar = ProgressBar("describe", quiet: common.quiet)
        defer { bar.finish() }
        for try await part in cancellation.stopping(opened.perform(recipe, parts, options: options)) {
          switch part {
          case .progress(let progress): bar.update(progress.fraction, detail: progress.detail)
          case .text(let text):
            let text = shown.append(text)
            whole += text
            if !json { try Output.write(text) }
          case .problem(let problem): Output.note("mio-lite: \(problem)")
          case .image, .speech, .preview, .finished: break
          }
        }
      }
    } catch {
      // What was said until then stays said.
      if !whole.isEmpty { try? finish() }
      throw error
    }
    try finish()
  }
}

/// Text as it comes, without white space at both ends.
struct TrimmedText {
  private var isEmpty = true
  private var held = ""

  /// What can be shown now.
  mutating func append(_ text: String) -> String {
    var shown = ""
    for character in text {
      if character.isWhitespace {
        if !isEmpty { held.append(character) }
      } else {
        shown += held + String(character)
        held = ""
        isEmpty = false
      }
    }
    return shown
  }
}

/// Finds recipes by the names that people give.
enum RecipeOption {
  static func find(_ name: String) throws -> MioTask {
    guard let recipe = MioTask(rawValue: name) else {
      throw Failure(.wrongInput, "--recipe: there is none called '\(name)'; 'mio-lite recipes' lists them")
    }
    return recipe
  }
}

/// `recipes`: in which words the model is asked.
struct RecipesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "recipes", abstract: "List what the model can be asked to do, and in which words.")

  @Flag(help: "Print JSON.")
  var json = false

  private struct Row: Encodable {
    let name, output, instruct, base: String
  }

  func run() throws {
    let rows = MioTask.allCases.map {
      Row(
        name: $0.rawValue, output: $0.output.map(\.rawValue).joined(separator: ", "), instruct: $0.instructWords,
        base: $0.baseWords)
    }
    if json { return try Output.json(rows, pretty: true) }
    for row in rows {
      func line(_ text: String) -> String { text.replacingOccurrences(of: "\n", with: "\\n") }
      try Output.line("\(row.name): gives \(row.output)\n  instruct  \(line(row.instruct))\n  base      \(line(row.base))")
    }
  }
}
