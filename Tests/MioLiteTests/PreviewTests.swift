import Foundation
import MioTestSupport
import Testing

/// Images shown in a terminal, which `script` of util-linux plays here.
@Suite(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/script"))) struct PreviewTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// What the program writes to a terminal of the kind that the environment describes.
  private func shown(_ environment: [String: String], _ options: String = "") throws -> String {
    let call = try "'\(Program.path)' imagine tree -o '\(folder.path("a.png"))' -m '\(PackedModel.whole)' --steps 1 --seed 1"
    let result = try Program.run(
      ["-qec", "\(call) \(options)", "/dev/null"], program: "/usr/bin/script", environment: environment)
    #expect(result.status == 0, "\(result.notes)")
    return result.text
  }

  @Test func `speaks each terminal's language`() throws {
    #expect(try shown(["TERM": "xterm-kitty"]).contains("\u{1B}_Gf=100,a=T,m=1;"))
    #expect(try shown(["TERM": "xterm", "TERM_PROGRAM": "iTerm.app"]).contains("\u{1B}]1337;File=inline=1;"))
    #expect(try shown(["TERM": "foot"]).contains("\u{1B}[38;"))
    #expect(try shown(["TERM": "xterm-256color"]).contains("\u{1B}[38;5;"))
    #expect(try shown(["TERM": "xterm-256color", "COLORTERM": "truecolor"]).contains("\u{1B}[38;2;"))
  }

  @Test func `shows nothing where it is not wanted`() throws {
    #expect(try !shown(["TERM": "dumb"]).contains("\u{2580}"))
    #expect(try !shown(["TERM": "xterm-256color"], "--no-preview").contains("\u{2580}"))
    #expect(try !shown(["TERM": "xterm-kitty", "MIO_PREVIEW": "none"]).contains("_G"))
    let piped = try Program.run(
      ["imagine", "a tree", "-o", folder.path("a.png"), "-m", PackedModel.whole, "--steps", "1", "--seed", "1"],
      environment: ["TERM": "xterm-kitty"])
    #expect(!piped.notes.contains("\u{1B}"))
  }
}
