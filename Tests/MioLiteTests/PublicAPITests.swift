import Foundation
import MioLite
import MioLiteDemo
import MioTestSupport
import Testing

/// Every public function, as a program that imports MioLite alone calls it; its results and its errors.
@Suite struct PublicAPITests {
  private let model: Model
  private let folder: TemporaryFolder
  private let sound = Goldens.speech("expected/audio/reference_output.wav")
  private let photo = Goldens.image("images/rgba.png")
  /// So few tokens that a test is quick.
  private let few = Sampling(maxTokens: 42, greedy: true)

  init() throws {
    model = try Model(path: PackedModel.whole)
    folder = try TemporaryFolder()
  }

  private func url(_ name: String) -> URL { folder.url.appendingPathComponent(name) }

  private func code(_ body: () async throws -> Void) async -> MioError.Code? {
    do { try await body() } catch { return (error as? MioError)?.code }
    return nil
  }

  // MARK: - Model

  @Test func `opens a model by URL and by bytes`() async throws {
    let path = try PackedModel.whole
    let copy = try Model(bytes: Array(Data(contentsOf: URL(fileURLWithPath: path))), name: "copy")
    #expect(model.name == path && copy.name == "copy")
    #expect(copy.hasText && copy.hasSpeech && copy.canSee && copy.canGenerateImages && copy.takesTurns)
    #expect(copy.speechSampleRateHz == 16_000 && copy.speechCodebookCount == 8 && copy.about == nil)
    #expect(copy.hasSpeechTokens && copy.hasImageTokens)
    for ability in Model.Ability.allCases { try copy.require(ability) }
    let options = SpeechOptions(sampling: Sampling(maxTokens: 42, seed: 2))
    #expect(try await copy.speak("Hello.", options: options) == model.speak("Hello.", options: options))
  }

  @Test func `refuses what is no model`() async throws {
    try OutputFile.write(Array("no model at all".utf8), to: url("a.mio"))
    #expect(await code { _ = try Model(contentsOf: url("a.mio")) } == .invalidModel)
    #expect(await code { _ = try Model(contentsOf: url("none.mio")) } == .invalidModel)
    #expect(await code { _ = try Model(contentsOf: URL(string: "https://example.org/a.mio")!) } == .invalidInput)
    #expect(await code { _ = try Model(bytes: [1, 2, 3]) } == .invalidModel)
    #expect(await code { _ = try Model(bytes: []) } == .invalidModel)
    for options in [
      Model.Options(threads: 0), .init(contextLength: 0), .init(contextLength: 1 << 30), .init(cacheByteLimit: 0),
    ] { #expect(await code { _ = try Model(path: PackedModel.whole, options: options) } == .invalidInput) }
  }

  @Test func `says what a file lacks`() async throws {
    let speaking = try Model(path: PackedModel.standard)
    #expect(!speaking.canSee && !speaking.canGenerateImages && speaking.hasSpeech)
    #expect(await code { try speaking.require(.seeing) } == .unsupported)
    #expect(await code { _ = try await speaking.image(for: "a tree") } == .unsupported)
    #expect(await code { _ = try await speaking.codes(of: Image(contentsOf: photo)) } == .unsupported)
    #expect(await code { _ = try await speaking.image(from: Array(repeating: 1, count: 32)) } == .unsupported)
    #expect(await code { _ = try await speaking.describe(Image(contentsOf: photo)) } == .unsupported)
    let base = try Model(path: PackedModel.whole, options: .init(promptStyle: .base))
    #expect(await code { _ = try base.session() } == .unsupported)
  }

  @Test func `cuts text into tokens and back`() throws {
    let tokenizer = try #require(model.tokenizer)
    let text = "A lighthouse, at <|im_end|> dusk: 灯台"
    #expect(try tokenizer.decode(tokenizer.encode(text, addsEnds: false)).contains("灯台"))
    let end = try #require(tokenizer.id(of: "<|im_end|>"))
    #expect(try !tokenizer.encode(text).contains(end) && tokenizer.encode(text, special: true).contains(end))
    #expect(tokenizer.token(end) == "<|im_end|>" && tokenizer.token(-1) == nil && tokenizer.vocabularySize == 13_192)
    var decoder = tokenizer.textDecoder()
    let shown = try tokenizer.encode(text, addsEnds: false).map { decoder.append($0) }.joined() + decoder.finish()
    #expect(shown.hasSuffix(text))
    #expect(throws: MioError.self) { try tokenizer.decode([-5]) }
  }

  @Test func `completes a prompt`() async throws {
    let options = GenerationOptions(sampling: few, usesGrammar: false)
    let ids = try await model.generate(from: [1, 2, 3], options: options).reduce(into: [Int32]()) { $0.append($1) }
    #expect(ids.count == 42)
    var stopping = options
    stopping.stopIds = [ids[9]]
    let stopped = try await model.generate(from: [1, 2, 3], options: stopping).reduce(into: [Int32]()) { $0.append($1) }
    #expect(stopped == Array(ids.prefix(through: ids.firstIndex(of: ids[9])!)))
    for prompt: [Int32] in [[], [-1], [1 << 30], Array(repeating: 1, count: 5000)] {
      let code = await code { for try await _ in model.generate(from: prompt) {} }
      #expect(code == (prompt.count == 5000 ? .contextFull : .invalidInput))
    }
    #expect(
      await code { for try await _ in model.generate(from: [1], options: .init(sampling: Sampling(topP: 2))) {} }
        == .invalidInput)
  }

  // MARK: - Speech

  @Test func `speaks, and keeps a voice`() async throws {
    let options = SpeechOptions(sampling: Sampling(maxTokens: 42, seed: 3), segmentsAtOnce: 2)
    let text = "One. Two, and a half. Three!"
    var audio = Audio(samples: [], sampleRateHz: 16_000)
    for try await chunk in model.speech(for: text, options: options) {
      #expect(chunk.count >= 1 && chunk.codes.count == 4 && chunk.sampleRateHz == 16_000)
      audio.samples += chunk.samples
    }
    #expect(try await model.speak(text, options: options) == audio && audio.duration > 0)
    #expect(try await DemoModel.open().voice(of: Audio(contentsOf: Sounds.spoken)).text == "hello world")
    let silence = Audio(samples: Array(repeating: 0, count: 16_000), sampleRateHz: 16_000)
    #expect(await code { _ = try await model.voice(of: silence) } == .invalidInput)
    let voice = try await model.voice(of: Audio(contentsOf: sound), saying: "some words")
    #expect(voice.codes.count == 4 && voice.text == "some words")
    var voiced = options
    voiced.voice = voice
    let other = try await model.speak(text, options: voiced)
    #expect(try await model.speak(text, options: voiced) == other && other != audio)
    #expect(try model.unspeakableCharacters(in: text).isEmpty)
    #expect(await code { _ = try Voice(codes: [[1], []], text: "") } == .invalidInput)
    voiced.voice = try Voice(codes: [[1], [2]], text: "")
    #expect(await code { _ = try await model.speak(text, options: voiced) } == .invalidInput)
    voiced.voice = try Voice(codes: [[1], [2], [3], [1024]], text: "")
    #expect(await code { _ = try await model.speak(text, options: voiced) } == .invalidInput)
    #expect(await code { _ = try await model.speak("...") } == .invalidInput)
    #expect(await code { _ = try await model.speak(text, options: .init(segmentsAtOnce: 0)) } == .invalidInput)
    #expect(await code { _ = try await model.speak(text, options: .init(candidates: 65)) } == .invalidInput)
  }

  @Test func `writes speech down, wherever it lies`() async throws {
    let sound = Sounds.spoken
    let options = TranscriptionOptions(sampling: Sampling(maxTokens: 12, greedy: true))
    let audio = try Audio(contentsOf: sound)
    let transcript = try await model.transcribe(audio, options: options)
    #expect(!transcript.text.isEmpty && transcript.segments.count >= 1)
    #expect(transcript.segments[0].start == 0 && transcript.segments[0].end > 0)
    let bytes = try Array(Data(contentsOf: sound))
    let handle = try FileHandle(forReadingFrom: sound)
    for source in [
      MediaSource(contentsOf: sound), MediaSource(bytes: bytes, name: "a"), MediaSource(readingFrom: handle, name: "b"),
    ] {
      let segments = try await model.transcription(of: source, options: options).reduce(into: []) { $0.append($1.text) }
      #expect(segments == transcript.segments.map(\.text), "\(source.name)")
    }
    #expect(try await model.transcribe(contentsOf: sound, options: options).text == transcript.text)
    let streamed = try await model.transcription(of: audio, options: options).reduce(into: []) { $0.append($1.text) }
    #expect(streamed == transcript.segments.map(\.text))
    #expect(await code { _ = try await model.transcribe(Audio(samples: [], sampleRateHz: 16_000)) } == .invalidInput)
    #expect(await code { _ = try await model.transcribe(Audio(samples: [0], sampleRateHz: 3)) } == .invalidInput)
    #expect(await code { _ = try await model.transcribe(contentsOf: url("none.wav")) } == .invalidInput)
    #expect(await code { _ = try await model.transcribe(audio, options: .init(windowsAtOnce: 0)) } == .invalidInput)
  }

  @Test func `codes come out and go in`() async throws {
    let audio = try Audio(contentsOf: sound)
    let content = try await model.codes(of: audio)
    let all = try await model.codes(of: audio, codebooks: 4)
    #expect(content.count == 1 && all.count == 4 && content[0] == all[0])
    #expect(try await model.codes(of: MediaSource(contentsOf: sound), codebooks: 4) == .speech(all))
    let again = try await model.audio(from: all)
    #expect(again.samples.count == 320 * all[0].count && again.sampleRateHz == 16_000)
    // Encoding drops transparency, as the reference does; for seeing it lies on white.
    var picture = MediaSource(contentsOf: photo)
    picture.transparency = .dropped
    let image = try Image(picture)
    let codes = try await model.codes(of: image)
    #expect(codes.count == 32)
    #expect(try await model.codes(of: MediaSource(contentsOf: photo)) == .image(codes))
    let options = ImageOptions(sampling: Sampling(seed: 1), steps: 2)
    #expect(try await model.image(from: codes, options: options).width == 128)
    #expect(try model.tokens(ofSpeech: content).count == content[0].count + 2)
    #expect(try model.tokens(ofImage: codes).count == 34)
    // What was encoded before is what would be encoded now.
    let task = TaskOptions(sampling: few)
    func words(_ parts: [InputPart]) async throws -> String {
      try await model.perform(.interleaved, parts, options: task).reduce(into: "") { $0 += "\($1)" }
    }
    #expect(try await words([.imageCodes(codes), .speechCodes(content)]).contains("("))
    // Speech at a usual level is heard as it is encoded.
    let spoken = try Audio(contentsOf: Sounds.spoken)
    let heard = try await model.codes(of: spoken)
    let pairs: [(InputPart, InputPart)] = [(.image(image), .imageCodes(codes)), (.audio(spoken), .speechCodes(heard))]
    for (medium, coded) in pairs {
      var texts: [String] = []
      for part in [medium, coded] {
        let run = model.perform(
          .inContext, [part, .text("x")], options: TaskOptions(sampling: Sampling(maxTokens: 9, greedy: true)))
        texts.append(try await run.reduce(into: "") { if case .text(let text) = $1 { $0 += text } })
      }
      #expect(texts[0] == texts[1])
    }
    let speech = try JSONDecoder().decode(MediaCodes.self, from: JSONEncoder().encode(MediaCodes.speech(all)))
    #expect(speech == .speech(all))
    for bad: [[Int32]] in [[], [[]], [[1], [1, 2]], [[1024]], [[-1]]] {
      #expect(await code { _ = try await model.audio(from: bad) } == .invalidInput, "\(bad)")
    }
    #expect(await code { _ = try await model.image(from: [1]) } == .invalidInput)
    #expect(await code { _ = try await model.image(from: Array(repeating: 8192, count: 32)) } == .invalidInput)
    #expect(await code { _ = try await model.codes(of: audio, codebooks: 9) } == .invalidInput)
    #expect(await code { _ = try await model.codes(of: MediaSource(bytes: [], name: "nothing")) } == .invalidInput)
    #expect(await code { _ = try model.tokens(ofImage: [9999]) } == .invalidInput)
    #expect(await code { for try await _ in model.perform(.inContext, [.imageCodes([1])]) {} } == .invalidInput)
    #expect(await code { for try await _ in model.perform(.inContext, [.speechCodes([])]) {} } == .invalidInput)
  }

  // MARK: - Images

  @Test func `sees and makes images and videos`() async throws {
    let image = try Image(contentsOf: photo)
    let task = TaskOptions(sampling: Sampling(maxTokens: 6, greedy: true))
    #expect(try await !model.describe(image, options: task).isEmpty)
    #expect(try await !model.describe(image, question: "What is it?", options: task).isEmpty)
    #expect(try await !model.describe(Video(frames: [image, image]), question: "What happens?", options: task).isEmpty)
    let options = ImageOptions(sampling: Sampling(maxTokens: 120, seed: 4), steps: 2)
    let made = try await model.image(for: "a tree", options: options)
    #expect(made.width == 128)
    #expect(try await model.image(for: "a tree", options: options) == made)
    #expect(try await model.edit(image, instruction: "make it night", options: options).height == 128)
    let video = try await model.video(for: "a boat", maxFrames: 2, options: options)
    #expect((1...2).contains(video.frames.count))
    var parts = 0
    for try await part in model.story(
      about: "a sailor", images: [image], options: .init(sampling: Sampling(maxTokens: 60, seed: 1), image: options))
    {
      if case .progress = part { continue }
      parts += 1
    }
    #expect(parts > 0)
    #expect(await code { _ = try await model.image(for: "x", options: .init(steps: 0)) } == .invalidInput)
    #expect(await code { _ = try await model.image(for: "x", options: .init(size: 65)) } == .invalidInput)
    #expect(await code { for try await _ in model.perform(.imageQuestion, [.text("what?")]) {} } == .invalidInput)
    #expect(await code { for try await _ in model.perform(.text, []) {} } == .invalidInput)
    #expect(
      await code { for try await _ in model.perform(.text, [.text("x")], options: .init(maxImages: 0)) {} } == .invalidInput)
  }

  // MARK: - Sessions

  @Test func `talks, forgets, and goes on later`() async throws {
    let options = SessionOptions(sampling: few, image: nil)
    let session = try model.session(instructions: "Be brief.", options: options)
    let first = try await session.respond(to: "Hello")
    #expect(!first.parts.isEmpty && session.turnCount == 1)
    let kept = try JSONDecoder().decode(Session.Snapshot.self, from: JSONEncoder().encode(session.snapshot))
    let second = try await session.respond(to: [.text("And"), .image(Image(contentsOf: photo))])
    #expect(session.turnCount == 2)
    let other = try model.session(instructions: "Be brief.", options: options)
    try other.restore(kept)
    var streamed = ""
    for try await part in other.streamResponse(to: [.text("And"), .image(try Image(contentsOf: photo))]) {
      if case .text(let text) = part { streamed += text }
    }
    #expect(streamed.trimmingCharacters(in: .whitespacesAndNewlines) == second.text)
    session.reset()
    #expect(session.turnCount == 0 && session.snapshot != kept)
    #expect(try await session.respond(to: "Hello").text == first.text)
    #expect(first.audio.count + first.images.count <= first.parts.count)
    let voice = try model.session(options: SessionOptions(sampling: few, speaks: true))
    #expect(try await voice.respond(to: "Speak").audio.count == 1)
    // A turn that fails is not remembered.
    #expect(await code { _ = try await session.respond(to: [.image(contentsOf: url("none.png"))]) } == .invalidInput)
    #expect(session.turnCount == 1)
    let foreign = try JSONDecoder().decode(Session.Snapshot.self, from: Data(#"{"turns":[[99999999]]}"#.utf8))
    #expect(await code { try session.restore(foreign) } == .invalidInput)
  }

  @Test func `turns are taken in order, and a reset never waits`() async throws {
    let session = try model.session(options: SessionOptions(sampling: Sampling(maxTokens: 8, greedy: true), image: nil))
    var iterator = session.streamResponse(to: "Hello").makeAsyncIterator()
    _ = try await iterator.next()
    let waiting = Task { try await session.respond(to: "And then?") }
    session.reset()
    while try await iterator.next() != nil {}
    _ = try await waiting.value
    // The reply that was being made is not remembered.
    #expect(session.turnCount == 1)
  }
}
