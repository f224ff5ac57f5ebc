import MioFormat
import MioKernels
import MioModel

/// An open model file, ready to speak, listen and write.
///
/// Opening maps the file and checks its directory; weights are read where they lie, when they are needed. A model may be
/// used from any number of tasks at once; each call has threads and a cache of its own.
///
/// ```swift
/// let model = try Model(path: "mio.mio")
/// for try await chunk in model.speak("Good morning.") { play(chunk.samples) }
/// let text = try await model.transcript(of: clip)
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

    /// Threads of each call; `nil` takes the physical cores that this process may use.
    public var threads: Int?
    /// Most tokens of prompt and reply together; `nil` takes what the model was made for.
    public var contextLength: Int?
    public var cache: CacheFormat
    public var promptStyle: PromptStyle

    public init(
      threads: Int? = nil, contextLength: Int? = nil, cache: CacheFormat = .int8, promptStyle: PromptStyle = .automatic
    ) {
      self.threads = threads
      self.contextLength = contextLength
      self.cache = cache
      self.promptStyle = promptStyle
    }
  }

  /// Where the file lies.
  public let path: String
  public let options: Options
  package let file: ModelFile
  package let language: LanguageModel?
  package let tokenizer: TextTokenizer?
  package let codec: SpeechCodec?
  package let imageTokenizer: ImageTokenizer?
  package let diffusion: DiffusionModel?

  /// Opens a model file.
  ///
  /// - Throws: ``MioError`` with code `.invalidModel` if it is no model file, damaged, or of another version.
  public init(path: String, options: Options = Options()) throws(MioError) {
    if let threads = options.threads, !(1...1024).contains(threads) {
      throw MioError(.invalidInput, "threads: must be 1 to 1024, found \(threads)")
    }
    if let length = options.contextLength, length < 1 {
      throw MioError(.invalidInput, "context: must be at least one token, found \(length)")
    }
    self.path = path
    self.options = options
    do {
      file = try ModelFile.open(path: path)
      try file.refuseUnknownComponents(except: Self.knownComponents)
      language = file.component(LanguageModel.componentName) == nil ? nil : try LanguageModel(from: file)
      tokenizer = file.hasBlob("text", "tokenizer") ? try TextTokenizer(parsing: file.blob("text", "tokenizer")) : nil
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
  public var hasSpeech: Bool { language != nil && tokenizer?.media.speech != nil && codec != nil }
  /// Whether the file holds what writing needs.
  public var hasText: Bool { language != nil && tokenizer != nil }
  /// Samples per second of the speech that this model hears and says.
  public var speechSampleRateHz: Int? { codec?.config.sampleRateHz }

  var threads: Int { options.threads ?? Processors.usableCoreCount }

  // MARK: - What a task needs

  package func requiredLanguage() throws(MioError) -> LanguageModel {
    guard let language else { throw missing("a language model", for: "generating") }
    return language
  }

  package func requiredTokenizer() throws(MioError) -> TextTokenizer {
    guard let tokenizer else { throw missing("a text tokenizer", for: "text") }
    return tokenizer
  }

  package func requiredCodec() throws(MioError) -> SpeechCodec {
    guard let codec else { throw missing("a speech codec", for: "speech") }
    return codec
  }

  package func requiredImageTokenizer() throws(MioError) -> ImageTokenizer {
    guard let imageTokenizer else { throw missing("an image tokenizer", for: "seeing") }
    return imageTokenizer
  }

  package func requiredDiffusion() throws(MioError) -> DiffusionModel {
    guard let diffusion else { throw missing("a diffusion model", for: "drawing") }
    return diffusion
  }

  private func missing(_ part: String, for task: String) -> MioError {
    MioError(.unsupported, "\(path): the file has no \(part.drop { $0 != " " }.dropFirst()), which \(task) needs; convert a checkpoint that has one")
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
