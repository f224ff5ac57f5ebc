import ArgumentParser
import MioFormat
import MioKernels
import MioModel

/// `bench`: how fast this machine and this model are, beside what the machine could do at best.
struct BenchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measure this machine and this model; speeds stand beside the machine's limits.")

  @Option(
    name: .shortAndLong, help: "The packed model. Without it: $MIO_MODEL, then the model shipped with mio-lite.",
    completion: .file(extensions: ["mio"]))
  var model: String?

  @Option(name: [.short, .customLong("threads")], help: "Thread counts to measure (default: 1 and all physical cores).")
  var threadCounts: NumberList?

  @Option(name: .long, help: "How keys and values are cached: int8, f16 or f32.")
  var cache: CacheOption = .int8

  @OptionGroup var common: CommonOptions

  @Option(help: "Prompt lengths for prefill.")
  var prefill: NumberList = [128, 512]

  @Option(help: "Sequences decoded together.")
  var batch: NumberList = [1, 4]

  @Option(help: "Tokens of context before decoding starts.")
  var depth: NumberList = [0]

  @Option(help: "Pixels of a side of drawn images.")
  var size: NumberList = [512, 768]

  @Option(
    help: """
      Of prefill, decode, speech-decode, codec-decode, codec-encode, see, unet, vae; default: those the file can do. \
      'long-text' speaks --batch sentences of fixed length as tts does; 'machine' measures the limits alone.
      """)
  var phases: WordList?

  @Option(help: "Repetitions of each measurement.")
  var repetitions: Int = 3

  @Flag(help: "Print JSON.")
  var json = false

  var threads: [Int] {
    threadCounts?.values ?? Array(Set([1, Processors.usableCoreCount])).sorted()
  }

  func validate() throws {
    let lists = [("--threads", threads), ("--prefill", prefill.values), ("--batch", batch.values), ("--size", size.values)]
    for (name, values) in lists where values.contains(where: { !(1...65_536).contains($0) }) {
      throw ValidationError("\(name) takes numbers from 1 to 65536")
    }
    if threads.contains(where: { $0 > 1024 }) { throw ValidationError("--threads takes at most 1024") }
    if depth.values.contains(where: { $0 < 0 }) { throw ValidationError("--depth takes numbers of 0 or more") }
    if !(1...1000).contains(repetitions) { throw ValidationError("--repetitions takes a number from 1 to 1000") }
  }

  func run() async throws {
    let report = try await Interrupts.during { cancellation in
      try Benchmark(self, cancellation: cancellation).run()
    }
    if json { try Output.json(report, pretty: true) } else { try Output.write(report.table) }
  }
}

/// `1,2,4` on the command line.
struct NumberList: ExpressibleByArgument, ExpressibleByArrayLiteral {
  let values: [Int]

  init(arrayLiteral elements: Int...) { values = elements }

  init?(argument: String) {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
    guard !parts.isEmpty, parts.allSatisfy({ $0 != nil }) else { return nil }
    values = parts.compactMap { $0 }
  }

  var defaultValueDescription: String { values.map(String.init).joined(separator: ",") }
}

/// `prefill,decode` on the command line.
struct WordList: ExpressibleByArgument {
  let values: [String]

  init?(argument: String) {
    values = argument.split(separator: ",").map(String.init)
    if values.isEmpty { return nil }
  }
}
