import CMioKernels
import Synchronization

/// Multi-head attention over 32-bit activations: `y[t] = Σ_p softmax_p(scale · q[t] · k[p]) v[p]`, head by head.
///
/// Keys are taken in chunks of about 300 with a running maximum and sum, so that scores never need memory for all
/// pairs of tokens. The chunks depend on the number of keys alone: a row's result depends neither on the other queries nor on
/// the number of threads. Milakov and Gimelshein 2018, arXiv:1805.02867; Dao et al. 2022, arXiv:2205.14135.
package struct DenseAttention: Hashable, Sendable {
  package let headCount: Int  // H
  package let headWidth: Int  // D
  /// Factor of the scores.
  package let scale: Float
  /// Whether query t sees keys 0...t only. Needs as many queries as keys.
  package let isCausal: Bool
  /// Whether the two products are taken in 16-bit fixed point, see ``FixedPointRows``.
  package let isFixedPoint: Bool

  /// - Parameter scale: 1 / √D unless given.
  package init(
    headCount: Int, headWidth: Int, scale: Float? = nil, isCausal: Bool = false, isFixedPoint: Bool = false
  ) {
    precondition(headCount > 0 && headWidth > 0, "attention needs heads of some width")
    self.headCount = headCount
    self.headWidth = headWidth
    self.scale = scale ?? 1 / Float(headWidth).squareRoot()
    precondition(self.scale > 0, "the scale of attention is positive")
    self.isCausal = isCausal
    self.isFixedPoint = isFixedPoint
  }

  /// The first columns of queries, keys and values in their buffers: parts of one product may lie side by side.
  package struct Columns: Hashable, Sendable {
    package var query = 0
    package var key = 0
    package var value = 0

    package init(query: Int = 0, key: Int = 0, value: Int = 0) {
      self.query = query
      self.key = key
      self.value = value
    }
  }

  /// Attends.
  ///
  /// - Parameters:
  ///   - queries: [B T, ...] with H D columns from `columns.query` on.
  ///   - keys: [B P, ...], values: [B P, ...]; likewise.
  ///   - batch: B. Rows are cut into B equal parts; queries of a part see the keys of the same part.
  ///   - y: [B T, H D], overwritten.
  package func forward(
    queries: borrowing Activations, keys: borrowing Activations, values: borrowing Activations,
    columns: Columns = Columns(), batch: Int = 1, into y: inout Activations, on context: KernelContext
  ) {
    let width = headCount * headWidth
    precondition(
      columns.query >= 0 && columns.query + width <= queries.columns && columns.key >= 0
        && columns.key + width <= keys.columns && columns.value >= 0 && columns.value + width <= values.columns,
      "queries, keys and values need \(width) columns each")
    precondition(
      batch > 0 && queries.rows % batch == 0 && keys.rows % batch == 0 && keys.rows == values.rows && keys.rows > 0,
      "the rows of queries, keys and values do not divide into \(batch) equal parts")
    precondition(!isCausal || queries.rows == keys.rows, "causal attention needs a key for every query")
    precondition(y.rows == queries.rows && y.columns == width, "the result needs a row per query and \(width) columns")
    guard queries.rows > 0 else { return }
    let plan = Plan(self, queryCount: queries.rows / batch, keyCount: keys.rows / batch, batch: batch)
    let slotCount = min(context.pool.threadCount, plan.workCount)
    let memory = unsafe context.scratch(byteCount: plan.packedByteCount + slotCount * plan.slotByteCount)
    let work = unsafe DenseAttentionWork(
      attention: self, plan: plan, table: context.variant.table.pointee,
      queries: .init(base: queries.base + columns.query, stride: queries.columns),
      keys: .init(base: keys.base + columns.key, stride: keys.columns),
      values: .init(base: values.base + columns.value, stride: values.columns),
      output: .init(base: y.base, stride: width), packed: memory)
    context.pool.run(tasks: plan.partCount * plan.chunkCount) { task in
      work.pack(part: task / plan.chunkCount, chunk: task % plan.chunkCount)
    }
    // A task for each thread rather than for each tile of queries, so that a tile's scratch is the thread's own.
    let next = Atomic<Int>(0)
    context.pool.run(tasks: slotCount) { slot in
      let scratch = unsafe memory + plan.packedByteCount + slot * plan.slotByteCount
      while true {
        let item = next.add(1, ordering: .relaxed).oldValue
        guard item < plan.workCount else { return }
        unsafe work.attend(part: item / plan.tileCount, tile: item % plan.tileCount, scratch)
      }
    }
  }

  /// How the work is cut, and where the packed keys and values lie.
  struct Plan {
    let queryCount: Int  // T
    let keyCount: Int  // P
    /// Pairs of a batch entry and a head.
    let partCount: Int
    /// Queries that read a chunk of keys together: a multiple of the six rows that the kernels take at once.
    let tileLength: Int
    let tileCount: Int
    /// Keys of a chunk, a multiple of 16, in fixed point of 64; the last one may have fewer.
    let chunkLength: Int
    let chunkCount: Int
    /// D rounded up to whole panels.
    let storedWidth: Int
    private let headWidth: Int
    private let isFixedPoint: Bool

    init(_ attention: DenseAttention, queryCount: Int, keyCount: Int, batch: Int) {
      self.queryCount = queryCount
      self.keyCount = keyCount
      (headWidth, isFixedPoint) = (attention.headWidth, attention.isFixedPoint)
      storedWidth = (attention.headWidth + 15) & ~15
      partCount = batch * attention.headCount
      tileLength = isFixedPoint ? 48 : 96
      tileCount = (queryCount + tileLength - 1) / tileLength
      // Chunks of equal length: 257 keys are one chunk, not one of 256 and one of 1.
      let (most, multiple) = isFixedPoint ? (320, 64) : (288, 16)
      let count = (keyCount + most - 1) / most
      chunkLength = ((keyCount + count - 1) / count + multiple - 1) / multiple * multiple
      chunkCount = (keyCount + chunkLength - 1) / chunkLength
    }

    var workCount: Int { partCount * tileCount }
    /// Groups of a key, and of a chunk of weights.
    var widthGroups: Int { FixedPointRows.positions(columns: headWidth) }
    var chunkGroups: Int { chunkLength / FixedPointRows.groupLength }
    /// Bytes of the packed keys, and of the packed values, of one chunk.
    var keyByteCount: Int {
      isFixedPoint ? chunkLength / 16 * widthGroups * (2048 + 64) : chunkLength * headWidth * 4
    }
    var valueByteCount: Int {
      isFixedPoint ? storedWidth / 16 * chunkGroups * (2048 + 64) : chunkLength * storedWidth * 4
    }
    var packedByteCount: Int { partCount * chunkCount * (keyByteCount + valueByteCount) }

    /// Scores [tile, chunk], products [tile, D], states [tile, 2]; in fixed point also the tile's queries and weights.
    var slotByteCount: Int {
      let floats = tileLength * (chunkLength + storedWidth + 2) * 4
      return isFixedPoint ? floats + (tileLength * (widthGroups + chunkGroups) * (128 + 4) + 63) & ~63 : floats
    }
  }
}
