import Foundation
import MioLite
import MioTestSupport
import Testing

/// Many calls of one model at the same time: each gets what it would get alone.
@Suite struct SharedEngineTests {
  private let sound = Goldens.speech("expected/audio/reference_output.wav").path
  private let photo = Goldens.image("images/rgba.png").path

  /// Calls of every kind, by what they give.
  private func results(of model: Model, call: Int) async throws -> [String] {
    switch call % 4 {
    case 0:
      var options = GenerationOptions(sampling: Sampling(temperature: 1, maxTokens: 60, seed: UInt64(call)))
      options.usesGrammar = call > 4
      return try await model.generate(from: [1, 5, 9, Int32(call)], options: options).reduce(into: []) { $0.append("\($1)") }
    case 1:
      let audio = try await model.speak(
        "One. Two, \(call). Three.", options: SpeechOptions(sampling: Sampling(maxTokens: 42, seed: UInt64(call))))
      return audio.samples.map { "\($0)" }
    case 2:
      return try await model.transcription(
        of: MediaSource(path: sound), options: TranscriptionOptions(sampling: Sampling(beams: 1 + call % 5, maxTokens: 12))
      ).reduce(into: []) { $0.append($1.text) }
    default:
      let options = TaskOptions(
        sampling: Sampling(maxTokens: 120, seed: UInt64(call)), image: ImageOptions(steps: 2), maxImages: 1)
      return try await model.perform(.storytelling, [.imageFile(MediaSource(path: photo)), .text("a tree")], options: options)
        .reduce(into: []) { if case .progress = $1 {} else { $0.append("\($1)") } }
    }
  }

  @Test(arguments: [nil, 600_000]) func `what a call gives does not depend on the others`(limit: Int?) async throws {
    let path = try PackedModel.whole
    var alone: [[String]] = []
    for call in 0..<12 { alone.append(try await results(of: Model(path: path), call: call)) }
    // Also where the cache has no room for all at once.
    let model = try Model(path: path, options: .init(cacheByteLimit: limit))
    let together = try await withThrowingTaskGroup(of: (Int, [String]).self) { group in
      for call in 0..<12 { group.addTask { (call, try await self.results(of: model, call: call)) } }
      return try await group.reduce(into: [Int: [String]]()) { $0[$1.0] = $1.1 }
    }
    for call in 0..<12 { #expect(together[call] == alone[call], "call \(call)") }
  }

  @Test func `a call that can never have the memory it may need is refused, and says what to do`() async throws {
    let model = try Model(path: PackedModel.whole, options: .init(cacheByteLimit: 150_000))
    let error = await #expect(throws: MioError.self) {
      for try await _ in model.generate(from: [1], options: GenerationOptions(sampling: Sampling(beams: 64))) {}
    }
    #expect(error?.code == .cacheFull && error?.message.contains("larger cache") == true)
    // Others are served.
    var count = 0
    for try await _ in model.generate(
      from: [1], options: GenerationOptions(sampling: Sampling(maxTokens: 4, greedy: true), usesGrammar: false))
    { count += 1 }
    #expect(count == 4)
  }

  @Test func `a limit without room for anything is refused`() throws {
    let error = #expect(throws: MioError.self) { _ = try Model(path: PackedModel.whole, options: .init(cacheByteLimit: 0)) }
    #expect(error?.code == .invalidInput)
  }

  @Test func `a call that fails or is left early concerns nobody else`() async throws {
    let path = try PackedModel.whole
    let expected = try await results(of: Model(path: path), call: 0)
    let model = try Model(path: path)
    try await withThrowingTaskGroup(of: [String].self) { group in
      group.addTask { try await self.results(of: model, call: 0) }
      for _ in 0..<3 {
        group.addTask {
          for try await _ in model.generate(from: [2], options: GenerationOptions(sampling: Sampling(maxTokens: 400))) { break }
          return []
        }
        group.addTask {
          let error = await #expect(throws: MioError.self) {
            for try await _ in model.generate(from: [-1]) {}
          }
          #expect(error?.code == .invalidInput)
          return []
        }
      }
      for try await result in group where !result.isEmpty { #expect(result == expected) }
    }
  }
}
