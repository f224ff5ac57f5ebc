import Foundation
import MioLite
import MioTestSupport
import Synchronization
import Testing

/// A call that takes its time.
struct LongCall: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let run: @Sendable (Model) async throws -> Void

  private init(_ name: String, _ run: @escaping @Sendable (Model) async throws -> Void) {
    testDescription = name
    self.run = run
  }

  private static let photo = Goldens.image("images/rgba.png")
  private static let sound = Goldens.speech("expected/audio/reference_output.wav")
  private static let drawing = ImageOptions(sampling: Sampling(maxTokens: 120, seed: 1), steps: 900)
  private static let long = Sampling(maxTokens: 3000, greedy: true)

  /// An hour of words: minutes of work.
  private static let book = String(repeating: "She sells sea shells by the sea shore. ", count: 2000)
  private static let hour = Audio(
    samples: (0..<16_000 * 1200).map { sin(Float($0) * 0.05) * 0.3 }, sampleRateHz: 16_000)

  static let all = [
    LongCall("speak") { _ = try await $0.speak(book, options: .init(sampling: Sampling(maxTokens: 400, seed: 1))) },
    LongCall("speech") { for try await _ in $0.speech(for: book) {} },
    LongCall("voice") { _ = try await $0.voice(of: hour, saying: "x") },
    LongCall("transcribe") { _ = try await $0.transcribe(hour) },
    LongCall("transcription") { for try await _ in $0.transcription(of: hour) {} },
    LongCall("generate") { for try await _ in $0.generate(from: [1], options: .init(sampling: long, usesGrammar: false)) {} },
    LongCall("image") { _ = try await $0.image(for: "a tree", options: drawing) },
    LongCall("edit") { _ = try await $0.edit(Image(contentsOf: photo), instruction: "x", options: drawing) },
    LongCall("video") { _ = try await $0.video(for: "a boat", options: drawing) },
    LongCall("image from codes") {
      _ = try await $0.image(from: Array(repeating: 1, count: 32), options: drawing)
    },
    LongCall("describe a video") {
      _ = try await $0.describe(Video(frames: Array(repeating: Image(contentsOf: photo), count: 3000)))
    },
    LongCall("story") {
      for try await _ in $0.story(
        about: "a sailor", options: .init(sampling: Sampling(maxTokens: 3000, seed: 1), image: drawing))
      {}
    },
    LongCall("perform") {
      for try await _ in $0.perform(.videoGeneration, [.text("a boat")], options: .init(image: drawing)) {}
    },
    LongCall("codes of sound") { _ = try await $0.codes(of: hour, codebooks: 4) },
    LongCall("respond") {
      _ = try await $0.session(options: .init(sampling: long, speaks: true)).respond(to: "x")
      _ = try await $0.image(for: "a tree", options: drawing)  // in case the answer was short
    },
  ]

  /// Calls that are too quick to be met halfway.
  static let short = [
    LongCall("codes of an image") { _ = try await $0.codes(of: Image(contentsOf: photo)) },
    LongCall("codes of a file") { _ = try await $0.codes(of: MediaSource(contentsOf: sound)) },
    LongCall("audio") { _ = try await $0.audio(from: [[1, 2, 3]]) },
    LongCall("transcribe a file") { _ = try await $0.transcribe(contentsOf: sound) },
    LongCall("describe an image") { _ = try await $0.describe(Image(contentsOf: photo)) },
    LongCall("video") { _ in _ = try await Video(contentsOf: Goldens.image("images")) },
    LongCall("stream a response") { for try await _ in try $0.session().streamResponse(to: "x") {} },
  ]
}

@Suite struct CancellationTests {
  @Test(arguments: LongCall.all) func `a call that is cancelled throws CancellationError`(call: LongCall) async throws {
    let model = try Model(path: PackedModel.whole)
    let task = Task { try await call.run(model) }
    try await Task.sleep(for: .milliseconds(60))
    task.cancel()
    let result = await task.result
    #expect(throws: CancellationError.self) { try result.get() }
    // And the next call is served.
    let audio = try await model.speak("One.", options: .init(sampling: Sampling(maxTokens: 42, seed: 1)))
    #expect(!audio.samples.isEmpty)
  }

  @Test(arguments: LongCall.all + LongCall.short)
  func `a call of a cancelled task throws CancellationError`(call: LongCall) async throws {
    let model = try Model(path: PackedModel.whole)
    let task = Task {
      unsafe withUnsafeCurrentTask { unsafe $0?.cancel() }
      try await call.run(model)
    }
    let result = await task.result
    #expect(throws: CancellationError.self) { try result.get() }
  }

  @Test func `a reply that is cancelled stays in the conversation as far as it came`() async throws {
    let model = try Model(path: PackedModel.whole)
    let session = try model.session(options: .init(sampling: Sampling(maxTokens: 400, seed: 1), speaks: true))
    let task = Task { try await session.respond(to: "Speak to me.") }
    try await Task.sleep(for: .milliseconds(30))
    task.cancel()
    _ = await task.result
    // The next turn waits for the one before to end, and goes on behind it.
    session.reset()
    #expect(try await session.respond(to: "Hello").audio.count == 1)
    #expect(session.turnCount == 1)
  }

  @Test func `a stream can be stopped from elsewhere`() async throws {
    let model = try Model(path: PackedModel.whole)
    let stream = model.generate(
      from: [1], options: .init(sampling: Sampling(maxTokens: 4000, greedy: true), usesGrammar: false))
    var count = 0
    await #expect(throws: CancellationError.self) {
      for try await _ in stream {
        count += 1
        if count == 3 { stream.cancel() }
      }
    }
    #expect(count >= 3)
  }

  @Test func `leaving a loop stops the work`() async throws {
    let made = Atomic(0)
    let hasEnded = Atomic(false)
    let stream = ModelStream<Int>(limit: 4) { outlet in
      defer { hasEnded.store(true, ordering: .sequentiallyConsistent) }
      for number in 0..<1_000_000 {
        try outlet.yield(number)
        made.add(1, ordering: .sequentiallyConsistent)
      }
    }
    for try await number in stream where number == 10 { break }
    while !hasEnded.load(ordering: .sequentiallyConsistent) { try await Task.sleep(for: .milliseconds(1)) }
    #expect(made.load(ordering: .sequentiallyConsistent) < 100)
  }

  @Test func `a slow reader makes the work wait, and misses nothing`() async throws {
    let made = Atomic(0)
    let stream = ModelStream<Int>(limit: 4) { outlet in
      for number in 0..<20 {
        try outlet.yield(number)
        made.add(1, ordering: .sequentiallyConsistent)
      }
    }
    var read: [Int] = []
    for try await number in stream {
      read.append(number)
      try await Task.sleep(for: .milliseconds(2))
      // Four wait to be read, and one more may just have been handed over.
      #expect(made.load(ordering: .sequentiallyConsistent) <= read.count + 5)
    }
    #expect(read == Array(0..<20))
  }

  @Test func `a reader that stands still keeps nobody else waiting`() async throws {
    let model = try Model(path: PackedModel.whole)
    let options = GenerationOptions(
      sampling: Sampling(maxTokens: 1500, greedy: true), stopIds: [], usesGrammar: false)
    let alone = try await Model(path: PackedModel.whole).generate(from: [1, 2, 3], options: options).reduce(into: [Int32]()) {
      $0.append($1)
    }
    #expect(alone.count == 1500)
    var slow = model.generate(from: [1, 2, 3], options: options).makeAsyncIterator()
    var ids = [try await slow.next()!]
    // More tokens than all buffers hold are left unread while another call goes all the way.
    #expect(try await model.generate(from: [1, 2, 3], options: options).reduce(into: [Int32]()) { $0.append($1) } == alone)
    while let id = try await slow.next() { ids.append(id) }
    #expect(ids == alone)
  }

  @Test func `an error is thrown once, then the iteration is over`() async throws {
    let stream = ModelStream<Int> { outlet in
      try outlet.yield(1)
      throw MioError(.failed, "no")
    }
    var iterator = stream.makeAsyncIterator()
    #expect(try await iterator.next() == 1)
    await #expect(throws: MioError.self) { try await iterator.next() }
    #expect(try await iterator.next() == nil)
  }
}
