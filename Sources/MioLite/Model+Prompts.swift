import MioFormat
import MioModel

extension Model {
  /// The settings that the file brings along.
  var settings: ConfigTable { file.component("generation")?.config ?? ConfigTable() }

  /// Whether the model takes turns (the instruction-tuned one) or continues text (the base model).
  public var takesTurns: Bool {
    switch options.promptStyle {
    case .automatic: textTokenizer?.turnStartID != nil && textTokenizer?.turnEndID != nil
    case .instruct: true
    case .base: false
    }
  }

  /// Ids that end a reply: the end of a turn where the model takes turns, else the end of the text.
  package var stopIds: [Int32] {
    [takesTurns ? textTokenizer?.turnEndID : textTokenizer?.endID].compactMap { $0 }
  }

  /// The words in which a task is put to this model.
  func template(_ task: MioTask) -> PromptTemplate { takesTurns ? task.row.instruct : task.row.base }

  /// The ids of a task's prompt; what fills the template is as trusted as it says.
  func prompt(_ task: MioTask, _ filling: [PromptTemplate.Slot: Prompt]) throws(MioError) -> [Int32] {
    let tokenizer = try requiredTokenizer()
    do {
      return try tokenizer.encode(template(task).prompt(filling, for: tokenizer))
    } catch {
      throw MioError(error)
    }
  }

  /// The ids of a text as the model's answer to a task: cut into tokens as it would be behind the prompt.
  func answer(_ text: String, to task: MioTask, _ filling: [PromptTemplate.Slot: Prompt]) throws(MioError) -> [Int32] {
    let tokenizer = try requiredTokenizer()
    do {
      let prompt = try template(task).prompt(filling, for: tokenizer)
      // What a base model continues ends without a space.
      let reply = Prompt.untrusted(takesTurns ? text : " " + text)
      let before = try tokenizer.encode(prompt, addsEnds: false)
      let whole = try tokenizer.encode(prompt + reply, addsEnds: false)
      return whole.starts(with: before)
        ? Array(whole.dropFirst(before.count)) : try tokenizer.encode(reply, addsEnds: false)
    } catch {
      throw MioError(error)
    }
  }

  /// The settings of a task: MIO's own, with those of the file on top.
  func defaults(for task: GenerationTask) throws(MioError) -> SamplingOptions {
    var options = SamplingOptions.defaults(for: task)
    let prefix = task.rawValue + "."
    do {
      if let sampling = try settings.boolIfPresent(prefix + "sampling") { options.strategy = sampling ? .sampling : .greedy }
      if let beams = try settings.intIfPresent(prefix + "beam_count"), beams > 1 {
        options.strategy = .beamSearch(width: beams)
      }
      if let value = try settings.floatIfPresent(prefix + "temperature") { options.temperature = value }
      if let value = try settings.floatIfPresent(prefix + "top_p") { options.topP = value }
      if let value = try settings.intIfPresent(prefix + "top_k") { options.topK = value }
      if let value = try settings.floatIfPresent(prefix + "repetition_penalty") { options.repetitionPenalty = value }
      if let value = try settings.floatIfPresent(prefix + "length_penalty") { options.lengthPenalty = value }
      if let value = try settings.intIfPresent(prefix + "max_new_tokens") { options.maxTokens = value }
    } catch {
      throw MioError(error)
    }
    return options
  }
}

extension Model {
  /// What people call the model.
  var title: String { about.map { "the " + $0.prefix { $0 != ":" } } ?? "the model" }

  /// The tasks that the file says the model was taught; `nil` for one that was taught all of MIO's.
  private var taughtTasks: [MioTask]? {
    get throws(MioError) {
      do {
        if let names = try settings.stringsIfPresent("taught") { return names.compactMap(MioTask.init) }
        // Files from before that setting: a model that knows some characters and no images speaks and listens.
        let isVoice = try settings.stringIfPresent("characters") != nil && imageTokenizer == nil
        return isVoice ? [.textToSpeech, .speechRecognition] : nil
      } catch {
        throw MioError(error)
      }
    }
  }

  /// Refuses a task that the model would answer with nonsense.
  ///
  /// - Throws: ``MioError`` with code `.unsupported`.
  func requireTaught(_ task: MioTask) throws(MioError) {
    guard let taught = try taughtTasks, !taught.contains(task) else { return }
    // Of a model that does much, what it does not do says more.
    let fault =
      taught.count <= 4
      ? "only \(taught.map(\.act.doing).formattedList); it was not taught to do more" : "was not taught to \(task.act)"
    throw MioError(
      .unsupported,
      "\(about == nil ? "\(name): " : "")\(title) \(fault). Name another model, "
        + "as 'mio-lite convert' makes it of a checkpoint of MIO")
  }
}

extension MioTask {
  /// Whether the task makes no sense without images in its answer.
  var isAboutImages: Bool {
    switch self {
    case .imageGeneration, .imageEditing, .videoGeneration, .visualThought, .storytelling: true
    default: false
    }
  }

  /// What a model can do that knows the task.
  fileprivate var act: String {
    switch self {
    case .text: "answer"
    case .imageCaption: "describe images"
    case .imageQuestion: "answer questions about images"
    case .imageGeneration: "draw"
    case .imageEditing: "edit images"
    case .speechRecognition: "write down speech"
    case .textToSpeech: "speak"
    case .speechQuestion: "answer speech"
    case .speechAnswer: "answer aloud"
    case .speechToSpeech: "answer speech aloud"
    case .videoCaption: "describe videos"
    case .videoQuestion: "answer questions about videos"
    case .videoGeneration: "draw films"
    case .storytelling: "tell stories"
    case .interleaved: "answer in words and images"
    case .visualThought: "think in images"
    case .inContext: "learn from examples"
    case .reasoning: "think step by step"
    case .chartQuestion: "read charts"
    }
  }
}

extension String {
  /// "speaks" for "speak".
  fileprivate var doing: String {
    let verb = prefix { $0 != " " }
    return verb + "s" + dropFirst(verb.count)
  }
}

extension [String] {
  /// "a", "a and b", "a, b and c".
  fileprivate var formattedList: String {
    guard let last, count > 1 else { return first ?? "does nothing" }
    return dropLast().joined(separator: ", ") + " and " + last
  }
}

extension Model {
  /// Words of the longest piece of text that the model can speak at once, if the file says so.
  var wordsPerSegment: Int? {
    get throws(MioError) {
      do { return try settings.intIfPresent("words_per_piece").map { max(1, $0) } } catch { throw MioError(error) }
    }
  }

  /// Readings of a piece of text, of which one is kept.
  var candidatesPerSegment: Int {
    get throws(MioError) {
      let candidates: Int?
      do { candidates = try settings.intIfPresent("takes") } catch { throw MioError(error) }
      guard let candidates else { return 1 }
      guard (1...BestOfN.maxCount).contains(candidates) else {
        throw MioError(
          .invalidModel,
          "generation.takes is \(candidates), but there are 1 to \(BestOfN.maxCount); correct generation_config.json and convert again"
        )
      }
      return candidates
    }
  }

  /// Seconds of the longest recording that is written down at once.
  var longestWindow: Double {
    get throws(MioError) {
      let seconds: Double?
      do { seconds = try settings.floatIfPresent("seconds_per_window") } catch { throw MioError(error) }
      guard let seconds else { return AudioWindows.longest }
      guard (2...60).contains(seconds) else {
        throw MioError(
          .invalidModel,
          "generation.seconds_per_window is \(seconds), but windows have 2 to 60 seconds; convert the checkpoint again")
      }
      return seconds
    }
  }

  /// Whether the file says that the model knows one voice only.
  public var isOneVoice: Bool {
    get throws(MioError) {
      do { return try settings.boolIfPresent("one_voice") ?? false } catch { throw MioError(error) }
    }
  }
}
