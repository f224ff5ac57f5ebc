import ArgumentParser
import Foundation
import MioKernels
import MioLite
import MioMedia
import MioModel

/// What `encode` prints and `decode` reads.
struct CodedMedia: Codable {
  var modality: String?
  var codes: Codes
  var ids: [Int32]?
  var text: String?
}

/// Codes of speech, a list for each codebook, or of an image, one list.
enum Codes: Codable {
  case speech([[Int32]])
  case image([Int32])

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let codebooks = try? container.decode([[Int32]].self) {
      self = .speech(codebooks)
    } else {
      self = .image(try container.decode([Int32].self))
    }
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .speech(let codebooks): try container.encode(codebooks)
    case .image(let codes): try container.encode(codes)
    }
  }
}

/// `encode AUDIO|IMAGE`: sound or an image to codes, ids and token text.
struct EncodeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "encode", abstract: "Turn a sound file or an image into the codes and tokens that the model reads.")

  @Argument(help: "A sound file or an image; '-' reads standard input.", completion: .file())
  var input: String

  @Flag(help: "Sound: all four codebooks instead of the content codebook alone.")
  var timbre = false

  @Flag(help: "Print JSON (without it: the token text).")
  var json = false

  @OptionGroup var model: ModelOptions
  @OptionGroup var common: CommonOptions

  func run() throws {
    let opened = try model.open()
    let file = input == "-" ? try MediaFile.open(descriptor: STDIN_FILENO, name: "standard input")
      : try MediaFile.open(path: input)
    let context = KernelContext(threads: model.threads ?? Processors.usableCoreCount)
    let coded =
      switch file {
      case .sound(let sound): try encode(sound, opened, context)
      case .image(let image): try encode(image, opened, context)
      case .video: throw Failure(.wrongInput, "\(input): this is a video; encode its frames one by one")
      }
    if json {
      try Output.json(coded)
    } else if let text = coded.text {
      try Output.line(text)
    } else {
      throw Failure(
        .wrongInput, "\(opened.path): the file has no tokenizer to name the tokens; use --json for the codes")
    }
  }

  private func encode(_ file: AudioFile, _ opened: Model, _ context: KernelContext) throws -> CodedMedia {
    let codec = try opened.requiredCodec()
    var source = AudioSource(file, sampleRateHz: codec.config.sampleRateHz)
    let codebooks = timbre ? min(4, codec.config.codebookCount) : 1
    let stream = try SpeechEncoderStream(codec, codebooks: codebooks, on: context)
    var codes = Array(repeating: [Int32](), count: codebooks)
    func append(_ more: [[Int32]]) {
      for (codebook, new) in more.enumerated() { codes[codebook] += new }
    }
    while case let block = try source.next(), !block.isEmpty { append(try stream.push(block)) }
    append(stream.finish())
    if codes[0].isEmpty { throw Failure(.wrongInput, "\(input): the sound is empty") }
    var coded = CodedMedia(modality: "speech", codes: .speech(codes))
    if let tokenizer = opened.tokenizer, tokenizer.media.speech != nil {
      let ids = try tokenizer.media.speechTokens(codes.map { $0.map(Int.init) })
      coded.ids = ids
      coded.text = ids.compactMap(tokenizer.piece).joined()
    }
    return coded
  }

  private func encode(_ image: Image, _ opened: Model, _ context: KernelContext) throws -> CodedMedia {
    if timbre { throw Failure(.wrongInput, "\(input): --timbre is about sound; an image has one list of codes") }
    let codes = try opened.codes(of: image, on: context)
    var coded = CodedMedia(modality: "image", codes: .image(codes))
    if let tokenizer = opened.tokenizer, tokenizer.media.image != nil {
      let ids = try tokenizer.media.imageTokens(codes.map(Int.init))
      coded.ids = ids
      coded.text = ids.compactMap(tokenizer.piece).joined()
    }
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

  @OptionGroup var drawing: ImageFlags
  @OptionGroup var model: ModelOptions
  @OptionGroup var common: CommonOptions

  func run() async throws {
    let opened = try model.open()
    let bytes = try Input.bytes(of: input, limit: 1 << 28)
    let media: CodedMedia
    do {
      media = try JSONDecoder().decode(CodedMedia.self, from: Data(bytes))
    } catch {
      throw Failure(
        .wrongInput,
        "\(input): no JSON with \"codes\": [[...] per codebook] or [...] of an image; 'mio-lite encode FILE --json' prints "
          + "such a file")
    }
    switch media.codes {
    case .speech(let codes): try await decode(codes, opened)
    case .image(let codes): try await draw(codes, opened)
    }
  }

  private func decode(_ codes: [[Int32]], _ opened: Model) async throws {
    let codec = try opened.requiredCodec()
    guard !codes.isEmpty, !codes[0].isEmpty else {
      throw Failure(.wrongInput, "\(input): \"codes\" is empty; give one list of codes per codebook")
    }
    let context = KernelContext(threads: model.threads ?? Processors.usableCoreCount)
    let samples = try codec.decode(codes, on: context)
    try await Interrupts.during { cancellation in
      let sink = try AudioSinks.make(
        output: output, raw: false, play: false, sampleRateHz: codec.config.sampleRateHz)
      try sink.write(samples)
      if cancellation.isCancelled { throw MioError(.cancelled, "cancelled") }
      try sink.finish()
    }
  }

  private func draw(_ codes: [Int32], _ opened: Model) async throws {
    if output != "-" { _ = try ImageFormat(path: output) }
    let chosen = seed ?? .random(in: 0...0xFFFF_FFFF)
    if seed == nil && !common.quiet { Output.note("seed \(chosen)") }
    let options = drawing.options(Sampling(seed: chosen))
    let image = try await Interrupts.during { cancellation in
      let bar = ProgressBar("decode", quiet: common.quiet)
      defer { bar.finish() }
      return try opened.image(of: codes, options: options, cancellation: cancellation) { index, count in
        bar.update(Double(index + 1) / Double(count + 1), detail: "step \(index + 1) of \(count)")
      }
    }
    let origin = ImageOrigin(prompt: "", options: options)
    if output == "-" {
      try Output.write(image.encoded(origin: origin))
    } else {
      try image.write(to: output, origin: origin)
    }
    if !common.quiet, !drawing.noPreview { Preview.show(image) }
  }
}
