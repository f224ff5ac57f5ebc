import ArgumentParser
import Foundation
import MioLite

/// What `encode` prints; `decode` reads its codes.
struct CodedMedia: Encodable {
  var modality: String?
  var codes: MediaCodes
  var ids: [Int32]?
  var text: String?
}

/// `encode AUDIO|IMAGE`: sound or an image to codes, ids and token text.
struct EncodeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "encode", abstract: "Turn a sound file or an image into the codes and tokens that the model reads.")

  @Argument(help: "A sound file or an image; '-' reads standard input.", completion: .file())
  var input: String

  @Flag(help: "Sound: all four codebooks instead of the content codebook alone.")
  var timbre = false

  @Flag(help: "Images: turn one that a camera stored turned, as 'describe' does (the reference does not).")
  var upright = false

  @Option(help: "Images: transparent ones on white, as 'describe' sees them, or dropped, as the reference does.")
  var transparency: Image.Transparency = .dropped

  @Flag(help: "Print JSON (without it: the token text).")
  var json = false

  @OptionGroup var model: ModelOptions
  @OptionGroup var common: CommonOptions

  func run() async throws {
    let opened = try model.open()
    let codebooks = timbre ? min(4, opened.speechCodebookCount ?? 4) : 1
    let codes = try await Interrupts.during { cancellation in
      try await cancellation.stopping { [self] in
        let isQuiet = common.quiet
        return try await opened.codes(
          of: Input.source(input), codebooks: codebooks, upright: upright, transparency: transparency,
          note: { if !isQuiet { Output.note("note: \($0) (--upright turns it)") } })
      }
    }
    let coded = try coded(codes, opened)
    if json {
      try Output.json(coded)
    } else if let text = coded.text {
      try Output.line(text)
    } else {
      throw Failure(
        .wrongInput, "\(opened.name): the file has no tokenizer to name the tokens; use --json for the codes")
    }
  }

  private func coded(_ codes: MediaCodes, _ opened: Model) throws -> CodedMedia {
    var coded = CodedMedia(codes: codes)
    switch codes {
    case .speech(let codes):
      coded.modality = "speech"
      coded.ids = opened.hasSpeechTokens ? try opened.tokens(ofSpeech: codes) : nil
    case .image(let codes):
      if timbre { throw Failure(.wrongInput, "\(input): --timbre is about sound; an image has one list of codes") }
      coded.modality = "image"
      coded.ids = opened.hasImageTokens ? try opened.tokens(ofImage: codes) : nil
    }
    coded.text = coded.ids.flatMap { ids in opened.tokenizer.map { ids.compactMap($0.token).joined() } }
    return coded
  }
}

/// `decode TOKENS.json -o out.wav|out.png`: renders what `encode` printed.
struct DecodeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "decode", abstract: "Render codes, as 'encode --json' prints them, to a sound file or an image.")

  @Argument(
    help: "JSON with \"codes\": one list per codebook, or one list of an image; '-' reads standard input.",
    completion: .file(extensions: ["json"]))
  var input: String

  @Option(
    name: .shortAndLong, help: "The sound file or image, format by suffix; '-' streams WAV.", completion: .file())
  var output: String

  @Option(help: "Images: seed of the noise that they are drawn from (default: random, printed).")
  var seed: UInt64?

  @Flag(help: "Sound: write .wav with 32-bit floats instead of 16-bit integers.")
  var float = false

  @OptionGroup var drawing: ImageFlags
  @OptionGroup var model: ModelOptions
  @OptionGroup var common: CommonOptions

  func run() async throws {
    let opened = try model.open()
    let bytes = try Input.bytes(of: input, limit: 1 << 28)
    let codes: MediaCodes
    do { codes = try MediaCodes(json: bytes) } catch { throw Failure(.wrongInput, "\(input): \(error.message)") }
    switch codes {
    case .speech(let codes): try await decode(codes, opened)
    case .image(let codes): try await draw(codes, opened)
    }
  }

  private func decode(_ codes: [[Int32]], _ opened: Model) async throws {
    try opened.require(.speech)
    guard !codes.isEmpty, !codes[0].isEmpty else {
      throw Failure(.wrongInput, "\(input): \"codes\" is empty; give one list of codes per codebook")
    }
    let destination = AudioDestination(output: output, keepsFloats: float)
    try destination.check()
    try await Interrupts.during { cancellation in
      let audio = try await cancellation.stopping { try await opened.audio(from: codes) }
      let sink = try destination.open(sampleRateHz: audio.sampleRateHz, cancellation: cancellation)
      try sink.write(audio.samples)
      try cancellation.check()
      try sink.finish()
    }
  }

  private func draw(_ codes: [Int32], _ opened: Model) async throws {
    try Output.checkImage(output)
    let chosen = seed ?? .random(in: 0...0xFFFF_FFFF)
    if seed == nil && !common.quiet { Output.note("seed \(chosen)") }
    let options = try drawing.options(Sampling(seed: chosen), of: opened)
    let image = try await Interrupts.during { cancellation in
      let bar = ProgressBar("decode", quiet: common.quiet)
      defer { bar.finish() }
      return try await cancellation.stopping {
        try await opened.image(from: codes, options: options) { index, count in
          bar.update(Double(index + 1) / Double(count + 1), detail: "step \(index + 1) of \(count)")
        }
      }
    }
    let origin = ImageOrigin(prompt: "", options: options)
    try Output.write(image, to: output, origin: origin)
    if !common.quiet, !drawing.noPreview { Preview.show(image) }
  }
}
