import CMioKernels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// How fast memory beyond every cache can be read, and in which way that is fastest.
package struct MemoryReading: Hashable, Sendable {
  /// 10⁹ bytes per second of all threads.
  package var gigabytesPerSecond: Double
  /// Parts of memory that each thread reads side by side.
  package let streams: Int
  /// How far ahead they are asked for; with 0 that is left to the processor.
  package let bytesAhead: Int
}

/// What this machine can do at best: the limits that speeds are compared with.
package struct MachineLimits: Hashable, Sendable {
  package var reading: MemoryReading
  /// int8 multiplications and additions, 10⁹ per second.
  package var int8Gigaops: Double
  /// f32 multiplications and additions, 10⁹ per second.
  package var f32Gigaflops: Double

  package var readGigabytesPerSecond: Double { reading.gigabytesPerSecond }
}

/// Measures ``MachineLimits``: memory with the widest instructions of the processor, products with those of a variant.
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

  /// Streams of a thread and bytes ahead, beside one stream left to the processor. Which way is fastest depends on the processor:
  /// some follow one stream best, others need several.
  private static let ways: [(streams: Int, bytesAhead: Int)] = [(1, 2048), (2, 1024), (4, 0), (4, 1024), (8, 0)]

  /// Reads the buffer with all threads in every way, then twice more in the fastest one, and returns the fastest round.
  package func reading() -> MemoryReading {
    var best = read(streams: 1, bytesAhead: 0)
    for way in Self.ways {
      let found = read(streams: way.streams, bytesAhead: way.bytesAhead)
      if found.gigabytesPerSecond > best.gigabytesPerSecond { best = found }
    }
    for _ in 0..<2 {
      let again = read(streams: best.streams, bytesAhead: best.bytesAhead)
      best.gigabytesPerSecond = max(best.gigabytesPerSecond, again.gigabytesPerSecond)
    }
    return best
  }

  private func read(streams: Int, bytesAhead: Int) -> MemoryReading {
    let parts = pool.threadCount * 8
    let bytes = Self.bufferBytes / parts / 8192 * 8192
    nonisolated(unsafe) let base = unsafe buffer
    let start = Self.seconds()
    pool.run(tasks: parts) { part in
      _ = unsafe mio_probe_read(base + part * bytes, bytes, streams, bytesAhead)
    }
    let speed = Double(bytes * parts) / (Self.seconds() - start) * 1e-9
    return MemoryReading(gigabytesPerSecond: speed, streams: streams, bytesAhead: bytesAhead)
  }

  /// Measures all three limits.
  ///
  /// - Parameter variant: the kernels whose instructions products are measured with.
  package func limits(of variant: KernelVariant) -> MachineLimits {
    MachineLimits(
      reading: reading(),
      int8Gigaops: operations { unsafe mio_probe_int8(variant.name, $0) },
      f32Gigaflops: operations { unsafe mio_probe_f32(variant.name, $0) })
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
