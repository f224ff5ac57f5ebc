import ArgumentParser
import Foundation
import MioConverter
import MioKernels
import MioLite
import MioModel

/// `trace STAGE`: runs one stage on given tensors and writes every intermediate worth comparing.
struct TraceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "trace", abstract: "Run one stage on given tensors and write its intermediates, in f32.",
    discussion: """
      backbone       reads ids int32 [T]; writes logits [T, V], hidden.0 ... hidden.N [T, E], hidden.norm [T, E]
      speech-encode  reads wave f32 [samples] at the codec's rate; writes features [D, T], codes int32 [Q, T]
      speech-decode  reads codes int32 [q, T]; writes quantized [D, T], wave [samples]
      image-encode   reads pixels [3, S, S], normalised; writes vision [P, E], queries [Q, E], code_vectors [Q, D],
                     codes int32 [Q]
      image-embed    reads codes int32 [Q]; writes embedding [D]
      unet           reads latents [4, h, w], timestep int32 [1], class_labels [B, 2D]; writes prediction [B, 4, h, w]
      diffuse        reads embedding [D], latents [4, h, w], steps int32 [1], guidance f32 [1]; writes timesteps int32 [n],
                     guided and trajectory [n, 4, h, w], image [3, H, W] in -1...1
      vae-decode     reads latents [4, h, w] as the sampler leaves them; writes image [3, H, W]
      """)

  enum Stage: String, CaseIterable, ExpressibleByArgument {
    case backbone
    case speechEncode = "speech-encode"
    case speechDecode = "speech-decode"
    case imageEncode = "image-encode"
    case imageEmbed = "image-embed"
    case unet
    case diffuse
    case vaeDecode = "vae-decode"
  }

  @Argument(help: "backbone, speech-encode, speech-decode, image-encode, image-embed, unet, diffuse or vae-decode.")
  var stage: Stage

  @Option(name: .shortAndLong, help: "The given tensors, a safetensors file.", completion: .file(extensions: ["safetensors"]))
  var input: String

  @Option(name: .shortAndLong, help: "The intermediates, a safetensors file.", completion: .file(extensions: ["safetensors"]))
  var output: String

  @OptionGroup var model: ModelOptions
  @OptionGroup var common: CommonOptions

  func validate() throws {
    if output == "-" || input == "-" { throw ValidationError("-i and -o name safetensors files, not '-'") }
  }

  func run() throws {
    try OutputFile.check(URL(fileURLWithPath: output))
    let opened = try model.open()
    let given = try SafetensorsFile(path: input)
    let context = KernelContext(threads: model.threads ?? Processors.usableCoreCount)
    var results = SafetensorsWriter()
    switch stage {
    case .backbone: try traceBackbone(opened, given, context, into: &results)
    case .speechEncode: try traceEncoder(opened, given, context, into: &results)
    case .speechDecode: try traceDecoder(opened, given, context, into: &results)
    case .imageEncode: try traceImageEncoder(opened, given, context, into: &results)
    case .imageEmbed: try traceImageEmbedder(opened, given, context, into: &results)
    case .unet: try traceUNet(opened, given, context, into: &results)
    case .diffuse: try traceDiffusion(opened, given, context, into: &results)
    case .vaeDecode: try traceVAEDecoder(opened, given, context, into: &results)
    }
    try results.write(to: output)
  }

  private func traceBackbone(
    _ opened: Model, _ given: SafetensorsFile, _ context: KernelContext, into results: inout SafetensorsWriter
  ) throws {
    let language = try opened.requiredLanguage()
    let ids = try given.ints("ids")
    try requireShape("ids", try given.shape(of: "ids"), rank: 1)
    guard ids.count <= language.config.contextLength else {
      throw Failure(.wrongInput, "\(input): \(ids.count) ids; the model was made for \(language.config.contextLength)")
    }
    // The cache is the last thing that should blur a comparison: without --cache it is exact here.
    let trace = try LanguageTrace(of: ids, model: language, cache: .f32, on: context)
    let config = language.config
    results.add("logits", [ids.count, config.vocabularySize], trace.logits)
    for (layer, values) in trace.hidden.enumerated() { results.add("hidden.\(layer)", [ids.count, config.width], values) }
    results.add("hidden.norm", [ids.count, config.width], trace.normalized)
  }

  private func traceEncoder(
    _ opened: Model, _ given: SafetensorsFile, _ context: KernelContext, into results: inout SafetensorsWriter
  ) throws {
    let codec = try opened.requiredCodec()
    let wave = try given.floats("wave")
    try requireShape("wave", try given.shape(of: "wave"), rank: 1)
    let trace = SpeechTrace()
    let codes = try codec.encode(wave, codebooks: codec.config.codebookCount, trace: trace, on: context)
    let frames = codes.first?.count ?? 0
    results.add("features", [codec.config.width, frames], trace.tensors["features"]?.channelsFirst ?? [])
    results.add("codes", [codes.count, frames], Array(codes.joined()))
  }

  private func traceDecoder(
    _ opened: Model, _ given: SafetensorsFile, _ context: KernelContext, into results: inout SafetensorsWriter
  ) throws {
    let codec = try opened.requiredCodec()
    let shape = try given.shape(of: "codes")
    try requireShape("codes", shape, rank: 2)
    let values = try given.ints("codes")
    let codes = (0..<shape[0]).map { Array(values[($0 * shape[1])..<(($0 + 1) * shape[1])]) }
    let trace = SpeechTrace()
    let wave = try codec.decode(codes, trace: trace, on: context)
    results.add("quantized", [codec.config.width, shape[1]], trace.tensors["quantized"]?.channelsFirst ?? [])
    results.add("wave", [wave.count], wave)
  }

  private func traceImageEncoder(
    _ opened: Model, _ given: SafetensorsFile, _ context: KernelContext, into results: inout SafetensorsWriter
  ) throws {
    let tokenizer = try opened.requiredImageTokenizer()
    let side = tokenizer.config.imageSize
    let shape = try given.shape(of: "pixels")
    guard shape == [3, side, side] else {
      throw Failure(.wrongInput, "\(input): 'pixels' has the shape \(shape); this model sees [3, \(side), \(side)]")
    }
    let trace = ImageTrace()
    let codes = try tokenizer.encode(pixels: given.floats("pixels"), trace: trace, on: context)
    for name in ["vision", "queries", "code_vectors"] {
      guard let tensor = trace.tensors[name] else { continue }
      results.add(name, [tensor.rows, tensor.width], tensor.values)
    }
    results.add("codes", [codes.count], codes)
  }

  private func traceImageEmbedder(
    _ opened: Model, _ given: SafetensorsFile, _ context: KernelContext, into results: inout SafetensorsWriter
  ) throws {
    let tokenizer = try opened.requiredImageTokenizer()
    try requireShape("codes", try given.shape(of: "codes"), rank: 1)
    let embedding = try tokenizer.embed(codes: given.ints("codes"), on: context)
    results.add("embedding", [embedding.count], embedding)
  }

  func requireShape(_ name: String, _ shape: [Int], rank: Int) throws {
    guard shape.count == rank, !shape.contains(0) else {
      throw Failure(.wrongInput, "\(input): '\(name)' has the shape \(shape); this stage needs \(rank) axes, none empty")
    }
  }
}
