import Foundation
import MioLite

/// How many processes of how many threads answer most of a batch here: tried out, with the model itself.
struct WorkerAdvice: Encodable {
  /// Some ways to share the processors, and what each gave.
  struct Trial: Encodable {
    let workers: Int
    let threads: Int
    let tokensPerSecond: Double
  }

  /// Physical cores that this process may use.
  let coreCount: Int
  /// The processors of each part of the machine that has memory of its own.
  let nodes: [String]
  let availableByteCount: Int
  /// Of the file; processes on one machine share it.
  let sharedByteCount: Int
  /// What a worker takes besides.
  let ownByteCount: Int
  let trials: [Trial]

  /// The fastest way that memory allows.
  var best: Trial? {
    let fitting = trials.filter { sharedByteCount + $0.workers * ownByteCount <= availableByteCount }
    return (fitting.isEmpty ? Array(trials.prefix(1)) : fitting).max { $0.tokensPerSecond < $1.tokensPerSecond }
  }

  /// Requests at a time for each processor, and tokens of each.
  private static let (requestsPerCore, tokenCount) = (4, 32)

  init(path: String, options: Model.Options) async throws {
    coreCount = Machine.current().coreCount
    nodes = Self.nodes()
    availableByteCount = Self.availableBytes()
    sharedByteCount = (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0
    var (trials, own) = ([Trial](), 0)
    let cores = coreCount
    let counts = Set([1, nodes.count, cores / 2, cores].filter { (1...cores).contains($0) }).sorted()
    for workers in counts {
      let (speed, after) = try await Self.speed(path, options, workers: workers, cores: cores)
      trials.append(Trial(workers: workers, threads: cores / workers, tokensPerSecond: speed))
      // All of them lie in this process; alone, each has a program around it.
      own = max(own, workers == 1 ? after : after / workers)
    }
    self.trials = trials
    ownByteCount = own
  }

  /// Tokens that so many models give in a second, all processors together, and the memory that was taken then.
  private static func speed(
    _ path: String, _ options: Model.Options, workers: Int, cores: Int
  ) async throws -> (tokensPerSecond: Double, ownByteCount: Int) {
    var options = options
    options.threads = max(1, cores / workers)
    let models = try (0..<workers).map { _ in try Model(contentsOf: URL(fileURLWithPath: path), options: options) }
    guard let tokenizer = models[0].tokenizer else { throw Failure(.wrongInput, "\(path) has no language model to try") }
    let prompt = try tokenizer.encode("hello")
    let rows = max(1, requestsPerCore * cores / workers)
    func run(_ tokens: Int) async throws -> Int {
      let settings = GenerationOptions(sampling: Sampling(maxTokens: tokens, greedy: true), stopIds: [], usesGrammar: false)
      return try await withThrowingTaskGroup(of: Int.self) { group in
        for model in models {
          for _ in 0..<rows {
            group.addTask {
              try await model.generate(from: prompt, options: settings).reduce(into: 0) { count, _ in count += 1 }
            }
          }
        }
        return try await group.reduce(0, +)
      }
    }
    // Brings the weights into memory.
    _ = try await run(2)
    let start = ContinuousClock.now
    let count = try await run(tokenCount)
    let seconds = (ContinuousClock.now - start).seconds
    return (Double(count) / seconds, ownBytes())
  }

  // MARK: - The machine

  private static func nodes() -> [String] {
    let folder = "/sys/devices/system/node"
    let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
      .filter { $0.hasPrefix("node") && Int($0.dropFirst(4)) != nil }
    let lists = names.sorted { (Int($0.dropFirst(4)) ?? 0) < (Int($1.dropFirst(4)) ?? 0) }
      .compactMap { words(of: "\(folder)/\($0)/cpulist").first }
    return lists.isEmpty ? ["all"] : lists
  }

  private static func availableBytes() -> Int {
    let system = kilobytes(of: "MemAvailable:", in: "/proc/meminfo").map { $0 << 10 }
    let group = words(of: "/sys/fs/cgroup/memory.max").first.flatMap { Int($0) }
    return min(system ?? Int(ProcessInfo.processInfo.physicalMemory), group ?? .max)
  }

  /// Memory of this process that no file backs.
  private static func ownBytes() -> Int { (kilobytes(of: "RssAnon:", in: "/proc/self/status") ?? 0) << 10 }

  private static func kilobytes(of name: String, in path: String) -> Int? {
    let words = words(of: path)
    guard let index = words.firstIndex(of: name), index + 1 < words.count else { return nil }
    return Int(words[index + 1])
  }

  private static func words(of path: String) -> [String] {
    ((try? String(contentsOfFile: path, encoding: .utf8)) ?? "").split(whereSeparator: \.isWhitespace).map(String.init)
  }

  // MARK: - For people

  func rows(model: String?) -> [(String, String)] {
    func megabytes(_ count: Int) -> String { String(format: "%.1f MB", Double(count) * 1e-6) }
    var rows = [
      (
        "processors",
        "\(coreCount) may be used; "
          + (nodes.count == 1 ? "one memory" : "memory of their own: \(nodes.joined(separator: " | "))")
      ),
      (
        "memory",
        "\(megabytes(availableByteCount)) free; workers share the file's \(megabytes(sharedByteCount)), each takes "
          + "\(megabytes(ownByteCount)) more"
      ),
    ]
    rows += trials.map { trial in
      (
        "\(trial.workers) x \(trial.threads)",
        String(
          format: "%.0f tokens per second in all, with %d requests at a time", trial.tokensPerSecond,
          Self.requestsPerCore * coreCount)
      )
    }
    guard let best else { return rows }
    let name = model.map { " -m \($0)" } ?? ""
    rows.append(("advice", "\(best.workers) worker\(best.workers == 1 ? "" : "s") with --threads \(best.threads)"))
    rows += (1...best.workers).prefix(3).map { worker in
      let node = nodes.count > 1 ? "numactl --cpunodebind=\((worker - 1) % nodes.count) --localalloc " : ""
      let shard = best.workers == 1 ? "" : " --shard \(worker)/\(best.workers)"
      return ("", "\(node)mio-lite batch IN.jsonl -o OUT-\(worker).jsonl\(name) --threads \(best.threads)\(shard)")
    }
    if best.workers > 3 { rows.append(("", "... up to --shard \(best.workers)/\(best.workers)")) }
    return rows
  }
}
