/// Something that MIO was trained to do when asked in certain words.
package enum PromptTask: String, CaseIterable, Hashable, Sendable {
  /// Text becomes speech.
  case speak
  /// Speech becomes text.
  case transcribe
  /// A picture becomes a caption.
  case describe
  /// Frames of a film become a description.
  case describeVideo
  /// A question about the frames of a film is answered.
  case answerVideo
  /// A question is answered.
  case answer
  /// A description becomes a picture.
  case imagine
  /// A description becomes key frames.
  case film
}

/// The words in which a task is put to the model, with places for what the user brings.
///
/// They are those of MIO's `infer.py` where it has them, else those of the paper (arXiv:2409.17692, appendices B and
/// D); where both are silent about the instruction-tuned model, it is asked in the base model's words.
package struct PromptRecipe: Hashable, Sendable {
  /// A place in the pattern, written `{text}`.
  package enum Slot: String, CaseIterable, Hashable, Sendable {
    case text, question, speech, image
  }

  /// The user's turn for the instruction-tuned model, the whole prompt for the base model.
  package let pattern: String
  /// The system prompt; nil for the base model, which knows no turns.
  package let system: ChatTemplate.System?

  private init(_ pattern: String, _ system: ChatTemplate.System?) {
    self.pattern = pattern
    self.system = system
  }

  /// The recipe for the instruction-tuned model.
  package static func instruct(_ task: PromptTask) -> PromptRecipe {
    switch task {
    case .speak:
      PromptRecipe(
        "The transcription is ``{text}''. Please generate a speech according to the given transcription. "
          + "Start with <spch>.", .voice)
    case .transcribe: PromptRecipe("Please transcribe this speech.\n{speech}", .standard)
    case .describe:
      PromptRecipe("Please provide an accurate and detailed description of this image.\n{image}", .standard)
    case .describeVideo: PromptRecipe("Please describe the following video: {image}", .standard)
    case .answerVideo:
      PromptRecipe(
        "The goal is to use the visual information available in the image to provide an accurate answer to the "
          + "question. This requires careful observation, attention to detail, and sometimes a bit of creative thinking."
          + "{image} Question: {question} Answer:", .standard)
    case .answer: PromptRecipe("{question}", .standard)
    case .imagine: PromptRecipe("Please generate an image according to the given description. {text}", .standard)
    case .film: PromptRecipe("Please generate a video for \u{201C}{text}\u{201D}: ", .standard)
    }
  }

  /// The recipe for the base model.
  package static func base(_ task: PromptTask) -> PromptRecipe {
    switch task {
    case .speak: PromptRecipe("Please generate a speech of ``{text}'': <spch>", nil)
    case .transcribe: PromptRecipe("{speech} The transcription of this speech is", nil)
    case .describe: PromptRecipe("{image} The caption of this image is", nil)
    case .describeVideo: PromptRecipe("Please describe the following video: {image}", nil)
    case .answerVideo: PromptRecipe("{image} Question: {question} Answer:", nil)
    case .answer: PromptRecipe("Question: {question} Answer:", nil)
    case .imagine: PromptRecipe("Please generate an image of ``{text}''", nil)
    case .film: PromptRecipe("Please generate a video for ``{text}'': <image>", nil)
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
