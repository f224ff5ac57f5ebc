import Foundation
import MioFiles
import MioKernels

/// What this process has to compute with, and which kernels a model uses here.
public struct Machine: Hashable, Sendable, Codable {
  /// Why these kernels were chosen.
  public enum Origin: String, Sendable, Codable {
    /// The environment variables `MIO_ISA` and `MIO_STREAMING` say so.
    case environment
    /// They were the fastest when this machine was measured.
    case measured
    /// The processor is known for them, or nothing is known and they are nowhere far from the best.
    case standard
  }

  public let processor: String
  /// Physical cores that this process may use.
  public let coreCount: Int
  /// Memory that this process may use.
  public let memoryByteCount: Int
  /// Instruction-set variants that the processor can run, the portable one first.
  public let variants: [String]
  /// The variant for prompts, images and sound.
  public let variant: String
  /// The variant for tokens one at a time.
  public let tokenVariant: String
  /// How weights are read for tokens one at a time: `PANELS:GROUPS`, with `:nta` past the caches.
  public let streaming: String
  public let origin: Origin
  /// Where what was measured is kept; `nil` without a home folder.
  public let choicePath: String?

  /// This machine as it is, without measuring anything.
  ///
  /// - Parameter threads: as in ``Model/Options``; what was measured is kept for each number of threads.
  public static func current(threads: Int? = nil) -> Machine {
    let store = KernelChoiceStore(threads: threads ?? Processors.usableCoreCount)
    let (choice, origin) = store.known
    return Machine(choice, origin, store)
  }

  /// The kernels of models that are opened now.
  package static func kernelChoice(threads: Int) -> KernelChoice { KernelChoiceStore(threads: threads).known.0 }

  /// The speed of one choice.
  public struct Measurement: Hashable, Sendable, Codable {
    public let work: String
    public let choice: String
    public let seconds: Double
    /// 10⁹ bytes of weights per second.
    public let gigabytesPerSecond: Double
  }

  /// Measures which kernels are the fastest here, and keeps the choice for all models from the next one on that is opened.
  ///
  /// Takes some tenths of a second. No result of a model depends on it.
  /// - Throws: ``MioError`` with code `.failed` if the choice cannot be kept.
  public static func measure(threads: Int? = nil) throws(MioError) -> (machine: Machine, measurements: [Measurement]) {
    let store = KernelChoiceStore(threads: threads ?? Processors.usableCoreCount)
    let result = try store.measure()
    let few = result.fewRows.map { figure in
      Measurement(
        work: "one token", choice: figure.choice, seconds: figure.seconds,
        gigabytesPerSecond: Double(result.byteCount) / figure.seconds * 1e-9)
    }
    let many = result.manyRows.map { figure in
      Measurement(work: "64 tokens", choice: figure.choice, seconds: figure.seconds, gigabytesPerSecond: 0)
    }
    // The environment decides, if it says anything, whatever was measured.
    let (choice, origin) = KernelChoice.isFixedByEnvironment ? store.known : (result.choice, .measured)
    return (Machine(choice, origin, store), few + many)
  }

  /// Variants whose kernels do not give the bits of their definition: a fault of the processor or of this program. Takes
  /// milliseconds.
  public static func faultyVariants() -> [String] { KernelSelfTest.failures().map(\.name) }

  private init(_ choice: KernelChoice, _ origin: Origin, _ store: KernelChoiceStore) {
    processor = store.processor
    coreCount = Processors.usableCoreCount
    memoryByteCount = SystemMemory.byteCount
    variants = KernelVariant.available.map(\.name)
    variant = choice.manyRows.name
    tokenVariant = choice.fewRows.name
    streaming = choice.streaming.description
    self.origin = origin
    choicePath = store.path
  }
}

/// Keeps what was measured, in the user's cache folder, by processor and number of threads.
struct KernelChoiceStore {
  /// Changes with kernels whose speed does.
  private static let kernelRevision = 1
  private static let maxByteCount = 1 << 16

  let threads: Int
  let processor: String
  let path: String?

  init(threads: Int, folder: String? = Self.cacheFolder) {
    self.threads = threads
    processor = Processors.name
    path = folder.map { $0 + "/mio-lite/kernels.json" }
  }

  private struct Entry: Codable {
    var key: String
    var fewRows: String
    var manyRows: String
    var streaming: String
  }

  private var key: String {
    let variants = KernelVariant.available.map(\.name).joined(separator: " ")
    return "\(processor), \(threads) threads, \(variants), kernels \(Self.kernelRevision)"
  }

  /// The XDG base directories' folder for what can be made again.
  private static var cacheFolder: String? {
    let environment = ProcessInfo.processInfo.environment
    if let folder = environment["XDG_CACHE_HOME"], folder.hasPrefix("/") { return folder }
    return environment["HOME"].flatMap { $0.hasPrefix("/") ? $0 + "/.cache" : nil }
  }

  /// What is to be used, without measuring.
  var known: (KernelChoice, Machine.Origin) {
    if KernelChoice.isFixedByEnvironment { return (.preferred, .environment) }
    return stored.map { ($0, .measured) } ?? (.preferred, .standard)
  }

  /// What was kept for this processor; a file that cannot be read is as good as none.
  var stored: KernelChoice? {
    guard let entry = entries.first(where: { $0.key == key }), let few = KernelVariant.named(entry.fewRows),
      let many = KernelVariant.named(entry.manyRows), let streaming = WeightStreaming(parsing: entry.streaming)
    else { return nil }
    return KernelChoice(fewRows: few, manyRows: many, streaming: streaming)
  }

  private var entries: [Entry] {
    guard let path, let handle = FileHandle(forReadingAtPath: path),
      let data = try? handle.read(upToCount: Self.maxByteCount)
    else { return [] }
    return (try? JSONDecoder().decode([Entry].self, from: data)) ?? []
  }

  /// Measures, and keeps the choice.
  ///
  /// - Throws: ``MioError`` with code `.failed`.
  func measure() throws(MioError) -> KernelTrial.Result {
    let result = KernelTrial(pool: WorkerPool(threads: min(threads, Processors.usableCount))).run()
    try write(result.choice)
    return result
  }

  /// - Throws: ``MioError`` with code `.failed`.
  private func write(_ choice: KernelChoice) throws(MioError) {
    guard let path else { throw MioError(.failed, "no folder to keep what was measured in; set HOME or XDG_CACHE_HOME") }
    var entries = entries.filter { $0.key != key }.suffix(63)
    entries.append(
      Entry(
        key: key, fewRows: choice.fewRows.name, manyRows: choice.manyRows.name, streaming: choice.streaming.description))
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    do {
      try FileManager.default.createDirectory(
        atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
      try AtomicFile.write(Array(encoder.encode(Array(entries))), to: path)
    } catch {
      throw MioError(.failed, "\(path): what was measured cannot be kept: \(error)")
    }
  }
}

extension Model {
  /// The kernels of this model. The first model beyond the caches measures the machine, if that is wanted and can be kept.
  var kernelChoice: KernelChoice {
    guard options.measuresMachine else { return .preferred }
    let store = KernelChoiceStore(threads: threads)
    let (choice, origin) = store.known
    guard origin == .standard, file.byteCount >= Self.minMeasuredByteCount, store.path != nil else { return choice }
    return (try? store.measure())?.choice ?? choice
  }

  /// A model of this size takes longer to read than the machine to measure.
  private static let minMeasuredByteCount = 1 << 29
}
