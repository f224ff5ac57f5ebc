import Foundation
import MioLite
import MioTestSupport
import Testing

/// Conversations that are kept, and turns that are taken back.
@Suite struct SessionKeepingTests {
  @Test func `a turn that is taken back is as if it had not been`() async throws {
    let model = try Model(path: PackedModel.whole)
    let options = SessionOptions(sampling: Sampling(maxTokens: 12, seed: 1), image: nil)
    let (session, other) = (try model.session(options: options), try model.session(options: options))
    _ = try await session.respond(to: "one")
    _ = try await other.respond(to: "one")
    let kept = session.snapshot
    _ = try await session.respond(to: "two")
    #expect(session.undo() && session.turnCount == 1 && session.snapshot == kept)
    #expect(other.snapshot == kept)
    #expect(session.undo() && !session.undo() && session.turnCount == 0)
  }

  @Test func `an answer that is asked for again is drawn anew`() async throws {
    let model = try Model(path: PackedModel.whole)
    let sampling = Sampling(temperature: 1.5, topK: 0, topP: 1, maxTokens: 12, seed: 1)
    let session = try model.session(options: SessionOptions(sampling: sampling, image: nil))
    let first = try await session.respond(to: "one").text
    _ = session.undo()
    #expect(try await session.respond(to: "one").text != first)
  }

  @Test func `chat keeps a session in a file`() throws {
    let folder = try TemporaryFolder()
    let options = ["--max-tokens", "12", "--seed", "1", "-m", try PackedModel.whole, "-q"]
    func chat(_ lines: String, _ more: [String] = []) throws -> Program.Result {
      try Program.run(["chat"] + more + options, input: Array(lines.utf8), in: folder.url)
    }
    let whole = try chat("one\ntwo\n")
    #expect(whole.status == 0, "\(whole.notes)")
    let (first, second) = (try chat("one\n", ["--session", "s.json"]), try chat("two\n", ["--session", "s.json"]))
    #expect(first.status == 0 && second.status == 0, "\(first.notes)\(second.notes)")
    #expect(first.text + second.text == whole.text)
    let undone = try chat("three\n/undo\n", ["--session", "s.json"])
    #expect(undone.status == 0, "\(undone.notes)")
    let fourth = try chat("four\n", ["--session", "s.json"]).text
    #expect(try !fourth.isEmpty && chat("one\ntwo\nfour\n").text.hasSuffix(fourth))
    try Data("{}".utf8).write(to: folder.url.appendingPathComponent("bad.json"))
    let bad = try chat("one\n", ["--session", "bad.json"])
    #expect(bad.status == 2 && bad.notes.contains("bad.json"))
    #expect(try chat("/retry\n").status == 2)
  }
}
