/// Something that MIO was trained to do when asked in certain words; the raw value is its name for people.
package enum PromptTask: String, CaseIterable, Hashable, Sendable {
  /// A question is answered.
  case answer = "text"
  /// An image becomes a caption.
  case describe = "image-caption"
  /// A question about images is answered.
  case answerImage = "image-question"
  /// A description becomes an image.
  case imagine = "image-generation"
  /// An image is changed as an instruction says.
  case edit = "image-editing"
  /// Speech becomes text.
  case transcribe = "speech-recognition"
  /// Text becomes speech.
  case speak = "text-to-speech"
  /// What is said is answered, or dealt with as words ask for.
  case answerSpeech = "speech-question"
  /// A question is answered aloud.
  case answerAloud = "speech-answer"
  /// Speech is answered aloud.
  case converse = "speech-to-speech"
  /// Frames of a video become a description.
  case describeVideo = "video-caption"
  /// A question about the frames of a video is answered.
  case answerVideo = "video-question"
  /// A description becomes key frames.
  case film = "video-generation"
  /// Anything in any order, continued with anything in any order.
  case interleave = "interleaved"
  /// A question is thought about in words and images.
  case thinkInImages = "visual-thought"
  /// Examples of images and answers, then the image whose answer is wanted.
  case learn = "in-context"
  /// A question about media is answered step by step.
  case reason = "reasoning"
  /// A question about a chart is answered.
  case readChart = "chart-question"
  /// A story is told in words and images.
  case tell = "storytelling"
}

/// The words in which a task is put to the model, with places for what the user brings.
///
/// They are those of MIO's `infer.py` where it has them, else those of the paper (arXiv:2409.17692, appendices B and
/// D); where both are silent about the instruction-tuned model, it is asked in the base model's words, and where they
/// are silent about the task, in words of ours.
package struct PromptRecipe: Hashable, Sendable {
  /// A place in the pattern, written `{text}`.
  package enum Slot: String, CaseIterable, Hashable, Sendable {
    case text, question, speech, image
    /// Everything in the order in which it was given.
    case parts
  }

  /// The user's turn for the instruction-tuned model, the whole prompt for the base model.
  package let pattern: String
  /// The system prompt; nil for the base model, which knows no turns.
  package let system: ChatTemplate.System?

  private init(_ pattern: String, _ system: ChatTemplate.System?) {
    self.pattern = pattern
    self.system = system
  }

  /// The places that the pattern has.
  package var slots: Set<Slot> { Set(Slot.allCases.filter { pattern.contains("{\($0.rawValue)}") }) }

  /// The recipe for the instruction-tuned model.
  package static func instruct(_ task: PromptTask) -> PromptRecipe {
    switch task {
    case .speak:
      PromptRecipe(
        "The transcription is ``{text}''. Please generate a speech according to the given transcription. "
          + "Start with <spch>.", .voice)
    case .transcribe: PromptRecipe("Please transcribe this speech.\n{speech}", .standard)
    case .answerSpeech: PromptRecipe("{speech}\n{text}", .standard)
    case .answerAloud: PromptRecipe("{text}", .voice)
    case .converse: PromptRecipe("{speech}", .voice)
    case .describe:
      PromptRecipe("Please provide an accurate and detailed description of this image.\n{image}", .standard)
    case .answerImage, .answerVideo: PromptRecipe("{question}\n{image}", .standard)
    case .describeVideo: PromptRecipe("Please describe the following video: {image}", .standard)
    case .answer: PromptRecipe("{question}", .standard)
    case .imagine: PromptRecipe("Please generate an image according to the caption.\n{text}", .standard)
    case .edit: PromptRecipe("Please edit the image according to the instruction.\n{image}\n{text}", .standard)
    case .film: PromptRecipe("Please generate a video for ``{text}''", .standard)
    case .tell: PromptRecipe("{image}Generate a visual story about {text}", .standard)
    case .interleave, .learn: PromptRecipe("{parts}", .standard)
    case .thinkInImages:
      PromptRecipe("{parts}\nPlease think step by step, and generate an image for each step.", .standard)
    case .reason: PromptRecipe("{parts}\nPlease think step by step before you answer.", .standard)
    case .readChart:
      PromptRecipe("Please answer the question according to the chart.\n{image}\n{question}", .standard)
    }
  }

  /// The recipe for the base model.
  package static func base(_ task: PromptTask) -> PromptRecipe {
    switch task {
    case .speak: PromptRecipe("Please generate a speech of ``{text}'': <spch>", nil)
    case .transcribe: PromptRecipe("{speech} The transcription of this speech is", nil)
    case .answerSpeech: PromptRecipe("{speech} Question: {text} Answer:", nil)
    case .answerAloud: PromptRecipe("Question: {text} Answer: <spch>", nil)
    case .converse: PromptRecipe("{speech} <spch>", nil)
    case .describe: PromptRecipe("{image} The caption of this image is", nil)
    case .describeVideo: PromptRecipe("Please describe the following video: {image}", nil)
    case .answerImage, .answerVideo, .readChart: PromptRecipe("{image} Question: {question} Answer:", nil)
    case .answer: PromptRecipe("Question: {question} Answer:", nil)
    case .imagine: PromptRecipe("Please generate an image of ``{text}''", nil)
    case .edit: PromptRecipe("{image} Please generate an image of ``{text}'': <image>", nil)
    case .film: PromptRecipe("Please generate a video for ``{text}'': <image>", nil)
    case .tell:
      PromptRecipe(
        "{image}Please generate a video frame by frame, and provide a description for each frame. "
          + "The video is titled \"{text}\"", nil)
    case .interleave, .learn: PromptRecipe("{parts}", nil)
    case .thinkInImages:
      PromptRecipe("Question: {parts} Answer: Let's think step by step, with an image for each step.", nil)
    case .reason: PromptRecipe("Question: {parts} Answer: Let's think step by step.", nil)
    }
  }

  /// The pattern with its slots filled: the words around them are trusted, what fills them is as trusted as it says.
  package func content(_ filling: [Slot: Prompt]) -> Prompt {
    var prompt = Prompt()
    var rest = pattern[...]
    while let open = rest.firstIndex(of: "{"), let close = rest[open...].firstIndex(of: "}") {
      prompt.append(.trusted(String(rest[..<open])))
      if let slot = Slot(rawValue: String(rest[rest.index(after: open)..<close])) {
        precondition(filling[slot] != nil, "the recipe \"\(pattern)\" needs something for {\(slot.rawValue)}")
        prompt.append(filling[slot] ?? Prompt())
      }
      rest = rest[rest.index(after: close)...]
    }
    prompt.append(.trusted(String(rest)))
    return prompt
  }

  /// The whole prompt, bos included.
  package func prompt(_ filling: [Slot: Prompt], for tokenizer: TextTokenizer) throws(TextError) -> Prompt {
    guard let system else { return tokenizer.beginning(content(filling)) }
    return try ChatTemplate(system).prompt([ChatTurn(.user, content(filling))], for: tokenizer)
  }
}
