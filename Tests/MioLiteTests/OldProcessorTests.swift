#if arch(x86_64)
  import Foundation
  import MioTestSupport
  import Testing

  /// The built program on emulated processors that lack instructions which this machine has.
  @Suite struct OldProcessorTests {
    static let emulator = "/usr/bin/qemu-x86_64"

    @Test(
      .enabled(if: FileManager.default.isExecutableFile(atPath: emulator), "needs qemu-x86_64: install qemu-user"),
      arguments: ["qemu64", "Haswell"])
    func `speaks the same samples`(processor: String) throws {
      let arguments = ["tts", "hello world", "-m", try PackedModel.standard, "--seed", "6", "--raw"]
      let expected = try Program.run(arguments)
      #expect(expected.status == 0, "\(expected.notes)")
      let emulated = try Program.run(["-cpu", processor, Program.path] + arguments, program: Self.emulator)
      #expect(emulated.status == 0, "\(emulated.notes)")
      #expect(!expected.output.isEmpty && emulated.output == expected.output)
    }
  }
#endif
