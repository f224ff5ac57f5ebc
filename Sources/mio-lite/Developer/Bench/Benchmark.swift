import Foundation
import MioFormat
import MioKernels
import MioLite
import MioModel

/// Runs the measurements of `bench`.
struct Benchmark {
  static let allPhases = [
    "prefill", "decode", "speech-decode", "long-text", "codec-decode", "codec-encode", "see", "unet", "vae", "machine",
  ]
  private static let decodeSteps = 16
  /// Phases that only run when asked for.
  private static let specialPhases: Set = ["machine", "long-text"]
  private static let codecSeconds = 4

  let file: ModelFile
  private let language: LanguageModel?
  private let codec: SpeechCodec?
  let tokenizer: ImageTokenizer?
  let diffusion: DiffusionModel?
  private let loadSeconds: Double
  let command: BenchCommand
  private let cancellation: Cancellation
  private let phases: [String]
  private let bar: ProgressBar

  init(_ command: BenchCommand, cancellation: Cancellation) throws {
    self.command = command
    self.cancellation = cancellation
    let path = try ModelLocation.path(given: command.model)
    let start = ContinuousClock.now
    file = try ModelFile.open(path: path)
    language = file.component("language") == nil ? nil : try LanguageModel(from: file)
    codec = file.component("speech") == nil ? nil : try SpeechCodec(from: file)
    tokenizer = file.component(ImageTokenizer.component) == nil ? nil : try ImageTokenizer(from: file)
    diffusion = file.component(DiffusionModel.component) == nil ? nil : try DiffusionModel(from: file)
    loadSeconds = (ContinuousClock.now - start).seconds
    let asked = command.phases?.values ?? Self.allPhases.filter { !Self.specialPhases.contains($0) }
    if let unknown = asked.first(where: { !Self.allPhases.contains($0) }) {
      throw Failure(.wrongInput, "--phases: no phase '\(unknown)'; there are \(Self.allPhases.joined(separator: ", "))")
    }
    let (speaks, writes, sees, draws) = (codec != nil, language != nil, tokenizer != nil, diffusion != nil)
    phases = asked.filter { phase in
      switch phase {
      case "codec-decode", "codec-encode": speaks
      case "see": sees
      case "unet", "vae": draws
      case "machine": true
      default: writes
      }
    }
    if phases.isEmpty { throw Failure(.wrongInput, "\(path): nothing to measure; the file lacks what these phases need") }
    bar = ProgressBar("bench", quiet: command.common.quiet)
  }

  /// Measures everything, phase after phase, with a probe of the machine right before each result.
  func run() throws -> BenchReport {
    var machine: [String: BenchReport.Machine] = [:]
    var results: [BenchReport.Result] = []
    var peak = 0
    for threads in command.threads {
      let pool = WorkerPool(threads: min(threads, Processors.usableCount))
      let context = KernelContext(pool: pool, choice: Machine.kernelChoice(threads: threads))
      bar.update(0, detail: "machine, \(threads) threads")
      machine["\(threads)"] = BenchReport.Machine(Self.limits(context), context.choice.manyRows)
      for phase in phases {
        for measurement in measurements(of: phase, context) {
          let limits = Self.limits(context)
          Self.forgetPeakRSS()
          let result = try measurement(limits)
          peak = max(peak, Self.peakRSSBytes())
          results.append(beside(limits, result, context))
        }
      }
    }
    bar.finish()
    return BenchReport(
      machine: machine,
      model: .init(
        file: PathText.shown(file.path), identity: file.identity.description, bytes: file.byteCount,
        weightBytesPerToken: weightBytesPerToken(), parametersPerToken: parametersPerToken()),
      results: results, loadSeconds: (loadSeconds * 1e6).rounded() / 1e6, peakRSSBytes: peak)
  }

  /// The limits of the machine with the instructions of the kernels in use.
  private static func limits(_ context: KernelContext) -> MachineLimits {
    MachineProbe(pool: context.pool).limits(of: context.choice.manyRows)
  }

  /// Adds what the machine could do. Its memory's speed changes from second to second on some machines: it counts as it was
  /// before and after.
  private func beside(
    _ limits: MachineLimits, _ result: BenchReport.Result, _ context: KernelContext
  ) -> BenchReport.Result {
    var (limits, result) = (limits, result)
    if result.limit == "reading" {
      let before = limits.readGigabytesPerSecond
      let after = MachineProbe(pool: context.pool).reading().gigabytesPerSecond
      limits.reading.gigabytesPerSecond = (before + after) / 2
      result.fractionOfLimit *= before / limits.readGigabytesPerSecond
    }
    result.fractionOfLimit = result.fractionOfLimit.roundedForReport
    result.machine = BenchReport.Machine(limits, context.choice.manyRows)
    return result
  }

  private typealias Measurement = (MachineLimits) throws -> BenchReport.Result

  private func measurements(of phase: String, _ context: KernelContext) -> [Measurement] {
    switch phase {
    case "machine": []
    case "prefill":
      command.prefill.values.map { length in { try prefill(length, context, $0) } }
    case "decode", "speech-decode":
      command.depth.values.flatMap { depth in
        command.batch.values.map { batch in { try decode(phase, batch: batch, depth: depth, context, $0) } }
      }
    case "long-text": command.batch.values.map { segments in { try speak(segments, context, $0) } }
    case "see": [{ try see(context, $0) }]
    case "unet", "vae":
      command.size.values.map { pixels in { try draw(phase, pixels: pixels, context, $0) } }
    default: [{ try code(phase, context, $0) }]
    }
  }

  // MARK: - Backbone

  /// As many tokens as the context holds; what is measured instead is told.
  private func fitting(_ count: Int, _ limit: Int, _ option: String) -> Int {
    if count > limit && !command.common.quiet {
      Output.note("mio-lite: \(option) \(count): the context of this model has room for \(limit), which is measured instead")
    }
    return min(count, limit)
  }

  private func prefill(_ length: Int, _ context: KernelContext, _ limits: MachineLimits) throws -> BenchReport.Result {
    let model = try requiredLanguage()
    let session = LanguageSession(model, cache: command.cache.format, context: context)
    var logits = Activations(rows: 1, columns: session.vocabularySize)
    let length = fitting(length, session.contextLength, "--prefill")
    let rates = try repeated {
      let sequence = session.makeSequence()
      defer { session.release(sequence) }
      try session.evaluate([DecoderInput(sequence: sequence, tokens: tokens(length))], into: &logits)
      return Double(length)
    }
    return result(
      "prefill", context, batch: 1, depth: length, rates,
      limit: arithmeticLimit(limits) / (2 * Double(parametersPerToken())), named: arithmeticName)
  }

  private func decode(
    _ phase: String, batch: Int, depth: Int, _ context: KernelContext, _ limits: MachineLimits
  ) throws -> BenchReport.Result {
    let model = try requiredLanguage()
    let depth = fitting(depth, model.config.contextLength - Self.decodeSteps * (command.repetitions + 1) - 1, "--depth")
    let session = LanguageSession(
      model, cache: command.cache.format, capacity: batch * (model.config.contextLength + 64), context: context)
    let allowed = phase == "speech-decode" ? try speechIds() : nil
    var logits = Activations(rows: 1, columns: session.vocabularySize)
    let first = session.makeSequence()
    try session.evaluate(
      [DecoderInput(sequence: first, tokens: tokens(max(depth, 1)), wantsLogits: false)], into: &logits)
    let sequences = [first] + (1..<batch).map { _ in session.fork(first) }
    logits = Activations(rows: batch, columns: session.vocabularySize)
    var step = 0
    let rates = try repeated {
      for _ in 0..<Self.decodeSteps {
        step += 1
        let inputs = sequences.map { DecoderInput(sequence: $0, tokens: [Int32(5 + step)], allowed: allowed) }
        try session.evaluate(inputs, into: &logits)
        try checkCancellation()
      }
      return Double(Self.decodeSteps * batch)
    }
    // Every step reads all weights once and the cache of every sequence.
    let bytes =
      Double(weightBytesPerToken(headShare: allowed.map(headShare) ?? 1)) + Double(batch * depth * session.bytesPerToken)
    return result(
      phase, context, batch: batch, depth: depth, rates, limit: limits.readGigabytesPerSecond * 1e9 / bytes * Double(batch),
      named: "reading")
  }

  func speechIds() throws -> [Range<Int>] {
    let tokenizer = try TextTokenizer(parsing: file.blob("text", "tokenizer"))
    guard let speech = tokenizer.media.speech else {
      throw Failure(.wrongInput, "\(file.path): the model has no speech tokens; leave speech-decode out of --phases")
    }
    let ids = speech.codes.prefix(tokenizer.media.speechCodesPerCodebook).map(Int.init).sorted()
    return ids.reduce(into: [Range<Int>]()) { ranges, id in
      if let last = ranges.last, last.upperBound == id {
        ranges[ranges.count - 1] = last.lowerBound..<(id + 1)
      } else {
        ranges.append(id..<(id + 1))
      }
    }
  }

  /// Which part of the head those rows are.
  func headShare(of allowed: [Range<Int>]) -> Double {
    Double(allowed.reduce(0) { $0 + $1.count }) / Double(max(language?.config.vocabularySize ?? 1, 1))
  }

  func tokens(_ count: Int) -> [Int32] { (0..<count).map { Int32(3 + $0 % 61) } }

  func requiredLanguage() throws -> LanguageModel {
    guard let language else { throw Failure(.wrongInput, "\(file.path): the file has no language model") }
    return language
  }

  private var languageTensors: [TensorRecord] { file.tensors.filter { $0.component == "language" } }

  private func isTable(_ tensor: TensorRecord) -> Bool {
    tensor.name == "model.embed_tokens.weight" && language?.config.tiedEmbeddings == false
  }

  private func isHead(_ tensor: TensorRecord) -> Bool {
    language?.config.tiedEmbeddings == true
      ? tensor.name == "model.embed_tokens.weight" : tensor.name == "lm_head.weight"
  }

  /// Bytes of weights that one step reads: everything but the embedding table, and a share of the head.
  func weightBytesPerToken(headShare: Double = 1) -> Int {
    languageTensors.filter { !isTable($0) }
      .reduce(0) { $0 + (isHead($1) ? Int(Double($1.byteCount) * headShare) : $1.byteCount) }
  }

  private func parametersPerToken() -> Int {
    languageTensors.filter { !isTable($0) }.reduce(0) { $0 + $1.shape.reduce(1, *) }
  }

  private var isQuantized: Bool { languageTensors.contains { $0.encoding == .panelQ4 || $0.encoding == .panelQ8 } }
  private var arithmeticName: String { isQuantized ? "int8 products" : "f32 products" }
  private func arithmeticLimit(_ limits: MachineLimits) -> Double {
    (isQuantized ? limits.int8Gigaops : limits.f32Gigaflops) * 1e9
  }

  // MARK: - Codec

  private func code(_ phase: String, _ context: KernelContext, _ limits: MachineLimits) throws -> BenchReport.Result {
    guard let codec else { throw Failure(.wrongInput, "\(file.path): the file has no speech codec") }
    let rate = codec.config.sampleRateHz
    let frames = Self.codecSeconds * rate / codec.config.hopLength
    let codes = (0..<min(4, codec.config.codebookCount)).map { codebook in
      (0..<frames).map { Int32(($0 * 7 + codebook * 31) % codec.config.codebookSize) }
    }
    let wave = (0..<Self.codecSeconds * rate).map { Float(sin(Double($0) * 0.05)) * 0.3 }
    let rates = try repeated {
      if phase == "codec-decode" {
        _ = try codec.decode(codes, on: context)
      } else {
        _ = try codec.encode(wave, codebooks: 1, on: context)
      }
      return Double(Self.codecSeconds)
    }
    let cost = phase == "codec-decode" ? codec.config.decoderMultiplyAdds : codec.config.encoderMultiplyAdds
    let operations = 2 * Double(cost * rate / codec.config.hopLength)
    return result(
      phase, context, batch: 1, depth: 0, rates, limit: limits.f32Gigaflops * 1e9 / operations, named: "f32 products")
  }

  // MARK: - Timing

  func checkCancellation() throws {
    if cancellation.isCancelled { throw CancellationError() }
  }

  /// Runs `body` once to warm up and then as often as asked; returns what it did per second each time.
  func repeated(_ body: () throws -> Double) throws -> [Double] {
    _ = try body()
    return try (0..<max(1, command.repetitions)).map { index in
      try checkCancellation()
      let start = ContinuousClock.now
      let amount = try body()
      return amount / (ContinuousClock.now - start).seconds
    }
  }

  func result(
    _ phase: String, _ context: KernelContext, batch: Int, depth: Int, _ rates: [Double], limit: Double, named: String
  ) -> BenchReport.Result {
    let spread = BenchReport.Spread(rates)
    bar.update(1, detail: "\(phase), \(context.pool.threadCount) threads")
    return BenchReport.Result(
      phase: phase, threads: context.pool.threadCount, batch: batch, depth: depth, rate: spread,
      fractionOfLimit: spread.median / limit, limit: named)
  }

  /// The largest resident size since the last probe of the machine, whose buffers are not the model's.
  private static func peakRSSBytes() -> Int {
    guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8) else { return 0 }
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
    return (line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) } ?? 0) * 1024
  }

  private static func forgetPeakRSS() {
    try? "5".write(toFile: "/proc/self/clear_refs", atomically: false, encoding: .utf8)
  }
}
