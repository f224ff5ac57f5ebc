import MioMedia
import MioModel

/// Something that MIO can be asked to do. `instructWords` and `baseWords` say in which words.
public typealias MioTask = MioModel.MioTask

extension MioTask {
  /// The user's turn for MIO-7B-Instruct, with places such as `{image}`.
  public var instructWords: String { row.instruct.pattern }
  /// The prompt for MIO-7B-Base.
  public var baseWords: String { row.base.pattern }

  /// Kinds of media.
  public enum Modality: String, CaseIterable, Hashable, Sendable {
    case text, image, speech
  }

  /// What may come out.
  public var output: [Modality] {
    let rules = row.rules
    return (rules.text ? [.text] : []) + (rules.images ? [.image] : []) + (rules.speech != nil ? [.speech] : [])
  }
}

/// How ``Model/perform(_:_:options:)`` works.
public struct TaskOptions: Sendable {
  public var sampling: Sampling
  /// How images are generated; `nil` leaves them as codes. All images of a reply are made from one noise.
  public var image: ImageOptions?
  /// Most images of the reply; `nil` leaves it to the model.
  public var maxImages: Int?
  /// Most frames that are looked at of each video.
  public var maxFrames: Int
  /// Which frames are looked at.
  public var frameSelection: Video.FrameSelection
  /// Whether speech may stand in a reply that mixes words and images.
  public var allowsSpeech: Bool

  public init(
    sampling: Sampling = Sampling(), image: ImageOptions? = ImageOptions(), maxImages: Int? = nil, maxFrames: Int = 20,
    frameSelection: Video.FrameSelection = .scenes, allowsSpeech: Bool = false
  ) {
    self.sampling = sampling
    self.image = image
    self.maxImages = maxImages
    self.maxFrames = maxFrames
    self.frameSelection = frameSelection
    self.allowsSpeech = allowsSpeech
  }
}

extension Model {
  /// Does a task with what it is given, and yields the parts of the result as they are finished.
  ///
  /// Base and instruction-tuned models alike: each is asked in the words it was trained with.
  ///
  /// ```swift
  /// for try await part in model.perform(.imageQuestion, [.image(photo), .text("What colour is the car?")]) { ... }
  /// ```
  ///
  /// - Returns: a stream that throws ``MioError``, with code `.invalidInput` if something that the task needs was not given.
  public func perform(_ task: MioTask, _ parts: [InputPart], options: TaskOptions = TaskOptions()) -> PartStream {
    PartStream { outlet in try TaskRun(self, task, options, outlet).run(parts) }
  }

  /// What an image shows, or the answer to a question about it.
  ///
  /// - Throws: `CancellationError` if the task is cancelled; ``MioError`` with code `.unsupported` if the file cannot see.
  public func describe(
    _ image: Image, question: String? = nil, options: TaskOptions = TaskOptions()
  ) async throws -> String {
    try await describe([.image(image)], question, options)
  }

  /// What a video shows, or the answer to a question about it; every frame is looked at.
  public func describe(
    _ video: Video, question: String? = nil, options: TaskOptions = TaskOptions()
  ) async throws -> String {
    try await describe([.video(video)], question, options)
  }

  /// A story in words and images, beginning with given ones.
  public func story(
    about text: String, images: [Image] = [], options: TaskOptions = TaskOptions()
  ) -> PartStream {
    perform(.storytelling, images.map(InputPart.image) + [.text(text)], options: options)
  }

  private func describe(
    _ parts: [InputPart], _ question: String?, _ options: TaskOptions
  ) async throws -> String {
    var text = ""
    let task: MioTask = question == nil ? .imageCaption : .imageQuestion
    for try await part in perform(task, parts + (question.map { [.text($0)] } ?? []), options: options) {
      if case .text(let more) = part { text += more }
    }
    return text.trimmedWhitespace
  }
}

/// One task on its way from parts to parts.
private struct TaskRun {
  private let model: Model
  private let task: MioTask
  private let options: TaskOptions
  private let sampling: SamplingOptions
  private let outlet: Outlet<OutputPart>

  init(_ model: Model, _ task: MioTask, _ options: TaskOptions, _ outlet: Outlet<OutputPart>) throws(MioError) {
    self.model = model
    self.task = task
    self.options = options
    self.outlet = outlet
    sampling = try options.sampling.options(over: model.defaults(for: task.row.settings))
    guard options.maxImages ?? 1 >= 1 else { throw MioError(.invalidInput, "images: must be 1 or more") }
    guard options.maxFrames >= 1 else { throw MioError(.invalidInput, "frames: must be 1 or more") }
    try model.requireTaught(task)
    guard task.row.rules.images, options.image != nil else { return }
    if task.isAboutImages { try model.require(.images) }
    // Wrong settings are told before hours of work.
    if model.canGenerateImages, let image = options.image { _ = try ImageDecoding(model, image) }
  }

  func run(_ parts: [InputPart]) throws {
    let engine = try model.engine
    let reader = try PartReader(
      model, outlet, maxFrames: options.maxFrames, selection: options.frameSelection.layer)
    let content = try reader.prompt(parts)
    try check(content)
    let prompt = try model.prompt(
      task(for: content),
      [
        .text: content.text, .question: content.text, .image: content.images, .speech: content.speech, .parts: content.parts,
      ])
    let request = GenerationRequest(
      prompt: prompt, options: sampling, grammar: ModalityGrammar(engine.classes, rules: rules))
    var renderer = PartRenderer(model, engine, options.image?.seeded(from: sampling.seed), outlet)
    try renderer.render(request)
  }

  /// A video is asked about in other words than an image.
  private func task(for content: PartReader.Content) -> MioTask {
    switch task {
    case .imageCaption where content.hasVideo: .videoCaption
    case .imageQuestion where content.hasVideo: .videoQuestion
    default: task
    }
  }

  /// What the task allows and the file can render.
  private var rules: ModalityGrammar.Rules {
    var rules = task.row.rules
    if rules.text {
      if options.allowsSpeech { rules.speech = .allCodebooks }
      if model.codec == nil { rules.speech = nil }
      if options.image != nil, !model.canGenerateImages { rules.images = false }
    }
    if rules.images, rules.startsWithBlock || rules.speech == nil, let most = options.maxImages {
      rules.maxBlocks = min(rules.maxBlocks ?? most, most)
    }
    return rules
  }

  private func check(_ content: PartReader.Content) throws(MioError) {
    let slots = model.template(task).slots
    func require(_ slot: PromptTemplate.Slot, _ isThere: Bool, _ what: String) throws(MioError) {
      guard !slots.contains(slot) || isThere else {
        throw MioError(.invalidInput, "\(task.rawValue) needs \(what); give it along")
      }
    }
    try require(.text, content.hasText, "words")
    try require(.question, content.hasText, "a question")
    try require(.speech, content.hasSpeech, "sound")
    // A story may begin with images, but need not.
    if task != .storytelling { try require(.image, content.hasImages, "an image or a video") }
    try require(.parts, content.hasText || content.hasImages || content.hasSpeech, "something to go on from")
  }
}

extension String {
  /// The text without white space at both ends.
  var trimmedWhitespace: String {
    guard let first = firstIndex(where: { !$0.isWhitespace }), let last = lastIndex(where: { !$0.isWhitespace }) else {
      return ""
    }
    return String(self[first...last])
  }
}
