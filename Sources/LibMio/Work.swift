import CMioLite
import Foundation
import MioLite

/// What a `mio_model` points to.
final class OpenModel: Handle, Sendable {
  let model: Model
  private let about: CText

  init(_ model: Model) {
    self.model = model
    about = CText(model.about ?? "")
  }

  var aboutText: UnsafePointer<CChar> { unsafe about.pointer }

  /// - Returns: -1 for a property that is none.
  func property(_ property: mio_property) -> Int64 {
    switch Int(property) {
    case MIO_MODEL_HAS_TEXT: model.hasText ? 1 : 0
    case MIO_MODEL_HAS_SPEECH: model.hasSpeech ? 1 : 0
    case MIO_MODEL_CAN_SEE: model.canSee ? 1 : 0
    case MIO_MODEL_CAN_DRAW: model.canGenerateImages ? 1 : 0
    case MIO_MODEL_TAKES_TURNS: model.takesTurns ? 1 : 0
    case MIO_MODEL_SAMPLE_RATE: Int64(model.speechSampleRateHz ?? 0)
    case MIO_MODEL_CODEBOOKS: Int64(model.speechCodebookCount ?? 0)
    case MIO_MODEL_VOCABULARY: Int64(model.tokenizer?.vocabularySize ?? 0)
    default: -1
    }
  }
}

/// What a `mio_session` points to.
final class OpenSession: Handle, Sendable {
  let session: Session

  init(_ session: Session) { self.session = session }
}

/// One piece of work of a call, whose results go to a sink.
struct Work {
  let call: Call
  let options: Options
  private(set) var sink: Sink
  /// How many parts of each kind there were.
  private var counts: [String: Int] = [:]

  init(_ call: Call, _ sink: Sink) {
    self.call = call
    self.sink = sink
    options = call.options
  }

  // MARK: - Speech

  mutating func speak(_ text: String, _ model: Model, voice: Input?) throws {
    var speech = options.speech
    if let voice { speech.voice = try self.voice(voice, model) }
    try call.read(model.speech(for: text, options: speech)) { chunk in
      try sink.put(
        Piece(
          content: .audio(chunk.audio, text: chunk.text, codes: chunk.codes), index: chunk.index, count: chunk.count,
          isCutShort: chunk.isCutShort))
    }
  }

  /// The voice of a recording and the words that are said in it.
  private func voice(_ input: Input, _ model: Model) throws -> Voice {
    var words: [String] = []
    var voices: [InputPart] = []
    for part in input.parts {
      if case .text(let text) = part { words.append(text) } else { voices.append(part) }
    }
    let text = words.isEmpty ? nil : words.joined(separator: " ")
    guard voices.count == 1 else { throw MioError(.invalidInput, "a voice is one recording, with the words said in it") }
    switch voices[0] {
    case .speechCodes(let codes):
      guard let text else { throw MioError(.invalidInput, "a voice of codes needs the words said in it; add them") }
      return try Voice(codes: codes, text: text)
    case .audio(let audio): return try call.wait { try await model.voice(of: audio, saying: text) }
    case .audioFile(let source):
      let audio = try Audio(source)
      return try call.wait { try await model.voice(of: audio, saying: text) }
    default: throw MioError(.invalidInput, "a voice is a recording or its codes")
    }
  }

  mutating func transcribe(_ input: Input, _ model: Model) throws {
    let stream =
      switch try input.sound(for: "transcribing") {
      case .memory(let audio): model.transcription(of: audio, options: options.transcription)
      case .file(let source): model.transcription(of: source, options: options.transcription)
      }
    try call.read(stream) { segment in
      try sink.put(
        Piece(content: .text(segment.text), index: number("segment") - 1, start: segment.start, end: segment.end))
      if let shortfall = segment.shortfall { try sink.put(Piece(content: .problem(shortfall))) }
    }
  }

  // MARK: - Tasks

  mutating func perform(_ name: String, _ input: Input, _ model: Model) throws {
    guard let task = MioTask(rawValue: name) else {
      throw MioError(
        .invalidInput, "no task '\(name)'; there are " + MioTask.allCases.map(\.rawValue).joined(separator: ", "))
    }
    try put(model.perform(task, input.parts, options: try options.task))
  }

  /// Images are what is asked for: none is a failure.
  mutating func draw(_ task: MioTask, _ parts: [InputPart], _ model: Model) throws {
    let image = try options.image
    try put(
      model.perform(task, parts, options: TaskOptions(sampling: options.sampling, image: image, maxImages: 1)))
    if counts["image"] == nil { throw MioError(.failed, "the model did not finish an image; allow more tokens") }
  }

  mutating func edit(_ input: Input, _ instruction: String, _ model: Model) throws {
    switch input.parts.count == 1 ? input.parts[0] : .text("") {
    case .image, .imageFile, .visualFile, .imageCodes: break
    default: throw MioError(.invalidInput, "editing takes one image; add it to an input of its own")
    }
    try draw(.imageEditing, input.parts + [.text(instruction)], model)
  }

  mutating func respond(_ input: Input, _ session: Session) throws {
    guard !input.parts.isEmpty else { throw MioError(.invalidInput, "the turn is empty; add words or media") }
    try put(session.streamResponse(to: input.parts))
  }

  private mutating func put(_ stream: PartStream) throws {
    try call.read(stream) { if let piece = piece($0) { try sink.put(piece) } }
  }

  /// A part as C knows it; nil for those that it does not.
  private mutating func piece(_ part: OutputPart) -> Piece? {
    switch part {
    case .preview, .finished: nil
    case .text(let text): Piece(content: .text(text))
    case .speech(let audio, let codes): Piece(content: .audio(audio, text: nil, codes: codes), index: number("speech") - 1)
    case .image(let image, let codes): Piece(content: .image(image, codes: codes), index: number("image") - 1)
    case .problem(let text): Piece(content: .problem(text))
    case .progress(let progress):
      Piece(
        content: .progress(progress.fraction, "\(progress.kind.rawValue): \(progress.detail)"), index: progress.number - 1)
    }
  }

  private mutating func number(_ kind: String) -> Int {
    counts[kind, default: 0] += 1
    return counts[kind]!
  }

  // MARK: - Codes and tokens

  mutating func encode(_ input: Input, _ model: Model) throws {
    guard input.parts.count == 1 else { throw MioError(.invalidInput, "encoding takes one recording or image") }
    let codebooks = options.int(MIO_OPTION_CODEBOOKS) ?? 1
    let codes: MediaCodes
    switch input.parts[0] {
    case .audio(let audio): codes = .speech(try call.wait { try await model.codes(of: audio, codebooks: codebooks) })
    case .image(let image): codes = .image(try call.wait { try await model.codes(of: image) })
    case .audioFile(let source), .imageFile(let source), .visualFile(let source):
      codes = try call.wait { try await model.codes(of: source, codebooks: codebooks) }
    default: throw MioError(.invalidInput, "encoding takes a recording or an image")
    }
    try sink.put(Piece(content: .codes(codes)))
  }

  mutating func decode(_ input: Input, _ model: Model) throws {
    switch input.parts.count == 1 ? input.parts[0] : .text("") {
    case .speechCodes(let codes):
      let audio = try call.wait { try await model.audio(from: codes) }
      try sink.put(Piece(content: .audio(audio, text: nil, codes: codes)))
    case .imageCodes(let codes): try draw(codes, model, try options.image)
    default: throw MioError(.invalidInput, "decoding takes codes of one recording or image; add them with mio_input_add_codes")
    }
  }

  private mutating func draw(_ codes: [Int32], _ model: Model, _ options: ImageOptions) throws {
    enum Step: Sendable {
      case progress(Int, Int)
      case done(Image)
    }
    let steps = AsyncThrowingStream<Step, any Error> { steps in
      let drawing = Task.detached {
        do {
          steps.yield(
            .done(try await model.image(from: codes, options: options) { steps.yield(.progress($0 + 1, $1)) }))
          steps.finish()
        } catch {
          steps.finish(throwing: error)
        }
      }
      steps.onTermination = { _ in drawing.cancel() }
    }
    var isDone = false
    try call.read(steps) { step in
      switch step {
      case .progress(let step, let count):
        try sink.put(Piece(content: .progress(Double(step) / Double(count + 1), "step \(step) of \(count)"), count: count))
      case .done(let image):
        isDone = true
        try sink.put(Piece(content: .image(image, codes: codes)))
      }
    }
    // A stream whose task is cancelled ends as if it were complete.
    if !isDone { throw CancellationError() }
  }

  mutating func tokenize(_ text: String, _ model: Model) throws {
    let ids = try tokenizer(model).encode(
      text, special: options.flag(MIO_OPTION_SPECIAL_TOKENS, default: false),
      addsEnds: options.flag(MIO_OPTION_ENDS, default: true))
    try sink.put(Piece(content: .tokens(ids)))
  }

  mutating func detokenize(_ ids: [Int32], _ model: Model) throws {
    try sink.put(Piece(content: .text(try tokenizer(model).decode(ids))))
  }

  private func tokenizer(_ model: Model) throws(MioError) -> Tokenizer {
    guard let tokenizer = model.tokenizer else {
      throw MioError(.unsupported, "\(model.name): the file has no text tokenizer; convert a checkpoint that has one")
    }
    return tokenizer
  }

  mutating func generate(_ ids: [Int32], _ model: Model) throws {
    let generation = GenerationOptions(
      sampling: options.sampling, usesGrammar: options.flag(MIO_OPTION_GRAMMAR, default: true))
    try call.read(model.generate(from: ids, options: generation)) { try sink.put(Piece(content: .tokens([$0]))) }
  }

  mutating func snapshot(_ session: Session) throws {
    let data = try JSONEncoder().encode(session.snapshot)
    try sink.put(Piece(content: .text(String(decoding: data, as: UTF8.self))))
  }
}

extension Call {
  /// Opens a model.
  func open(_ open: (Model.Options) throws(MioError) -> Model) throws(MioError) -> OpenModel {
    OpenModel(try open(try options.model))
  }

  /// Begins a conversation, or goes on with one.
  func session(_ model: Model) throws(MioError) -> OpenSession {
    let session = try model.session(
      instructions: options.text(MIO_OPTION_INSTRUCTIONS), options: try options.session)
    if let snapshot = try options.snapshot { try session.restore(snapshot) }
    return OpenSession(session)
  }

  /// Writes what an event holds, in the form that the suffix of the file names.
  func save(_ event: mio_event, to url: URL) throws(MioError) {
    switch unsafe Int(event.kind) {
    case MIO_EVENT_AUDIO:
      guard unsafe event.sample_rate > 0, let samples = unsafe array(event.samples, event.sample_count) else {
        throw missing("the sound of the event")
      }
      try unsafe Audio(samples: samples, sampleRateHz: Int(event.sample_rate)).write(to: url)
    case MIO_EVENT_IMAGE:
      guard let image = unsafe images(event.rgb, event.width, event.height)?.first else {
        throw missing("the image of the event")
      }
      try image.write(to: url)
    default: throw MioError(.invalidInput, "the event holds neither sound nor an image")
    }
  }
}
