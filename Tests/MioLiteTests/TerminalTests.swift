import Foundation
import MioTestSupport
import Testing

/// Text of strangers on a terminal, which `script` of util-linux plays here.
@Suite(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/script"))) struct TerminalTests {
  private static let words = "red\u{1B}]0;mine\u{7}\u{9B}31m\ttext"

  private struct Tokens: Decodable {
    let ids: [Int32]
  }

  private func onTerminal(_ arguments: [String]) throws -> (text: String, status: Int32) {
    let call = ([Program.path] + arguments).map { "'\($0)'" }.joined(separator: " ")
    let result = try Program.run(["-qec", call, "/dev/null"], program: "/usr/bin/script")
    return (result.text, result.status)
  }

  @Test func `control characters of a reply reach files and pipes, not a terminal`() throws {
    let coded = try Program.run(["tokenize", Self.words, "--no-bos", "--json", "-m", PackedModel.whole])
    let ids = try JSONDecoder().decode(Tokens.self, from: Data(coded.text.utf8)).ids.map(String.init).joined(separator: ",")
    let call = try ["detokenize", "--ids", ids, "-m", PackedModel.whole]
    #expect(try Program.run(call).text.contains(Self.words))
    let shown = try onTerminal(call)
    #expect(shown.status == 0)
    #expect(shown.text.contains("red\u{FFFD}]0;mine\u{FFFD}\u{FFFD}31m\ttext"))
  }

  @Test func `control characters of a file's name do not reach a terminal`() throws {
    let shown = try onTerminal(["inspect", "\u{1B}[2Jnone.mio"])
    #expect(shown.status == 2)
    #expect(shown.text.contains("\u{FFFD}[2Jnone.mio"))
  }
}
