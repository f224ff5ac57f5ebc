import CMioKernels
import Synchronization

/// Multi-head attention over 32-bit activations: `y[t] = Σ_p softmax_p(scale · q[t] · k[p]) v[p]`, head by head.
///
/// Keys are taken in chunks of at most 288 with a running maximum and sum, so that scores never need memory for all
/// pairs of tokens. The chunks depend on the number of keys alone: a row's result depends neither on the other queries nor on
/// the number of threads. Milakov and Gimelshein 2018, arXiv:1805.02867; Dao et al. 2022, arXiv:2205.14135.
package struct DenseAttention: Hashable, Sendable {
  package let headCount: Int  // H
  package let headWidth: Int  // D
  /// Factor of the scores.
  package let scale: Float
  /// Whether query t sees keys 0...t only. Needs as many queries as keys.
  package let isCausal: Bool

  /// - Parameter scale: 1 / √D unless given.
  package init(headCount: Int, headWidth: Int, scale: Float? = nil, isCausal: Bool = false) {
    precondition(headCount > 0 && headWidth > 0, "attention needs heads of some width")
    self.headCount = headCount
    self.headWidth = headWidth
    self.scale = scale ?? 1 / Float(headWidth).squareRoot()
    self.isCausal = isCausal
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
      attention: self, plan: plan, kernel: context.level.table.pointee.multiply_f32,
      queries: .init(base: queries.base + columns.query, stride: queries.columns),
      keys: .init(base: keys.base + columns.key, stride: keys.columns),
      values: .init(base: values.base + columns.value, stride: values.columns),
      output: .init(base: y.base, stride: width), packed: memory.assumingMemoryBound(to: Float.self))
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
    static let tileLength = 96
    let tileCount: Int
    /// Keys of a chunk, a multiple of 16; the last one may have fewer.
    let chunkLength: Int
    let chunkCount: Int
    /// D rounded up to whole panels.
    let storedWidth: Int
    private let headWidth: Int

    init(_ attention: DenseAttention, queryCount: Int, keyCount: Int, batch: Int) {
      self.queryCount = queryCount
      self.keyCount = keyCount
      headWidth = attention.headWidth
      storedWidth = (attention.headWidth + 15) & ~15
      partCount = batch * attention.headCount
      tileCount = (queryCount + Self.tileLength - 1) / Self.tileLength
      // Chunks of equal length: 257 keys are one chunk, not one of 256 and one of 1.
      let count = (keyCount + 287) / 288
      chunkLength = ((keyCount + count - 1) / count + 15) & ~15
      chunkCount = (keyCount + chunkLength - 1) / chunkLength
    }

    var workCount: Int { partCount * tileCount }
    /// Floats of the packed keys, and of the packed values, of one chunk.
    var keyFloats: Int { chunkLength * headWidth }
    var valueFloats: Int { chunkLength * storedWidth }
    var packedByteCount: Int { partCount * chunkCount * (keyFloats + valueFloats) * 4 }
    /// Scores [tile, chunk], products [tile, D], maxima and sums [tile].
    var slotByteCount: Int { Self.tileLength * (chunkLength + storedWidth + 2) * 4 }
  }
}

/// The operands of one call. Tasks write disjoint rows.
@safe
private struct DenseAttentionWork {
  @safe
  struct Rows {
    let base: UnsafeMutablePointer<Float>
    let stride: Int
  }

  let attention: DenseAttention
  let plan: DenseAttention.Plan
  let kernel: (@convention(c) (mio_panels, mio_rows, mio_target) -> Void)?
  let queries: Rows
  let keys: Rows
  let values: Rows
  let output: Rows
  /// [parts][chunks] of: keys [panels of 16 keys][D][16], values [panels of 16 columns][chunk][16].
  let packed: UnsafeMutablePointer<Float>

  private func chunk(
    _ part: Int, _ chunk: Int
  ) -> (keys: UnsafeMutablePointer<Float>, values: UnsafeMutablePointer<Float>, count: Int) {
    let keys = unsafe packed + (part * plan.chunkCount + chunk) * (plan.keyFloats + plan.valueFloats)
    return unsafe (keys, keys + plan.keyFloats, min(plan.chunkLength, plan.keyCount - chunk * plan.chunkLength))
  }

  /// Where a part's rows start.
  private func rows(_ rows: Rows, part: Int, count: Int) -> UnsafeMutablePointer<Float> {
    let (entry, head) = (part / attention.headCount, part % attention.headCount)
    return unsafe rows.base + entry * count * rows.stride + head * attention.headWidth
  }

  /// Lays keys and values out as the panels that the matrix kernels read. Keys beyond the last are zero.
  func pack(part: Int, chunk index: Int) {
    let width = attention.headWidth
    let (keyPanels, valuePanels, count) = unsafe chunk(part, index)
    let first = index * plan.chunkLength
    let keyRows = unsafe rows(keys, part: part, count: plan.keyCount) + first * keys.stride
    for key in 0..<((count + 15) & ~15) {
      let target = unsafe keyPanels + key / 16 * 16 * width + key % 16
      let source = unsafe keyRows + key * keys.stride
      for d in 0..<width { unsafe target[d * 16] = key < count ? source[d] : 0 }
    }
    let valueRows = unsafe rows(values, part: part, count: plan.keyCount) + first * values.stride
    for panel in 0..<(plan.storedWidth / 16) {
      let used = min(16, width - panel * 16)
      for key in 0..<count {
        let target = unsafe valuePanels + (panel * count + key) * 16
        let source = unsafe valueRows + key * values.stride + panel * 16
        for d in 0..<16 { unsafe target[d] = d < used ? source[d] : 0 }
      }
    }
  }

  /// Attends for one tile of queries of one part.
  func attend(part: Int, tile: Int, _ scratch: UnsafeMutableRawPointer) {
    let first = tile * DenseAttention.Plan.tileLength
    let count = min(DenseAttention.Plan.tileLength, plan.queryCount - first)
    let scores = unsafe scratch.assumingMemoryBound(to: Float.self)
    let products = unsafe scores + DenseAttention.Plan.tileLength * plan.chunkLength
    let maxima = unsafe products + DenseAttention.Plan.tileLength * plan.storedWidth
    let sums = unsafe maxima + DenseAttention.Plan.tileLength
    let query = unsafe mio_rows(
      base: rows(queries, part: part, count: plan.queryCount) + first * queries.stride, stride: queries.stride,
      count: count)
    let result = unsafe rows(output, part: part, count: plan.queryCount) + first * output.stride
    for index in 0..<plan.chunkCount {
      let start = index * plan.chunkLength
      if attention.isCausal, start >= first + count { break }
      let (keyPanels, valuePanels, keyCount) = unsafe chunk(part, index)
      let padded = (keyCount + 15) & ~15
      unsafe multiply(
        panels: keyPanels, count: padded / 16, length: attention.headWidth, query,
        mio_target(base: scores, stride: padded, columns: padded))
      for row in 0..<count {
        let visible = attention.isCausal ? min(keyCount, first + row + 1 - start) : keyCount
        let factor = unsafe soften(
          scores + row * padded, padded, visible: visible, isFirst: index == 0, &maxima[row], &sums[row])
        if index > 0 { unsafe scale(result + row * output.stride, by: factor) }
      }
      let weights = unsafe mio_rows(base: scores, stride: padded, count: count)
      let panels = plan.storedWidth / 16
      if index == 0 {
        unsafe multiply(
          panels: valuePanels, count: panels, length: keyCount, weights,
          mio_target(base: result, stride: output.stride, columns: attention.headWidth))
      } else {
        unsafe multiply(
          panels: valuePanels, count: panels, length: keyCount, weights,
          mio_target(base: products, stride: attention.headWidth, columns: attention.headWidth))
        for row in 0..<count {
          unsafe Activations.combine(
            result + row * output.stride, products + row * attention.headWidth, count: attention.headWidth) { $0 + $1 }
        }
      }
    }
    for row in 0..<count { unsafe scale(result + row * output.stride, by: 1 / sums[row]) }
  }

  private func multiply(
    panels: UnsafeMutablePointer<Float>, count: Int, length: Int, _ x: mio_rows, _ y: mio_target
  ) {
    let weights = unsafe mio_panels(
      base: UnsafeRawPointer(panels).assumingMemoryBound(to: UInt8.self), panel_count: count, panel_bytes: length * 64,
      length: length)
    if let kernel = unsafe kernel {
      unsafe kernel(weights, x, y)
    } else {
      unsafe ReferenceKernels.multiplyFloat(weights, half: false, x, y)
    }
  }

  /// Turns a row of scores into weights relative to the largest score so far; those beyond `visible` become 0.
  ///
  /// - Returns: the factor that brings what was summed before to the new maximum.
  private func soften(
    _ row: UnsafeMutablePointer<Float>, _ padded: Int, visible: Int, isFirst: Bool, _ maximum: inout Float,
    _ sum: inout Float
  ) -> Float {
    guard visible > 0 else {
      unsafe row.update(repeating: 0, count: padded)
      return 1
    }
    let raw = UnsafeMutableRawPointer(row)
    for index in visible..<max(visible, (visible + 15) & ~15) { unsafe row[index] = -.infinity }
    let used = (visible + 15) & ~15
    var peaks = Lanes(repeating: -.infinity)
    for start in stride(from: 0, to: used, by: 16) {
      let score = unsafe raw.loadUnaligned(fromByteOffset: start * 4, as: Lanes.self)
      peaks = peaks.replacing(with: score, where: score .> peaks)
    }
    let peak = max(peaks.max() * attention.scale, isFirst ? -.infinity : maximum)
    let shift = Lanes(repeating: peak)
    var partial = Lanes(repeating: 0)
    for start in stride(from: 0, to: used, by: 16) {
      let score = unsafe raw.loadUnaligned(fromByteOffset: start * 4, as: Lanes.self)
      let weight = VectorMath.exp(score * attention.scale - shift)
      partial += weight
      unsafe raw.storeBytes(of: weight, toByteOffset: start * 4, as: Lanes.self)
    }
    if used < padded { unsafe (row + used).update(repeating: 0, count: padded - used) }
    let factor = isFirst ? 0 : VectorMath.exp(Lanes(repeating: maximum - peak))[0]
    sum = (isFirst ? 0 : sum * factor) + VectorMath.sum(partial)
    maximum = peak
    return factor
  }

  private func scale(_ row: UnsafeMutablePointer<Float>, by factor: Float) {
    if factor == 1 { return }
    for column in 0..<attention.headWidth { unsafe row[column] *= factor }
  }
}
