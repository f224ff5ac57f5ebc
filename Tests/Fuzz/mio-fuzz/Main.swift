import FuzzTargets

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// `mio-fuzz TARGET FILE...` reads files with a parser, as the fuzzer found them. Built by scripts/fuzz, it is the fuzzer:
/// `mio-fuzz TARGET` and libFuzzer's options.
@main
enum Main {
  static func main() {
    let arguments = CommandLine.arguments.dropFirst()
    guard let name = arguments.first, FuzzTarget(rawValue: name) != nil else {
      print("mio-fuzz: name one of \(FuzzTarget.allCases.map(\.rawValue).joined(separator: ", "))")
      exit(2)
    }
    #if FUZZING
      // Without the target's name, which `tryInput` finds again.
      var count = CommandLine.argc - 1
      var rest = unsafe CommandLine.unsafeArgv + 1
      exit(unsafe runDriver(&count, &rest, tryInput))
    #else
      for path in arguments.dropFirst() { FuzzTarget(rawValue: name)?.run(bytes(of: path)) }
    #endif
  }

  private static func bytes(of path: String) -> [UInt8] {
    guard let file = unsafe fopen(path, "rb") else {
      print("mio-fuzz: \(path) cannot be opened")
      exit(2)
    }
    defer { unsafe fclose(file) }
    var bytes: [UInt8] = []
    while case let byte = unsafe getc(file), byte != EOF { bytes.append(UInt8(truncatingIfNeeded: byte)) }
    return bytes
  }
}

#if FUZZING
  private let target = FuzzTarget(rawValue: CommandLine.arguments[1]) ?? .json

  private func tryInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    unsafe target.run(Array(UnsafeBufferPointer(start: bytes, count: count)))
    return 0
  }

  /// libFuzzer's main function.
  @_silgen_name("LLVMFuzzerRunDriver")
  private func runDriver(
    _ count: UnsafeMutablePointer<Int32>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
  ) -> Int32
#endif
