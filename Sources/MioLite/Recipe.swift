import MioModel

/// Something that MIO can be asked to do, and the words in which it is asked.
///
/// ```swift
/// for try await part in model.perform(.imageQuestion, [.imageFile("photo.jpg"), .text("What colour is the car?")]) { ... }
/// ```
public struct Recipe: Hashable, Sendable, CustomStringConvertible {
  let task: PromptTask

  /// All recipes, in the order of MIO's list of features.
  public static let all = PromptTask.allCases.map(Recipe.init)

  private init(_ task: PromptTask) { self.task = task }

  /// The recipe of that name; nil if there is none.
  public init?(name: String) {
    guard let task = PromptTask(rawValue: name) else { return nil }
    self.task = task
  }

  /// A question in words is answered in words.
  public static let text = Recipe(.answer)
  /// An image is described.
  public static let imageCaption = Recipe(.describe)
  /// A question about images is answered.
  public static let imageQuestion = Recipe(.answerImage)
  /// A description becomes an image.
  public static let imageGeneration = Recipe(.imagine)
  /// An image is changed as an instruction says.
  public static let imageEditing = Recipe(.edit)
  /// Speech is written down.
  public static let speechRecognition = Recipe(.transcribe)
  /// Words are spoken.
  public static let textToSpeech = Recipe(.speak)
  /// What is said is dealt with as words ask for.
  public static let speechQuestion = Recipe(.answerSpeech)
  /// A question in words is answered aloud.
  public static let speechAnswer = Recipe(.answerAloud)
  /// Speech is answered aloud.
  public static let speechToSpeech = Recipe(.converse)
  /// A video is described.
  public static let videoCaption = Recipe(.describeVideo)
  /// A question about a video is answered.
  public static let videoQuestion = Recipe(.answerVideo)
  /// A description becomes the key frames of a video.
  public static let videoGeneration = Recipe(.film)
  /// Anything is continued with anything.
  public static let interleaved = Recipe(.interleave)
  /// A question is thought about in words and images.
  public static let visualThought = Recipe(.thinkInImages)
  /// Examples come first, then the image whose answer is wanted.
  public static let inContext = Recipe(.learn)
  /// A question about media is answered step by step.
  public static let reasoning = Recipe(.reason)
  /// A question about a chart is answered.
  public static let chartQuestion = Recipe(.readChart)
  /// A story is told in words and images.
  public static let storytelling = Recipe(.tell)

  /// `image-question`, for instance.
  public var name: String { task.rawValue }
  public var description: String { name }

  /// The user's turn for MIO-7B-Instruct, with places such as `{image}`.
  public var instructWords: String { PromptRecipe.instruct(task).pattern }
  /// The prompt for MIO-7B-Base.
  public var baseWords: String { PromptRecipe.base(task).pattern }

  /// What comes out: any of text, image and speech.
  public var output: String {
    let rules = self.rules
    return [rules.text ? "text" : nil, rules.images ? "image" : nil, rules.speech != nil ? "speech" : nil]
      .compactMap { $0 }.joined(separator: ", ")
  }

  /// The decoding settings that fit.
  var settings: GenerationTask {
    switch task {
    case .imagine, .edit: .imageGeneration
    case .speak: .textToSpeech
    case .answerAloud: .speechGeneration
    case .converse: .speechToSpeech
    case .film: .videoGeneration
    case .tell, .interleave, .thinkInImages: .interleaved
    default: .text
    }
  }

  /// What may come out.
  var rules: ModalityGrammar.Rules {
    switch task {
    case .imagine, .edit: .imageOnly
    case .speak, .answerAloud, .converse: .speechOnly
    case .film: .video
    case .tell, .thinkInImages: .story
    case .interleave: .anything
    default: .textOnly
    }
  }
}

/// How ``Model/perform(_:_:options:cancellation:)`` works.
public struct TaskOptions: Sendable {
  public var sampling: Sampling
  /// How images are drawn; `nil` leaves them as codes. All images of a reply are drawn from one noise.
  public var drawing: ImageOptions?
  /// Most images of the reply; `nil` leaves it to the model.
  public var maxImages: Int?
  /// Most frames that are looked at of each video.
  public var maxFrames: Int
  /// Whether frames of a video are evenly spaced; otherwise one comes from each scene.
  public var spacesFramesEvenly: Bool
  /// Whether speech may stand in a reply that mixes words and images.
  public var allowsSpeech: Bool

  public init(
    sampling: Sampling = Sampling(), drawing: ImageOptions? = ImageOptions(), maxImages: Int? = nil,
    maxFrames: Int = 20, spacesFramesEvenly: Bool = false, allowsSpeech: Bool = false
  ) {
    self.sampling = sampling
    self.drawing = drawing
    self.maxImages = maxImages
    self.maxFrames = maxFrames
    self.spacesFramesEvenly = spacesFramesEvenly
    self.allowsSpeech = allowsSpeech
  }
}

extension Model {
  /// Does what the recipe says with what it is given, and yields the parts of the result as they are finished.
  ///
  /// Base and instruction-tuned models alike: each is asked in the words it was trained with.
  ///
  /// - Throws: ``MioError`` while iterating; `.invalidInput` if something that the recipe needs was not given.
  public func perform(
    _ recipe: Recipe, _ parts: [InputPart], options: TaskOptions = TaskOptions(),
    cancellation: Cancellation = Cancellation()
  ) -> AsyncThrowingStream<OutputPart, any Error> {
    stream(cancellation) { yield in
      try RecipeRun(self, recipe, options, cancellation).run(parts, yield: yield)
    }
  }

  /// What an image shows, or the answer to a question about it, as one text.
  public func description(
    of parts: [InputPart], question: String? = nil, options: TaskOptions = TaskOptions()
  ) async throws -> String {
    var text = ""
    let recipe: Recipe = question == nil ? .imageCaption : .imageQuestion
    for try await part in perform(recipe, parts + (question.map { [.text($0)] } ?? []), options: options) {
      if case .text(let more) = part { text += more }
    }
    return text.trimmedWhitespace
  }
}

/// One task on its way from parts to parts.
private struct RecipeRun {
  private let model: Model
  private let recipe: Recipe
  private let options: TaskOptions
  private let sampling: SamplingOptions
  private let cancellation: Cancellation

  init(_ model: Model, _ recipe: Recipe, _ options: TaskOptions, _ cancellation: Cancellation) throws(MioError) {
    self.model = model
    self.recipe = recipe
    self.options = options
    self.cancellation = cancellation
    sampling = try options.sampling.options(over: model.defaults(for: recipe.settings))
    guard options.maxImages ?? 1 >= 1 else { throw MioError(.invalidInput, "images: must be 1 or more") }
    guard options.maxFrames >= 1 else { throw MioError(.invalidInput, "frames: must be 1 or more") }
    guard recipe.rules.images, options.drawing != nil else { return }
    if !recipe.rules.text {
      _ = try model.requiredDiffusion()
      _ = try model.requiredImageTokenizer()
    }
    // Wrong settings are told before hours of work.
    if model.canDraw, let drawing = options.drawing { _ = try ImageGenerating(model, drawing) }
  }

  func run(_ parts: [InputPart], yield: @escaping (OutputPart) -> Void) throws {
    let engine = try model.engine
    let reader = try PartReader(
      model, cancellation, maxFrames: options.maxFrames,
      selection: options.spacesFramesEvenly ? .uniform : .automatic, report: { yield(.progress($0)) })
    let content = try reader.prompt(parts)
    try check(content)
    let prompt = try model.prompt(
      recipe(for: content), [
        .text: content.text, .question: content.text, .image: content.images, .speech: content.speech, .parts: content.parts,
      ])
    let request = GenerationRequest(
      prompt: prompt, options: sampling, grammar: ModalityGrammar(engine.classes, rules: rules))
    var renderer = PartRenderer(model, engine, drawing: options.drawing?.seeded(from: sampling.seed), cancellation)
    _ = try renderer.render(request, yield: yield)
    if cancellation.isCancelled { throw MioError(.cancelled, "cancelled") }
  }

  /// A video is asked about in other words than an image.
  private func recipe(for content: PartReader.Content) -> PromptTask {
    switch recipe.task {
    case .describe where content.hasVideo: .describeVideo
    case .answerImage where content.hasVideo: .answerVideo
    default: recipe.task
    }
  }

  /// What the recipe allows and the file can render.
  private var rules: ModalityGrammar.Rules {
    var rules = recipe.rules
    if rules.text {
      if options.allowsSpeech { rules.speech = .allCodebooks }
      if model.codec == nil { rules.speech = nil }
      if options.drawing != nil, !model.canDraw { rules.images = false }
    }
    if rules.images, rules.startsWithBlock || rules.speech == nil, let most = options.maxImages {
      rules.maxBlocks = min(rules.maxBlocks ?? most, most)
    }
    return rules
  }

  private func check(_ content: PartReader.Content) throws(MioError) {
    let slots = model.recipe(recipe.task).slots
    func require(_ slot: PromptRecipe.Slot, _ isThere: Bool, _ what: String) throws(MioError) {
      guard !slots.contains(slot) || isThere else {
        throw MioError(.invalidInput, "\(recipe.name) needs \(what); give it along")
      }
    }
    try require(.text, content.hasText, "words")
    try require(.question, content.hasText, "a question")
    try require(.speech, content.hasSpeech, "sound")
    // A story may begin with images, but need not.
    if recipe.task != .tell { try require(.image, content.hasImages, "an image or a video") }
    try require(.parts, content.hasText || content.hasImages || content.hasSpeech, "something to go on from")
  }
}

extension String {
  /// The text without white space at both ends.
  fileprivate var trimmedWhitespace: String {
    guard let first = firstIndex(where: { !$0.isWhitespace }), let last = lastIndex(where: { !$0.isWhitespace }) else {
      return ""
    }
    return String(self[first...last])
  }
}
