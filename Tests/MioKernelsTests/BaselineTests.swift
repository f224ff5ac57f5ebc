import Foundation
import MioTestSupport
import Testing

/// The program starts on every processor of its architecture: newer instructions stay inside the functions that are chosen
/// at run time, and what these compute is the same on all processors.
@Suite struct BaselineTests {
  static let disassembler = "/usr/bin/objdump"
  static var hasDisassembler: Bool { FileManager.default.isExecutableFile(atPath: disassembler) }

  private struct Outcome {
    let status: Int32
    let output: String
    let notes: String
  }

  /// Runs a script of the package.
  private func run(_ script: String, _ arguments: [String] = []) throws -> Outcome {
    let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let folder = try TemporaryFolder()
    defer { withExtendedLifetime(folder) {} }
    let files = ["output", "notes"].map { folder.url.appendingPathComponent($0) }
    for file in files { try Data().write(to: file) }
    let process = Process()
    process.executableURL = package.appendingPathComponent("scripts/\(script)")
    process.arguments = arguments
    process.standardOutput = try FileHandle(forWritingTo: files[0])
    process.standardError = try FileHandle(forWritingTo: files[1])
    try process.run()
    process.waitUntilExit()
    let texts = try files.map { String(decoding: try Data(contentsOf: $0), as: UTF8.self) }
    return Outcome(status: process.terminationStatus, output: texts[0], notes: texts[1])
  }

  @Test(.enabled(if: hasDisassembler, "needs objdump: install binutils"))
  func `uses instructions above the baseline only in functions of a variant`() throws {
    let bundle = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
    let program = bundle.deletingLastPathComponent().appendingPathComponent("mio-lite")
    let outcome = try run("test-baseline", ["/proc/\(getpid())/exe", program.path])
    #expect(outcome.status == 0, "\(outcome.output)\(outcome.notes)")
    #expect(!outcome.output.contains(": 0 instructions"), "the kernels are part of both programs")
  }

  #if arch(x86_64)
    /// Functions that a variant may have, and functions that may not be.
    @Test(
      .enabled(if: hasDisassembler, "needs objdump: install binutils"),
      arguments: [
        ("avx", "void sum(float *x) { for (int i = 0; i < 8; i++) x[i] += 1; }", false),
        ("avx", "void sum_avx2(float *x) { for (int i = 0; i < 8; i++) x[i] += 1; }", true),
        ("fma", "float sum(float x) { return __builtin_fmaf(x, x, x); }", false),
        ("popcnt", "int sum(unsigned x) { return __builtin_popcount(x); }", false),
        ("sse2", "void sum(float *x) { for (int i = 0; i < 8; i++) x[i] += 1; }", true),
      ])
    func `names functions with instructions above the baseline`(target: String, code: String, isFine: Bool) throws {
      let folder = try TemporaryFolder()
      defer { withExtendedLifetime(folder) {} }
      let (source, object) = (folder.url.appendingPathComponent("sum.c"), folder.url.appendingPathComponent("sum.o"))
      try Data(code.utf8).write(to: source)
      let compiler = Process()
      compiler.executableURL = URL(fileURLWithPath: "/usr/bin/env")
      compiler.arguments = ["clang", "-O2", "-m\(target)", "-c", source.path, "-o", object.path]
      try compiler.run()
      compiler.waitUntilExit()
      try #require(compiler.terminationStatus == 0)
      let outcome = try run("test-baseline", [object.path])
      #expect(outcome.status == (isFine ? 0 : 1), "\(outcome.output)\(outcome.notes)")
      #expect(isFine || outcome.output.contains(": sum: "))
    }
  #endif

  /// Levels of other processors run under emulation; what lacks its emulator is reported as a known issue.
  @Test func `the kernels of all variants give the same bits`() throws {
    let outcome = try run("test-variants")
    #expect(outcome.status == 0, "\(outcome.notes)")
    if outcome.status == 0, !outcome.notes.isEmpty {
      withKnownIssue("not every variant was compared") { Issue.record("\(outcome.notes)") }
    }
  }
}
