import Foundation

/// The memory that this process may use.
enum SystemMemory {
  /// What the machine has, or the control group of the process allows, whichever is less.
  static var byteCount: Int {
    let machine = Int(clamping: ProcessInfo.processInfo.physicalMemory)
    let allowed = groupLimits.compactMap { path in
      (try? String(contentsOfFile: path, encoding: .utf8)).flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
    }
    return min(machine, allowed.filter { $0 > 0 }.min() ?? machine)
  }

  /// Of version 2 and 1; a number only where there is a limit.
  private static let groupLimits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
}
