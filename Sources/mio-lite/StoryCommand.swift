import ArgumentParser
import Foundation
import MioLite

/// `story PROMPT`: tells a story in words and images.
struct StoryCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "story", abstract: "Tell a story in words and images.",
    discussion: """
      Writes index.html, which holds everything and can be sent as it is; story.json; and the media as files of their own. The
      story may go on from images given with --image. Settings of drawing as for 'imagine'; all images are drawn from the
      same noise. MIO's own settings: sampling, top-p 0.7, repetition penalty 1.15.
      """)

  @Argument(help: "What the story is about; '-', or nothing and a pipe, reads standard input.")
  var prompt: [String] = []

  @Option(name: .shortAndLong, help: "The folder of the story.", completion: .directory)
  var output: String

  @Option(help: "An image that the story goes on from; may be repeated.", completion: .file())
  var image: [String] = []

  @Option(name: [.customLong("images"), .customLong("pictures")], help: "Most images; the model may end earlier.")
  var images: Int = 8

  @Option(help: "Ask in the words of this recipe ('mio-lite recipes' lists them): storytelling, interleaved, visual-thought.")
  var recipe: String = MioTask.storytelling.rawValue

  @Flag(help: "Let the story speak, too.")
  var speech = false

  @Flag(help: "Print story.json to standard output as well.")
  var json = false

  @OptionGroup var seeing: SeeingFlags
  @OptionGroup var drawing: ImageFlags
  @OptionGroup var model: ModelOptions
  @OptionGroup var sampling: SamplingFlags
  @OptionGroup var common: CommonOptions

  func validate() throws {
    if output == "-" { throw ValidationError("a story is a folder of files; name it: -o DIR (--json prints the record)") }
    if !(1...1000).contains(images) { throw ValidationError("--images takes a number from 1 to 1000, not \(images)") }
  }

  func run() async throws {
    try Files.checkFolderName(output, for: "a story becomes a folder with a page and its images")
    try Files.checkFolder(output)
    let words = try Input.text(prompt, "what the story is about")
    let recipe = try RecipeOption.find(self.recipe)
    let opened = try model.open()
    try opened.require(task: recipe)
    try opened.require(.images)
    if !image.isEmpty { try opened.require(.seeing) }
    let sampling = self.sampling.sampling(draws: true, quiet: common.quiet)
    let options = try drawing.options(sampling, of: opened)
    let task = TaskOptions(sampling: sampling, image: options, maxImages: images, allowsSpeech: speech)
    let given = image.map { InputPart.imageFile(seeing.source($0)) } + (words.isEmpty ? [] : [.text(words)])
    let origin = ImageOrigin(prompt: words, options: options)
    let media = MediaFolder(path: output, quiet: common.quiet, origin: origin, replacing: true)
    var story = Story(
      title: words, made: origin.summary, model: PathText.shown(URL(fileURLWithPath: opened.name).lastPathComponent))
    func finish() throws {
      let folder = ResultFolder(path: output)
      let record = try Output.readableJSON(story.record)
      try folder.write(record, "story.json")
      try folder.write(Array(story.page.utf8), "index.html")
      if json { try Output.write(record) }
      if !common.quiet { Output.note("\(output)/index.html: \(story.record.parts.count) parts") }
    }
    do {
      try await Interrupts.during { cancellation in
        let bar = ProgressBar("story", quiet: common.quiet)
        defer { bar.finish() }
        for try await part in cancellation.stopping(opened.perform(recipe, given, options: task)) {
          if case .progress(let progress) = part {
            bar.update(progress.fraction, detail: "\(progress.kind.rawValue) \(progress.number), \(progress.detail)")
            continue
          }
          guard let kept = try media.keep(part) else { continue }
          if kept.type == "problem" { Output.note("mio-lite: \(kept.text ?? "")") }
          if case .image(let clip?, _) = part {
            story.add(kept, data: try clip.encoded(as: .jpeg))
            if !common.quiet, !drawing.noPreview { Preview.show(clip) }
          } else {
            story.add(kept, data: try kept.file.map { try Input.bytes(of: $0, limit: 1 << 30) })
          }
        }
      }
    } catch {
      // What was told until then stays told.
      if !story.record.parts.isEmpty { try? finish() }
      throw error
    }
    try finish()
  }
}

/// A story in the making.
struct Story {
  struct Record: Encodable {
    let title: String
    let made: String
    var parts: [AnswerPart] = []
  }

  private(set) var record: Record
  private let model: String
  private var media: [(type: String, source: String)?] = []  // one for each part

  init(title: String, made: String, model: String) {
    record = Record(title: title, made: made)
    self.model = model
  }

  /// Adds the next part; neighbouring texts become one.
  mutating func add(_ part: AnswerPart, data: [UInt8]?) {
    guard part.type != "problem" else { return }
    if part.type == "text", record.parts.last?.type == "text" {
      record.parts[record.parts.count - 1].text? += part.text ?? ""
      return
    }
    var part = part
    part.file = part.file.map { URL(fileURLWithPath: $0).lastPathComponent }
    record.parts.append(part)
    let kind = part.type == "image" ? "image/jpeg" : "audio/wav"
    media.append(data.map { (part.type, "data:\(kind);base64,\(Data($0).base64EncodedString())") })
  }

  /// The story as one page that needs nothing else.
  var page: String {
    var scenes: [String] = []
    var scene = ""
    var number = 0
    func close() {
      if !scene.isEmpty { scenes.append("<section class=\"scene\">\n\(scene)</section>\n") }
      scene = ""
    }
    for (part, medium) in zip(record.parts, media) {
      switch (part.type, medium) {
      case ("image", let medium?):
        close()
        number += 1
        scene += """
          <figure class="image"><img src="\(medium.source)" alt="Image \(number) of the story" loading="lazy"></figure>\n
          """
      case ("speech", let medium?):
        scene += "<figure class=\"speech\"><audio controls src=\"\(medium.source)\"></audio></figure>\n"
      case ("text", _):
        let lines = (part.text ?? "").split(whereSeparator: \.isNewline).map(Self.escaped)
        let paragraphs = lines.filter { !$0.allSatisfy(\.isWhitespace) }.map { "<p>\($0)</p>\n" }
        if !paragraphs.isEmpty { scene += "<div class=\"words\">\n\(paragraphs.joined())</div>\n" }
      default: break
      }
    }
    close()
    let title = Self.escaped(Self.heading(record.title))
    return """
      <!doctype html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <meta name="color-scheme" content="light dark">
      <meta name="generator" content="mio-lite \(Version.number)">
      <title>\(title)</title>
      <style>\(Self.style)</style>
      </head>
      <body>
      <main>
      <header><h1>\(title)</h1></header>
      <article>
      \(scenes.joined())</article>
      <footer>
      <details><summary>How this was made</summary>
      <dl><dt>Model</dt><dd>\(Self.escaped(model))</dd><dt>Prompt and settings</dt><dd>\(Self.escaped(record.made))</dd></dl>
      </details>
      </footer>
      </main>
      </body>
      </html>

      """
  }

  /// A prompt as a heading: its first letter large, not too long.
  private static func heading(_ prompt: String) -> String {
    let line = prompt.split(whereSeparator: \.isNewline).first.map(String.init) ?? "A story"
    let short = line.count > 120 ? line.prefix(117) + "…" : line[...]
    return short.prefix(1).uppercased() + short.dropFirst()
  }

  /// Text that means only itself in HTML; control characters, which it may not hold, are left out.
  private static func escaped(_ text: some StringProtocol) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "\t", "\n": result.unicodeScalars.append(scalar)
      default: if !(scalar.value < 32 || (127...159).contains(scalar.value)) { result.unicodeScalars.append(scalar) }
      }
    }
    return result
  }

  private static let style = """

    :root { --paper: #faf7f2; --ink: #26221d; --quiet: #7a7065; --line: #e4dccf; --card: #fffdf9; }
    @media (prefers-color-scheme: dark) {
      :root { --paper: #17161a; --ink: #e9e4dc; --quiet: #9a9288; --line: #34313a; --card: #201e25; }
    }
    * { box-sizing: border-box; }
    body { margin: 0; background: var(--paper); color: var(--ink);
      font: 1.125rem/1.65 "Iowan Old Style", "Palatino Linotype", Palatino, Georgia, serif; }
    main { max-width: 62rem; margin: 0 auto; padding: clamp(1.5rem, 5vw, 4rem) clamp(1rem, 4vw, 2.5rem); }
    h1 { font-size: clamp(2rem, 5vw, 3.25rem); line-height: 1.12; font-weight: 600; letter-spacing: -0.01em;
      text-wrap: balance; max-width: 22ch; margin: 0 0 clamp(2rem, 6vw, 4rem); }
    .scene { display: grid; gap: 1.25rem clamp(1.5rem, 4vw, 3rem); margin: 0 0 clamp(2.5rem, 7vw, 5rem);
      align-items: center; }
    .scene > * { min-width: 0; }
    figure { margin: 0; }
    .image img { display: block; width: 100%; height: auto; border-radius: 0.75rem; background: var(--card);
      box-shadow: 0 1px 2px rgb(0 0 0 / 0.12), 0 12px 32px -12px rgb(0 0 0 / 0.35); }
    .speech audio { width: 100%; }
    .words p { margin: 0 0 0.9em; overflow-wrap: anywhere; hyphens: auto; }
    .words p:last-child { margin-bottom: 0; }
    @media (min-width: 50rem) {
      .scene:has(.image):has(.words) { grid-template-columns: 1.1fr 1fr; }
      .scene:nth-of-type(even):has(.image):has(.words) { grid-template-columns: 1fr 1.1fr; }
      .scene:nth-of-type(even):has(.words) .image { order: 2; }
      .scene:not(:has(.words)) .image { max-width: 38rem; }
      .scene .speech { grid-column: 1 / -1; }
      .scene:not(:has(.image)) .words { max-width: 38rem; }
    }
    footer { border-top: 1px solid var(--line); padding-top: 1.25rem; color: var(--quiet);
      font: 0.875rem/1.5 system-ui, sans-serif; }
    summary { cursor: pointer; }
    dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.25rem 1rem; margin: 0.75rem 0 0; }
    dd { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }

    """
}
