#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Measures which kernels are the fastest on this machine: a tenth of a second with caches of usual size.
///
/// The known choice stays unless another is faster by ``margin``, so that noise does not decide.
package final class KernelTrial {
  package struct Figure: Hashable, Sendable {
    package let choice: String
    /// The fastest of all rounds.
    package fileprivate(set) var seconds: Double
  }

  package struct Result: Sendable {
    package var choice: KernelChoice
    /// Products of one row by a matrix beyond the caches, by ways of reading, then by variants.
    package var fewRows: [Figure]
    /// Products of 64 rows, by variants.
    package var manyRows: [Figure]
    /// Bytes of weights that a product of one row reads.
    package var byteCount: Int
  }

  /// Ways of reading that were the fastest somewhere.
  package static let ways = ["1:0", "1:12", "1:20:nta", "2:0", "2:8", "2:12", "2:20:nta", "4:0", "4:8", "4:12", "4:20:nta"]
  package static let margin = 0.95

  private static let columns = 4096
  private let pool: WorkerPool
  private let weights: TrialWeights

  /// - Parameter byteCount: of the weights; `nil` takes twice the last cache, 64 MB at least and 256 MB at most.
  package init(pool: WorkerPool, byteCount: Int? = nil) {
    self.pool = pool
    weights = TrialWeights(byteCount: byteCount ?? Self.byteCountBeyondCaches, columns: Self.columns)
  }

  private static var byteCountBeyondCaches: Int {
    min(max(2 * sysconf(Int32(_SC_LEVEL3_CACHE_SIZE)), 64 << 20), 256 << 20)
  }

  package func run() -> Result {
    let known = KernelChoice.preferred
    let variants = KernelVariant.available.filter { $0.name != "portable" || KernelVariant.available.count == 1 }
    let whole = weights.matrix(rows: weights.rows)
    var choice = known

    let ways = Self.ways.compactMap(WeightStreaming.init(parsing:))
    var few = fastest(ways, known: known.streaming, named: \.description) { way in
      self.context(known.fewRows, way)
    } operand: {
      (whole, 1)
    }
    choice.streaming = few.best
    let byVariant = fastest(variants, known: known.fewRows, named: \.name) { variant in
      self.context(variant, choice.streaming)
    } operand: {
      (whole, 1)
    }
    choice.fewRows = byVariant.best
    few.figures += byVariant.figures

    let part = weights.matrix(rows: min(weights.rows, 1024))
    let many = fastest(variants, known: known.manyRows, named: \.name) { variant in
      self.context(variant, choice.streaming)
    } operand: {
      (part, 64)
    }
    choice.manyRows = many.best
    return Result(choice: choice, fewRows: few.figures, manyRows: many.figures, byteCount: weights.byteCount)
  }

  private func context(_ variant: KernelVariant, _ streaming: WeightStreaming) -> KernelContext {
    KernelContext(pool: pool, choice: KernelChoice(fewRows: variant, manyRows: variant, streaming: streaming))
  }

  /// Two rounds of all, then three more of the three fastest, always in turns, so that what else the machine does meets all.
  private func fastest<Candidate: Hashable>(
    _ candidates: [Candidate], known: Candidate, named name: (Candidate) -> String,
    context: (Candidate) -> KernelContext, operand: () -> (matrix: PackedMatrix, rows: Int)
  ) -> (best: Candidate, figures: [Figure]) {
    let candidates = candidates.contains(known) ? candidates : candidates + [known]
    guard candidates.count > 1 else { return (known, []) }
    let (matrix, rows) = operand()
    let x = Activations(rows: rows, columns: matrix.columns)
    var y = Activations(rows: rows, columns: matrix.rows)
    let contexts = candidates.map(context)
    var seconds = [Double](repeating: .infinity, count: candidates.count)
    func round(_ chosen: some Sequence<Int>) {
      for index in chosen {
        let start = Self.now()
        matrix.apply(x, into: &y, on: contexts[index])
        seconds[index] = min(seconds[index], Self.now() - start)
      }
    }
    for _ in 0..<2 { round(candidates.indices) }
    let leaders = candidates.indices.sorted { seconds[$0] < seconds[$1] }.prefix(3)
    let own = candidates.firstIndex(of: known)!
    for _ in 0..<3 { round(Set(leaders + [own]).sorted()) }
    let best = candidates.indices.min { seconds[$0] < seconds[$1] }!
    let figures = zip(candidates, seconds).map { Figure(choice: name($0), seconds: $1) }
    return (seconds[best] < Self.margin * seconds[own] ? candidates[best] : known, figures)
  }

  private static func now() -> Double {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}

/// A q4 matrix of arbitrary numbers.
@safe
private final class TrialWeights: @unchecked Sendable {
  let rows: Int
  let byteCount: Int
  private let columns: Int
  private let base: UnsafeMutableRawPointer

  init(byteCount: Int, columns: Int) {
    self.columns = columns
    let panelBytes = WeightFormat.q4.panelByteCount(columns: columns)
    rows = max(byteCount / panelBytes, 4) * WeightFormat.panelRows
    self.byteCount = WeightFormat.q4.byteCount(rows: rows, columns: columns)
    unsafe base = LargeBlocks.shared.allocate(byteCount: self.byteCount)
    // Bytes 0x11 are small codes and finite scales.
    unsafe base.initializeMemory(as: UInt8.self, repeating: 0x11, count: self.byteCount)
  }

  deinit { unsafe LargeBlocks.shared.deallocate(base, byteCount: byteCount) }

  func matrix(rows: Int) -> PackedMatrix {
    let count = WeightFormat.q4.byteCount(rows: rows, columns: columns)
    return unsafe PackedMatrix(
      format: .q4, rows: rows, columns: columns, bytes: UnsafeRawBufferPointer(start: base, count: count), owner: self)
  }
}
