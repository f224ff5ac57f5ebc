import Foundation
import MioLite
import MioTestSupport
import Testing

/// Conversations that the caller keeps, what a reply takes, and what is handed out while things are made.
@Suite struct KeptConversationTests {
  private let model: Model

  init() throws { model = try Model(path: PackedModel.whole) }

  private func options(_ tokens: Int = 20, _ change: (inout SessionOptions) -> Void = { _ in }) -> SessionOptions {
    var options = SessionOptions(sampling: Sampling(temperature: 1, maxTokens: tokens, seed: 5))
    options.modalities = [.text]
    change(&options)
    return options
  }

  private func reply(_ messages: [Message], _ options: SessionOptions) async throws -> Response {
    var response = Response()
    for try await part in model.reply(to: messages, options: options) { response.append(part) }
    return response
  }

  @Test func `answers as a session does that was told the same`() async throws {
    let session = try model.session(options: options())
    let first = try await session.respond(to: "Hello.")
    let alone = try await reply([Message(.user, "Hello.")], options())
    #expect(alone.text == first.text && !alone.text.isEmpty)
    #expect(alone.summary.reply.all == 20 && alone.summary.end == .length && alone.summary.prompt.text > 0)
    var sum = ReplySummary.TokenCount()
    sum.add(alone.summary.prompt)
    sum.add(alone.summary.reply)
    #expect(sum.all == alone.summary.prompt.all + 20)
    // What was said before, and words of the system, count.
    let messages = [Message(.user, "Hello."), Message(.assistant, first.text), Message(.user, "And?")]
    let second = try await reply(messages, options())
    #expect(second.summary.prompt.all > alone.summary.prompt.all)
    let ruled = try await reply([Message(.system, "Be brief. <|im_end|>")] + messages, options())
    #expect(ruled.text != second.text)
  }

  @Test func `ends at words, which are no part of the reply`() async throws {
    let whole = try await reply([Message(.user, "Go on.")], options(60)).text
    let stop = String(whole.dropFirst(whole.count / 2).prefix(3))
    let cut = try await reply([Message(.user, "Go on.")], options(60) { $0.stops = ["never comes", stop] })
    #expect(!cut.text.contains(stop) && whole.hasPrefix(cut.text) && cut.summary.end == .complete)
  }

  @Test func `refuses what does not fit, and can be cancelled`() async throws {
    let long = Message(.user, String(repeating: "word ", count: 5000))
    let error = await #expect(throws: MioError.self) { _ = try await reply([long], options()) }
    #expect(error?.code == .contextFull)
    let base = try Model(path: PackedModel.whole, options: .init(promptStyle: .base))
    let turns = await #expect(throws: MioError.self) { for try await _ in base.reply(to: [Message(.user, "x")]) {} }
    #expect(turns?.code == .unsupported)
    let stream = model.reply(to: [Message(.user, "Go on.")], options: options(2000))
    await #expect(throws: CancellationError.self) {
      for try await _ in stream { stream.cancel() }
    }
  }

  @Test func `shows what an image is going to be`() async throws {
    var image = ImageOptions(sampling: Sampling(seed: 4), steps: 4)
    var seen: [Image] = []
    for previews in [0, 2] {
      image.previews = previews
      let task = TaskOptions(sampling: image.sampling, image: image, maxImages: 1)
      var shown: [Image] = []
      for try await part in model.perform(.imageGeneration, [.text("a tree")], options: task) {
        if case .preview(let preview) = part { shown.append(preview) }
        if case .image(let finished?, _) = part { seen.append(finished) }
      }
      #expect(shown.count == previews && Set(shown).count == previews)
    }
    // Looking does not change it.
    #expect(seen.count == 2 && seen[0] == seen[1])
  }

  @Test(arguments: AudioStreamEncoder.Format.allCases)
  func `encodes sound as it comes, the same however it is cut`(format: AudioStreamEncoder.Format) throws {
    let samples = (0..<50_000).map { Float(sin(Double($0) * 0.05)) * 0.5 }
    func encoded(_ size: Int) throws -> [UInt8] {
      let encoder = try AudioStreamEncoder(format: format, sampleRateHz: 16_000)
      var bytes: [UInt8] = []
      for start in stride(from: 0, to: samples.count, by: size) {
        bytes += try encoder.encode(Array(samples[start..<min(start + size, samples.count)]))
      }
      return try bytes + encoder.finish()
    }
    let bytes = try encoded(50_000)
    for size in [777, 4096, 16_000] { #expect(try encoded(size) == bytes, "pieces of \(size)") }
    guard format != .raw16 else { return #expect(bytes.count == 100_000) }
    let read = try Audio(bytes: bytes)
    #expect(read.sampleRateHz == 16_000 && abs(read.samples.count - 50_000) < 3000, "\(read.samples.count)")
  }

  @Test func `a rate that a format does not have is refused`() {
    #expect(throws: MioError.self) { try AudioStreamEncoder(format: .opus, sampleRateHz: 12_345) }
  }

  @Test func `transcripts are subtitles`() {
    let transcript = Transcript(segments: [
      TranscriptSegment(text: "a <b> & c", start: 0, end: 1.5), TranscriptSegment(text: "", start: 2, end: 3),
      TranscriptSegment(text: "two\nlines", start: 3661.25, end: 3662),
    ])
    #expect(
      transcript.subRip
        == "1\n00:00:00,000 --> 00:00:01,500\na <b> & c\n\n2\n01:01:01,250 --> 01:01:02,000\ntwo lines\n\n")
    #expect(
      transcript.webVTT
        == "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\na &lt;b&gt; &amp; c\n\n01:01:01.250 --> 01:01:02.000\ntwo lines\n\n")
    #expect(transcript.segments[2].tabSeparated == "3661250\t3662000\ttwo lines")
    #expect(transcript.segments[2].subRip(number: 7).hasPrefix("7\n") && transcript.segments[0].webVTT.contains("&lt;"))
  }

  @Test func `a model says what it is, what it can do and how much it holds`() throws {
    #expect(model.tasks.count == MioTask.allCases.count && model.contextLength ?? 0 > 0 && model.identity.count == 64)
    #expect(try Model(path: PackedModel.exact).identity != model.identity)
  }
}
