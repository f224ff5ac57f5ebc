import Foundation
import MioTestSupport
import Testing

/// Calls of the system fail, one at a time: the program ends with status 0, 1 or 2 and a line, in time, and leaves nothing behind.
///
/// `MIO_FAULTS=1000` lets every one fail instead of a few of each kind; `scripts/faults` counts them in a table.
@Suite struct FaultTests {
  private static let most = ProcessInfo.processInfo.environment["MIO_FAULTS"].flatMap(Int.init) ?? 3
  static let kinds = ["open", "read", "write", "map", "thread", "allocate", "rename", "sync", "stat", "pipe", "spawn"]

  private let folder: TemporaryFolder
  private let library: String

  init() throws {
    folder = try TemporaryFolder()
    library = folder.path("faults.so")
    let source = Goldens.root.deletingLastPathComponent().appendingPathComponent("Faults/faults.c").path
    let built = try Program.run(
      ["-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"], program: "/usr/bin/cc", environment: ["PATH": "/usr/bin:/bin"]
    )
    try #require(built.status == 0, "\(built.notes)")
  }

  private func calls() throws -> [[String]] {
    let model = try PackedModel.whole
    let sound = Goldens.speech("expected/audio/reference_output.wav").path
    return [
      ["tts", "hello", "-m", model, "--max-tokens", "42", "--seed", "1", "-o", "out.wav"],
      ["asr", sound, "-m", model, "--max-tokens", "4"],
      ["encode", Goldens.image("images/rgba.png").path, "-m", model, "--json"],
      ["imagine", "a tree", "-m", model, "--steps", "1", "--seed", "1", "-o", "out.png", "-q"],
      ["convert", Goldens.speech("tiny-mio").path, "-o", "out.mio", "-q"],
    ]
  }

  /// - Returns: what happened, and how many calls of the kind there were.
  private func run(
    _ call: [String], _ kind: String, _ number: Int
  ) throws -> (result: Program.Result, count: Int, left: [String]) {
    let work = try TemporaryFolder()
    let log = folder.path("log")
    try? FileManager.default.removeItem(atPath: log)
    // A program that hangs is ended, with status 124.
    let result = try Program.run(
      ["60", "/usr/bin/env", "LD_PRELOAD=\(library)", Program.path] + call, program: "/usr/bin/timeout",
      environment: ["MIO_FAULT": "\(kind):\(number)", "MIO_FAULT_LOG": log], in: work.url)
    let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
    return (result, Int(text.trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0, work.contents)
  }

  @Test(arguments: kinds) func `ends in words, leaving nothing`(_ kind: String) throws {
    for call in try calls() {
      let whole = try run(call, kind, 0)
      #expect(whole.result.status == 0, "\(call[0]): \(whole.result.notes)")
      for number in stride(from: 1, through: whole.count, by: max(1, whole.count / Self.most)) {
        let (result, _, left) = try run(call, kind, number)
        let place = "\(call[0]), \(kind) \(number): \(result.status) \(result.notes.suffix(300))"
        #expect([0, 1, 2].contains(result.status), "\(place)")
        if result.status != 0 {
          #expect(result.notes.contains("mio-lite: ") && !result.notes.contains("Backtracing"), "\(place)")
          // A converted file that is looked at once more when it is complete stays.
          #expect(left.isEmpty || left == ["out.mio"] && ["open", "stat", "map"].contains(kind), "\(place): \(left)")
        }
      }
    }
  }

  @Test func `says so when a model becomes shorter while it is used`() throws {
    let path = folder.path("shrinking.mio")
    try FileManager.default.copyItem(atPath: PackedModel.whole, toPath: path)
    let result = try Program.run(
      [
        "-c", "\"$0\" generate hello -m \"$1\" --max-tokens 3000 --seed 1 >/dev/null & sleep 0.5; : >\"$1\"; wait $!",
        Program.path, path,
      ], program: "/bin/sh", environment: ["PATH": "/usr/bin:/bin"])
    #expect([0, 1].contains(result.status), "\(result.status) \(result.notes.suffix(300))")
    if result.status == 1 { #expect(result.notes.contains("mio-lite: a file became shorter"), "\(result.notes.suffix(300))") }
  }

  @Test func `says so where /proc is missing`() throws {
    let result = try Program.run(
      [
        "-m", "/bin/sh", "-c", "umount -l /proc && exec \"$0\" \"$@\"", Program.path, "generate", "hello", "-m",
        PackedModel.whole, "--max-tokens", "3", "--seed", "1",
      ], program: "/usr/bin/unshare", environment: ["PATH": "/usr/bin:/bin:/usr/sbin:/sbin"])
    // Not everybody may unmount it.
    if result.notes.contains("unshare:") || result.notes.contains("umount:") { return }
    #expect(result.status == 1 && result.notes.hasPrefix("mio-lite: /proc is missing"), "\(result.notes.suffix(300))")
  }
}
