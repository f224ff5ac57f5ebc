import Foundation
import MioTestSupport
import Testing

/// The program starts on every processor of its architecture: wider instructions stay inside the dispatched functions.
@Suite struct BaselineTests {
  static let disassembler = "/usr/bin/objdump"

  #if arch(x86_64)
  @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: disassembler)))
  func `uses wide registers only in functions of a level`() throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Self.disassembler)
    process.arguments = ["-d", "--no-show-raw-insn", "/proc/\(getpid())/exe"]
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let text = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)

    var (function, offenders, wideFunctions) = ("", Set<String>(), 0)
    let levels = ["_avx2", "_avxvnni", "_avx512", "_avx512vnni"]
    for line in text.split(separator: UInt8(ascii: "\n")) {
      if line.last == UInt8(ascii: ":"), let open = line.firstIndex(of: UInt8(ascii: "<")) {
        function = String(decoding: line[open...].dropFirst().dropLast(2), as: UTF8.self)
      } else if line.contains(UInt8(ascii: "%")) {
        let instruction = String(decoding: line, as: UTF8.self)
        guard instruction.contains("%ymm") || instruction.contains("%zmm") else { continue }
        wideFunctions += 1
        if !levels.contains(where: { function.hasSuffix($0) }) { offenders.insert(function) }
      }
    }
    #expect(wideFunctions > 1000, "the kernels are part of this program")
    #expect(offenders.isEmpty)
  }
  #endif

  @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/qemu-aarch64")))
  func `the kernels of other architectures give the same bits under emulation`() throws {
    let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let process = Process()
    process.executableURL = package.appendingPathComponent("scripts/test-levels")
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
  }
}
