import Foundation
import MioTestSupport
import Testing

/// Every legal model file works, or is refused in words: files of odd sizes, every matrix in an encoding of its own.
///
/// `MIO_ODD_MODELS=500` tries so many instead of a few, beginning at `MIO_ODD_SEED`.
@Suite struct OddModelTests {
  private static let environment = ProcessInfo.processInfo.environment
  static let seeds: [UInt64] = {
    let first = environment["MIO_ODD_SEED"].flatMap(UInt64.init) ?? 1
    return (0..<(environment["MIO_ODD_MODELS"].flatMap(UInt64.init) ?? 6)).map { first + $0 }
  }()

  @Test(arguments: seeds) func `does all its tasks or says why not`(_ seed: UInt64) throws {
    let folder = try TemporaryFolder()
    let path = folder.path("odd.mio")
    var odd = OddModel(seed: seed, in: folder)
    let tokenizer = try Data(contentsOf: Goldens.speech("tiny-mio/tokenizer.model"))
    try odd.write(to: path, tokenizer: Array(tokenizer))
    let sound = Goldens.speech("expected/audio/reference_output.wav").path
    let image = Goldens.image("images/rgba.png").path
    let calls: [[String]] = [
      ["verify", path],
      ["generate", "hello", "-m", path, "--max-tokens", "9", "--seed", "1"],
      ["generate", "hello", "-m", path, "--max-tokens", "9", "--beams", "3"],
      ["tts", "hello", "-m", path, "--max-tokens", "200", "--seed", "1", "-o", "out.wav"],
      ["encode", sound, "-m", path, "--timbre", "--json"],
      ["asr", sound, "-m", path, "--max-tokens", "9"],
      ["encode", image, "-m", path, "--json"],
      ["imagine", "a tree", "-m", path, "--steps", "2", "--seed", "1", "-o", "out.png"],
      ["imagine", "a tree", "-m", path, "--steps", "2", "--seed", "1", "--sampler", "unipc", "-o", "out.jpg"],
      ["describe", image, "-m", path, "--max-tokens", "9"],
    ]
    for call in calls {
      let result = try Program.run(call, in: folder.url)
      // Random weights may give what is not finite, which is said, too.
      #expect([0, 1, 2].contains(result.status), "\(seed): \(call): \(result.status) \(result.notes) \(odd.description)")
      if result.status != 0 { #expect(result.notes.contains("mio-lite: "), "\(seed): \(call): \(result.notes)") }
      if call[0] == "encode", result.status == 0 {
        try Data(result.output).write(to: folder.url.appendingPathComponent("codes.json"))
        let name = call[1] == sound ? "back.wav" : "back.png"
        let back = try Program.run(
          ["decode", "codes.json", "-m", path, "-o", name, "--steps", "2", "--seed", "1"], in: folder.url)
        #expect([0, 1, 2].contains(back.status), "\(seed): \(call) back: \(back.status) \(back.notes) \(odd.description)")
      }
    }
  }
}
