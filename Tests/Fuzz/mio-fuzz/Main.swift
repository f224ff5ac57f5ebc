import FuzzTargets

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// `mio-fuzz TARGET FILE...` reads files with a parser, as the fuzzer found them, and `mio-fuzz TARGET -seconds=N FILE...` goes on with
/// changes of them for so long. Built by scripts/fuzz, it is the fuzzer: `mio-fuzz TARGET` and libFuzzer's options.
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
      let seconds = arguments.compactMap { $0.hasPrefix("-seconds=") ? Int($0.dropFirst(9)) : nil }.first
      let files = arguments.dropFirst().filter { !$0.hasPrefix("-seconds=") }.map { bytes(of: $0) }
      for file in files { FuzzTarget(rawValue: name)?.run(file) }
      if let seconds, let target = FuzzTarget(rawValue: name), !files.isEmpty { change(files, for: seconds, target) }
    #endif
  }

  /// Tries changes of files, and says how many. Each run begins elsewhere: the time is the seed, which is said first.
  private static func change(_ files: [[UInt8]], for seconds: Int, _ target: FuzzTarget) {
    let seed = UInt64(unsafe time(nil))
    print("mio-fuzz: \(target.rawValue): seed \(seed)")
    var changes = Changes(seed: seed)
    let end = ContinuousClock.now + .seconds(seconds)
    var count = 0
    while ContinuousClock.now < end {
      target.run(changes.change(files[count % files.count], others: files))
      count += 1
    }
    print("mio-fuzz: \(target.rawValue): \(count) executions")
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
