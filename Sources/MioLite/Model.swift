import Foundation
import MioFormat
import MioKernels
import MioModel
import Synchronization

/// An open model file, ready to speak, listen and write.
///
/// Opening maps the file and checks its directory; weights are read where they lie, when they are needed. A model may be
/// used from any number of tasks at once: all calls share its threads and its cache, and their tokens are evaluated together,
/// so that several calls at once take little longer than one. What a call gives does not depend on the others.
///
/// ```swift
/// let model = try Model(contentsOf: URL(fileURLWithPath: "mio.mio"))
/// for try await chunk in model.speech(for: "Good morning.") { play(chunk.audio) }
/// let words = try await model.transcribe(recording).text
/// ```
public final class Model: Sendable {
  /// How a model uses the machine.
  public struct Options: Sendable {
    /// How keys and values of the attention are kept.
    public enum CacheFormat: String, CaseIterable, Sendable {
      /// Signed bytes with a scale: half the memory of `f16`.
      case int8
      case f16
      case f32
    }

    /// How tasks are put to the model.
    public enum PromptStyle: String, CaseIterable, Sendable {
      /// As turns of a conversation if the model knows them, else as text to continue.
      case automatic
      /// As turns of a conversation: MIO-7B-Instruct.
      case instruct
      /// As text to continue: MIO-7B-Base.
      case base
    }

    /// Threads of all calls together; `nil` takes the physical cores that this process may use.
    public var threads: Int?
    /// Most tokens of prompt and reply together; `nil` takes what the model was made for.
    public var contextLength: Int?
    public var cache: CacheFormat
    /// Most bytes of keys and values that all calls hold at the same time; `nil` takes a quarter of the memory that this process
    /// may use, and room for one whole context in any case.
    ///
    /// A call starts when the most that it may need is free, first come, first served; one that would never fit is refused.
    /// Memory is taken when tokens arrive, not before.
    public var cacheByteLimit: Int?
    public var promptStyle: PromptStyle
    /// Whether kernels are chosen by what was measured on this machine (``Machine/measure(threads:)``), and the first large
    /// model measures it. No result depends on it.
    public var measuresMachine: Bool

    public init(
      threads: Int? = nil, contextLength: Int? = nil, cache: CacheFormat = .int8, cacheByteLimit: Int? = nil,
      promptStyle: PromptStyle = .automatic, measuresMachine: Bool = true
    ) {
      self.threads = threads
      self.contextLength = contextLength
      self.cache = cache
      self.cacheByteLimit = cacheByteLimit
      self.promptStyle = promptStyle
      self.measuresMachine = measuresMachine
    }
  }

  /// What messages call the model: its path as it was given.
  public let name: String
  public let options: Options
  package let file: ModelFile
  package let language: LanguageModel?
  package let textTokenizer: TextTokenizer?
  package let codec: SpeechCodec?
  package let imageTokenizer: ImageTokenizer?
  package let diffusion: DiffusionModel?
  /// Made when they are first needed: looking into a file takes no threads.
  private let shared = Mutex<(lanes: Lanes?, engine: Engine?)>((nil, nil))

  /// Opens a model file. Takes milliseconds, whatever its size.
  ///
  /// - Throws: ``MioError`` with code `.invalidModel` if it is no model file, damaged, or of another version, with
  ///   `.invalidInput` for options out of range.
  public convenience init(contentsOf url: URL, options: Options = Options()) throws(MioError) {
    guard url.isFileURL else { throw MioError(.invalidInput, "\(url): a model is a file; save it first") }
    try self.init({ () throws(ModelFileError) in try ModelFile.open(path: url.relativePath) }, options)
  }

  /// Opens a model file in memory.
  ///
  /// - Parameters:
  ///   - bytes: of the whole file.
  ///   - name: what messages call it.
  ///   - options: how it uses the machine.
  /// - Throws: as ``init(contentsOf:options:)``.
  public convenience init(bytes: [UInt8], name: String = "model", options: Options = Options()) throws(MioError) {
    try self.init({ () throws(ModelFileError) in try ModelFile.open(bytes: bytes, name: name) }, options)
  }

  private init(_ open: () throws(ModelFileError) -> ModelFile, _ options: Options) throws(MioError) {
    try options.check()
    self.options = options
    do {
      file = try open()
      name = file.path
      try file.refuseUnknownComponents(except: Self.knownComponents)
      language = file.component(LanguageModel.componentName) == nil ? nil : try LanguageModel(from: file)
      textTokenizer = file.hasBlob("text", "tokenizer") ? try TextTokenizer(parsing: file.blob("text", "tokenizer")) : nil
      codec = file.component(SpeechCodec.component) == nil ? nil : try SpeechCodec(from: file)
      imageTokenizer = file.component(ImageTokenizer.component) == nil ? nil : try ImageTokenizer(from: file)
      diffusion = file.component(DiffusionModel.component) == nil ? nil : try DiffusionModel(from: file)
    } catch {
      throw MioError(error)
    }
    if let language, let length = options.contextLength, length > language.config.contextLength {
      throw MioError(
        .invalidInput, "context: the model was made for \(language.config.contextLength) tokens, found \(length)")
    }
  }

  /// The components that this version can read.
  private static let knownComponents: Set = [
    LanguageModel.componentName, "text", SpeechCodec.component, ImageTokenizer.component, DiffusionModel.component,
    "generation", "about",
  ]

  /// Whether the file holds what speaking and listening need.
  public var hasSpeech: Bool { language != nil && textTokenizer?.media.speech != nil && codec != nil }
  /// Whether the file holds what writing needs.
  public var hasText: Bool { language != nil && textTokenizer != nil }
  /// Whether the file holds what looking at images needs.
  public var canSee: Bool { hasText && textTokenizer?.media.image != nil && imageTokenizer != nil }
  /// What the file says about itself, if it does.
  public var about: String? { try? settings.stringIfPresent("description") }
  /// Which file it is, whatever its name: the SHA-256 digest of its header, on which the digests of all regions hang.
  public var identity: String { "\(file.identity)" }
  /// Most tokens of prompt and reply together; `nil` without a language model.
  public var contextLength: Int? { language.map { options.contextLength ?? $0.config.contextLength } }
  /// What the model can be asked to do: it has the parts, and was taught it.
  public var tasks: [MioTask] { MioTask.allCases.filter { (try? require(task: $0)) != nil } }
  /// Samples per second of the speech that this model hears and says.
  public var speechSampleRateHz: Int? { codec?.config.sampleRateHz }

  var threads: Int { options.threads ?? Processors.usableCoreCount }

  /// The threads of this model.
  var lanes: Lanes {
    shared.withLock { shared in
      let lanes = shared.lanes ?? Lanes(threads: threads, choice: kernelChoice)
      shared.lanes = lanes
      return lanes
    }
  }

  /// What generates tokens for all calls.
  ///
  /// - Throws: ``MioError`` if the file lacks a language model or its tokenizer.
  var engine: Engine {
    get throws(MioError) {
      _ = lanes
      if let engine = shared.withLock({ $0.engine }) { return engine }
      let engine = try Engine(self)
      return shared.withLock { shared in
        // Another call may have been faster; then this one's thread ends.
        let first = shared.engine ?? engine
        shared.engine = first
        return first
      }
    }
  }

  /// Refuses, in words about the model, what it has no part for.
  ///
  /// - Throws: ``MioError`` with code `.unsupported`.
  public func require(_ ability: Ability) throws(MioError) {
    switch ability {
    case .text:
      _ = try requiredLanguage()
      _ = try requiredTokenizer()
    case .speech: _ = try requiredCodec()
    case .seeing: _ = try requiredImageTokenizer()
    case .images:
      _ = try requiredDiffusion()
      _ = try requiredImageTokenizer()
    }
  }

  /// Refuses, in words about the model, a task that it has no part for or was not taught.
  ///
  /// - Throws: ``MioError`` with code `.unsupported`.
  public func require(task: MioTask) throws(MioError) {
    try requireTaught(task)
    try require(.text)
    let (rules, slots) = (task.row.rules, template(task).slots)
    if slots.contains(.speech) || rules.speech != nil && !rules.text { try require(.speech) }
    if slots.contains(.image) && task != .storytelling { try require(.seeing) }
    if task.isAboutImages { try require(.images) }
  }

  /// What a model may be able to do, beyond the others.
  public enum Ability: String, CaseIterable, Sendable {
    /// Reading and writing.
    case text
    /// Listening and speaking.
    case speech
    /// Looking at images.
    case seeing
    /// Generating images.
    case images
  }

  /// Bytes of keys and values of all calls together.
  var cacheByteLimit: Int {
    options.cacheByteLimit ?? max(SystemMemory.byteCount / 4, contextByteCount)
  }

  private var contextByteCount: Int {
    guard let language else { return 0 }
    return language.cacheShape(options.cache.format)
      .byteCount(tokens: 2 * (options.contextLength ?? language.config.contextLength))
  }

  // MARK: - What a task needs

  package func requiredLanguage() throws(MioError) -> LanguageModel {
    guard let language else { throw missing("language model", to: "read or write") }
    return language
  }

  package func requiredTokenizer() throws(MioError) -> TextTokenizer {
    guard let textTokenizer else { throw missing("text tokenizer", to: "read or write") }
    return textTokenizer
  }

  package func requiredCodec() throws(MioError) -> SpeechCodec {
    guard let codec else { throw missing("speech codec", to: "speak or listen") }
    return codec
  }

  package func requiredImageTokenizer() throws(MioError) -> ImageTokenizer {
    guard let imageTokenizer else { throw missing("image tokenizer", to: "see images") }
    return imageTokenizer
  }

  package func requiredDiffusion() throws(MioError) -> DiffusionModel {
    guard let diffusion else { throw missing("diffusion model", to: "draw") }
    return diffusion
  }

  private func missing(_ part: String, to act: String) -> MioError {
    MioError(
      .unsupported, "\(name): \(title) cannot \(act), as its file has no \(part); convert a checkpoint that has one")
  }
}

extension Model.Options {
  func check() throws(MioError) {
    if let threads, !(1...1024).contains(threads) {
      throw MioError(.invalidInput, "threads: must be 1 to 1024, found \(threads)")
    }
    if let contextLength, contextLength < 1 {
      throw MioError(.invalidInput, "context: must be at least one token, found \(contextLength)")
    }
    if let cacheByteLimit, cacheByteLimit < 1 {
      throw MioError(.invalidInput, "cache: must be at least one byte, found \(cacheByteLimit)")
    }
  }
}

extension Model.Options.CacheFormat {
  var format: KeyValueFormat {
    switch self {
    case .int8: .int8
    case .f16: .f16
    case .f32: .f32
    }
  }
}
