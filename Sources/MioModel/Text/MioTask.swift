/// Something that MIO was trained to do when asked in certain words; the raw value is its name for people.
public enum MioTask: String, CaseIterable, Hashable, Sendable {
  /// A question in words is answered in words.
  case text = "text"
  /// An image is described.
  case imageCaption = "image-caption"
  /// A question about images is answered.
  case imageQuestion = "image-question"
  /// A description becomes an image.
  case imageGeneration = "image-generation"
  /// An image is changed as an instruction says.
  case imageEditing = "image-editing"
  /// Speech is written down.
  case speechRecognition = "speech-recognition"
  /// Words are spoken.
  case textToSpeech = "text-to-speech"
  /// What is said is answered, or dealt with as words ask for.
  case speechQuestion = "speech-question"
  /// A question in words is answered aloud.
  case speechAnswer = "speech-answer"
  /// Speech is answered aloud.
  case speechToSpeech = "speech-to-speech"
  /// A video is described.
  case videoCaption = "video-caption"
  /// A question about a video is answered.
  case videoQuestion = "video-question"
  /// A description becomes the key frames of a video.
  case videoGeneration = "video-generation"
  /// Anything in any order is continued with anything in any order.
  case interleaved = "interleaved"
  /// A question is thought about in words and images.
  case visualThought = "visual-thought"
  /// Examples come first, then the image whose answer is wanted.
  case inContext = "in-context"
  /// A question about media is answered step by step.
  case reasoning = "reasoning"
  /// A question about a chart is answered.
  case chartQuestion = "chart-question"
  /// A story is told in words and images.
  case storytelling = "storytelling"
}

extension MioTask {
  /// What is known of a task: a row of the table.
  package struct Row: Sendable {
    /// The user's turn for the instruction-tuned model, and which words open the conversation.
    package let instruct: PromptTemplate
    /// The whole prompt for the base model, which knows no turns.
    package let base: PromptTemplate
    /// What may come out.
    package let rules: ModalityGrammar.Rules
    /// Whose decoding settings fit.
    package let settings: GenerationTask

    fileprivate init(
      _ instruct: String, _ system: ChatTemplate.System = .standard, base: String, _ rules: ModalityGrammar.Rules = .textOnly,
      _ settings: GenerationTask = .text
    ) {
      self.instruct = PromptTemplate(instruct, system)
      self.base = PromptTemplate(base, nil)
      self.rules = rules
      self.settings = settings
    }
  }

  /// All tasks in the words in which they are put to the model.
  ///
  /// They are those of MIO's `infer.py` where it has them, else those of the paper (arXiv:2409.17692, appendices B and
  /// D); where both are silent about the instruction-tuned model, it is asked in the base model's words, and where they
  /// are silent about the task, in words of ours.
  package var row: Row {
    switch self {
    case .text: Row("{question}", base: "Question: {question} Answer:")
    case .imageCaption:
      Row(
        "Please provide an accurate and detailed description of this image.\n{image}",
        base: "{image} The caption of this image is")
    case .imageQuestion: Row("{question}\n{image}", base: "{image} Question: {question} Answer:")
    case .imageGeneration:
      Row(
        "Please generate an image according to the caption.\n{text}", base: "Please generate an image of ``{text}''",
        .imageOnly, .imageGeneration)
    case .imageEditing:
      Row(
        "Please edit the image according to the instruction.\n{image}\n{text}",
        base: "{image} Please generate an image of ``{text}'': <image>", .imageOnly, .imageGeneration)
    case .speechRecognition:
      Row("Please transcribe this speech.\n{speech}", base: "{speech} The transcription of this speech is")
    case .textToSpeech:
      Row(
        "The transcription is ``{text}''. Please generate a speech according to the given transcription. Start with <spch>.",
        .voice, base: "Please generate a speech of ``{text}'': <spch>", .speechOnly, .textToSpeech)
    case .speechQuestion: Row("{speech}\n{text}", base: "{speech} Question: {text} Answer:")
    case .speechAnswer:
      Row("{text}", .voice, base: "Question: {text} Answer: <spch>", .speechOnly, .speechGeneration)
    case .speechToSpeech: Row("{speech}", .voice, base: "{speech} <spch>", .speechOnly, .speechToSpeech)
    case .videoCaption:
      Row("Please describe the following video: {image}", base: "Please describe the following video: {image}")
    case .videoQuestion: Row("{question}\n{image}", base: "{image} Question: {question} Answer:")
    case .videoGeneration:
      Row(
        "Please generate a video for ``{text}''", base: "Please generate a video for ``{text}'': <image>", .video,
        .videoGeneration)
    case .interleaved: Row("{parts}", base: "{parts}", .anything, .interleaved)
    case .visualThought:
      Row(
        "{parts}\nPlease think step by step, and generate an image for each step.",
        base: "Question: {parts} Answer: Let's think step by step, with an image for each step.", .story, .interleaved)
    case .inContext: Row("{parts}", base: "{parts}")
    case .reasoning:
      Row(
        "{parts}\nPlease think step by step before you answer.",
        base: "Question: {parts} Answer: Let's think step by step.")
    case .chartQuestion:
      Row(
        "Please answer the question according to the chart.\n{image}\n{question}",
        base: "{image} Question: {question} Answer:")
    case .storytelling:
      Row(
        "{image}Generate a visual story about {text}",
        base: "{image}Please generate a video frame by frame, and provide a description for each frame. "
          + "The video is titled \"{text}\"", .story, .interleaved)
    }
  }
}
