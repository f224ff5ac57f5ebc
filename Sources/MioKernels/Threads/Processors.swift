import CMioKernels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What this process may use of the machine's processors.
package enum Processors {
  /// Physical cores among the processors that affinity allows, bounded by the control group's CPU quota; at least 1.
  ///
  /// The second hardware thread of a core adds nothing to kernels that already fill its multipliers.
  package static var usableCoreCount: Int {
    var cores: Set<String> = []
    for processor in allowed {
      let topology = "/sys/devices/system/cpu/cpu\(processor)/topology"
      let siblings = firstLine(of: "\(topology)/thread_siblings_list") ?? "\(processor)"
      cores.insert(siblings)
    }
    return max(1, min(cores.count, quota ?? Int.max))
  }

  /// What the system calls the first processor: the name, and the numbers that tell one design from another.
  package static var name: String {
    let fields = ["model name", "cpu family", "model", "CPU implementer", "CPU part", "CPU variant"].compactMap { field in
      firstLine(of: "/proc/cpuinfo", startingWith: field + "\t").map { line in
        String(line.drop { $0 != ":" }.dropFirst(2))
      }
    }
    return fields.isEmpty ? "unknown processor" : fields.joined(separator: "/")
  }

  /// Processors that affinity allows, at least 1; two hardware threads of a core count as two.
  package static var usableCount: Int { max(1, allowed.count) }

  /// Processors that the scheduler may put this process on.
  private static var allowed: [Int] {
    var set = [UInt8](repeating: 0, count: 1024)
    let known = unsafe set.withUnsafeMutableBufferPointer { unsafe mio_allowed_processors($0.baseAddress, $0.count) }
    guard known > 0 else { return Array(0..<Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }
    return set.indices.flatMap { byte in (0..<8).filter { set[byte] >> $0 & 1 == 1 }.map { byte * 8 + $0 } }
  }

  /// Whole processors' worth of time that the control group grants, rounded up; nil without a limit.
  private static var quota: Int? {
    let path = firstLine(of: "/proc/self/cgroup", startingWith: "0::").map { String($0.dropFirst(3)) } ?? "/"
    var folder = "/sys/fs/cgroup" + (path == "/" ? "" : path)
    var best: Int?
    // Every ancestor may set a limit; the smallest one holds.
    while folder.hasPrefix("/sys/fs/cgroup") {
      if let limit = cores(firstLine(of: "\(folder)/cpu.max")) { best = min(best ?? limit, limit) }
      guard let slash = folder.lastIndex(of: "/") else { break }
      folder = String(folder[..<slash])
    }
    let first = "/sys/fs/cgroup/cpu"
    if let limit = firstLine(of: "\(first)/cpu.cfs_quota_us"), let period = firstLine(of: "\(first)/cpu.cfs_period_us"),
      let cores = cores("\(limit) \(period)")
    {
      best = min(best ?? cores, cores)
    }
    return best
  }

  /// `"200000 100000"` is 2; `"max 100000"` and nonsense are nil.
  static func cores(_ line: String?) -> Int? {
    let numbers = line?.split(separator: " ").map { Int($0) } ?? []
    guard numbers.count == 2, let limit = numbers[0], let period = numbers[1], limit > 0, period > 0 else { return nil }
    return max(1, (limit + period - 1) / period)
  }

  /// The first line of a small text file, or its first line with the given start.
  private static func firstLine(of path: String, startingWith start: String = "") -> String? {
    guard let file = unsafe fopen(path, "r") else { return nil }
    defer { unsafe fclose(file) }
    var buffer = [UInt8](repeating: 0, count: 16384)
    let count = unsafe fread(&buffer, 1, buffer.count, file)
    let lines = String(decoding: buffer[..<count], as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: true)
    return lines.first { $0.hasPrefix(start) }.map { String($0) }
  }
}
