import ArgumentParser
import Foundation
import MioLite

/// `film PROMPT`: draws the key frames of a film.
struct FilmCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "film", abstract: "Draw the key frames of a film that a text describes.",
    discussion: """
      MIO's videos are key frames, one image after the other. With -o DIR: frame-1.png and so on, contact-sheet.png,
      film.gif and film.json; with -o NAME.gif: the animated gif alone. Settings of drawing as for 'imagine'; all frames are
      drawn from the same noise. MIO's own settings: sampling, top-p 0.7, repetition penalty 1.15.
      """)

  @Argument(help: "What the film shows; '-', or nothing and a pipe, reads standard input.")
  var prompt: [String] = []

  @Option(
    name: .shortAndLong, help: "A folder, or the name of an animated gif; '-' writes the gif to standard output.",
    completion: .file())
  var output: String

  @Option(help: "Most frames; the model may end earlier.")
  var frames: Int = 8

  @Option(help: "Milliseconds for which the gif shows each frame.")
  var delay: Int = 500

  @OptionGroup var drawing: ImageFlags
  @OptionGroup var model: ModelOptions
  @OptionGroup var sampling: SamplingFlags
  @OptionGroup var common: CommonOptions

  func validate() throws {
    if !(1...1000).contains(frames) { throw ValidationError("--frames takes a number from 1 to 1000, not \(frames)") }
    if !(10...600_000).contains(delay) { throw ValidationError("--delay takes 10 to 600000 milliseconds, not \(delay)") }
  }

  private struct Record: Encodable {
    struct Frame: Encodable {
      let file: String
      let codes: [Int32]
    }

    let prompt: String
    let seed: UInt64?
    let steps: Int?
    let guidance: Double?
    let sampler: String?
    let frames: [Frame]
  }

  private func checkOutput(_ isSingle: Bool) throws {
    if output == "-" { return try Output.refuseTerminal(for: "an animation") }
    if isSingle { return try Output.check(output) { _ in } }
    try Files.checkFolderName(output, for: "a film becomes a .gif or a folder of frames")
    try Files.checkFolder(output)
  }

  func run() async throws {
    let isSingle =
      output == "-" || output.lowercased().hasSuffix(".gif") || OutputFile.isStream(URL(fileURLWithPath: output))
    try checkOutput(isSingle)
    let words = try Input.text(prompt, "what the film shows")
    let opened = try model.open()
    try opened.require(task: .videoGeneration)
    let sampling = self.sampling.sampling(draws: true, quiet: common.quiet)
    let options = try drawing.options(sampling, of: opened)
    var animation = GIFEncoder(
      millisecondsPerFrame: delay, comment: ImageOrigin(prompt: words, options: options).summary)
    var thumbnails: [Image] = []
    var record: [Record.Frame] = []
    let target = isSingle ? nil : ResultFolder(path: output)
    func finish() throws {
      if let target {
        if let sheet = Image.contactSheet(thumbnails) { try target.write(sheet.encoded(), "contact-sheet.png") }
        try target.write(animation.finish(), "film.gif")
        try target.write(
          Output.readableJSON(
            Record(
              prompt: words, seed: sampling.seed, steps: options.steps, guidance: options.guidance,
              sampler: options.sampler?.rawValue, frames: record)), "film.json")
      } else {
        try Output.write(animation.finish(), toFileOrOutput: output)
      }
    }
    func draw() async throws {
      try await Interrupts.during { cancellation in
        let bar = ProgressBar("film", quiet: common.quiet)
        defer { bar.finish() }
        let task = TaskOptions(sampling: sampling, image: options, maxImages: frames)
        for try await part in cancellation.stopping(opened.perform(.videoGeneration, [.text(words)], options: task)) {
          switch part {
          case .progress(let progress) where progress.kind == .image:
            bar.update(
              (Double(progress.number - 1) + progress.fraction) / Double(frames),
              detail: "frame \(progress.number), \(progress.detail)")
          case .image(let clip?, let codes):
            let name = "frame-\(record.count + 1).png"
            try target?.write(clip.encoded(origin: ImageOrigin(prompt: words, options: options)), name)
            record.append(Record.Frame(file: name, codes: codes))
            try animation.add(clip)
            thumbnails.append(clip.thumbnail)
            if !common.quiet, !drawing.noPreview { Preview.show(clip) }
          case .problem(let problem): Output.note("mio-lite: \(problem)")
          case .image, .text, .speech, .progress, .preview, .finished: break
          }
        }
      }
    }
    do {
      try await draw()
    } catch {
      // Frames that are finished have cost enough to be kept.
      if !record.isEmpty, (try? finish()) != nil {
        Output.note(
          "mio-lite: \(output) has the \(record.count == 1 ? "frame that was" : "\(record.count) frames that were") finished")
      }
      throw error
    }
    guard !record.isEmpty else { throw Failure(.failed, "the model did not finish a frame; allow more tokens") }
    try finish()
    if !common.quiet { Output.note("\(output): \(record.count) frame\(record.count == 1 ? "" : "s")") }
  }
}

extension Image {
  /// The image with at most 256 columns.
  var thumbnail: Image {
    let width = min(self.width, 256)
    return width == self.width ? self : resized(width: width, height: max(1, height * width / self.width))
  }
}

/// A folder of results, made with its first file; every file in it is complete or not there.
struct ResultFolder {
  let path: String

  func write(_ bytes: [UInt8], _ name: String) throws {
    try Files.makeFolder(path)
    try Output.write(bytes, to: "\(path)/\(name)")
  }
}
