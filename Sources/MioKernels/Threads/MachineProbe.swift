import CMioKernels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What this machine can do at best: the limits that speeds are compared with.
package struct MachineLimits: Hashable, Sendable {
  /// Streaming read of memory beyond every cache, 10⁹ bytes per second.
  package var readGigabytesPerSecond: Double
  /// int8 multiplications and additions, 10⁹ per second.
  package var int8Gigaops: Double
  /// f32 multiplications and additions, 10⁹ per second.
  package var f32Gigaflops: Double
}

/// Measures ``MachineLimits`` with the widest instructions of the processor.
@safe
package struct MachineProbe: ~Copyable {
  /// Bytes read per round: many times the largest caches in use.
  private static let bufferBytes = 1 << 29
  private let buffer: UnsafeMutableRawPointer
  private let pool: WorkerPool

  package init(pool: WorkerPool) {
    self.pool = pool
    unsafe buffer = UnsafeMutableRawPointer.allocate(byteCount: Self.bufferBytes, alignment: 1 << 21)
    unsafe buffer.initializeMemory(as: UInt8.self, repeating: 1, count: Self.bufferBytes)
  }

  deinit { unsafe buffer.deallocate() }

  /// Reads the buffer `rounds` times with all threads, every other time with prefetches, and returns the fastest round in
  /// 10⁹ bytes per second.
  package func readGigabytesPerSecond(rounds: Int = 4) -> Double {
    let parts = pool.threadCount * 8
    let bytes = Self.bufferBytes / parts / 1024 * 1024
    nonisolated(unsafe) let base = unsafe buffer
    var best = 0.0
    for round in 0..<rounds {
      let start = Self.seconds()
      pool.run(tasks: parts) { part in _ = unsafe mio_probe_read(base + part * bytes, bytes, round % 2 * 2048) }
      best = max(best, Double(bytes * parts) / (Self.seconds() - start) * 1e-9)
    }
    return best
  }

  /// Measures all three limits.
  package func limits() -> MachineLimits {
    MachineLimits(
      readGigabytesPerSecond: readGigabytesPerSecond(),
      int8Gigaops: operations { mio_probe_int8($0) },
      f32Gigaflops: operations { mio_probe_f32($0) })
  }

  private func operations(_ loop: (UInt64) -> UInt64) -> Double {
    var best = 0.0
    for _ in 0..<3 {
      let start = Self.seconds()
      var done: UInt64 = 0
      pool.run(tasks: pool.threadCount) { task in
        let count = loop(2_000_000)
        if task == 0 { done = count }
      }
      best = max(best, Double(done) * Double(pool.threadCount) / (Self.seconds() - start) * 1e-9)
    }
    return best
  }

  private static func seconds() -> Double {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
