import Foundation
import MioTestSupport
import Testing

/// What was generated is not lost to what goes wrong afterwards, and small contexts are enough for what fits them.
@Suite struct KeptWorkTests {
  private static let sound = Goldens.speech("expected/audio/reference_output.wav").path

  @Test(arguments: [8, 16, 40, 64, 100], [2, 5, 16]) func `beams work in a small context`(_ context: Int, _ beams: Int) throws {
    let result = try Program.run(
      ["generate", "hello", "--beams", "\(beams)", "--context", "\(context)", "--json", "-m", PackedModel.standard])
    #expect(result.status == 0, "\(result.notes)")
    let ids = try #require(try result.json["ids"] as? [Int])
    #expect(!ids.isEmpty && ids.count < context)
  }

  /// Runs until something was written or `seconds` are over, then asks to stop.
  private func stop(_ arguments: [String], after seconds: Double) throws -> (status: Int32, output: [UInt8]) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Program.path)
    process.arguments = arguments
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    usleep(UInt32(seconds * 1e6))
    kill(process.processIdentifier, SIGINT)
    let bytes = Array(output.fileHandleForReading.readDataToEndOfFile())
    process.waitUntilExit()
    return (process.terminationStatus, bytes)
  }

  @Test func `a stopped generation gives what it has`() throws {
    let stopped = try stop(
      [
        "generate", "hello", "--json", "--grammar", "none", "--stop-ids", "0", "--greedy", "--max-tokens", "4000", "-m",
        PackedModel.whole,
      ], after: 1)
    // On a fast machine it may be done by then.
    #expect(stopped.status == 130 || stopped.status == 0)
    let object = try #require(try JSONSerialization.jsonObject(with: Data(stopped.output)) as? [String: Any])
    #expect((object["ids"] as? [Int])?.isEmpty == false)
  }

  @Test func `a stream that is stopped has a true header`() throws {
    let folder = try TemporaryFolder()
    let text = String(repeating: "One two three four five. ", count: 400)
    let result = try Program.run(
      ["-c", "\"$0\" tts \"$1\" --seed 1 -q -o - > a.wav & sleep 2; kill -TERM $!; wait $!", Program.path, text],
      program: "/bin/bash", environment: ["PATH": "/usr/bin:/bin"], in: folder.url)
    #expect(result.status == 143)
    let bytes = try folder.bytes("a.wav")
    let size = (0..<4).reduce(0) { $0 | Int(bytes[40 + $1]) << (8 * $1) }
    #expect(size == bytes.count - 44)
  }
}
