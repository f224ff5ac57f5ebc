import CMioKernels

/// The operands of one call of dense attention. Tasks write disjoint rows.
@safe
struct DenseAttentionWork {
  @safe
  struct Rows {
    let base: UnsafeMutablePointer<Float>
    let stride: Int
  }

  let attention: DenseAttention
  let plan: DenseAttention.Plan
  let table: mio_kernels
  let queries: Rows
  let keys: Rows
  let values: Rows
  let output: Rows
  /// [parts][chunks] of packed keys and packed values.
  let packed: UnsafeMutableRawPointer

  /// Keys and values of a chunk: keys as panels of 16 keys, values as panels of 16 columns.
  func chunk(
    _ part: Int, _ chunk: Int
  ) -> (keys: UnsafeMutableRawPointer, values: UnsafeMutableRawPointer, count: Int) {
    let keys = unsafe packed + (part * plan.chunkCount + chunk) * (plan.keyByteCount + plan.valueByteCount)
    return unsafe (keys, keys + plan.keyByteCount, min(plan.chunkLength, plan.keyCount - chunk * plan.chunkLength))
  }

  /// Where a part's rows start.
  func rows(_ rows: Rows, part: Int, count: Int) -> UnsafeMutablePointer<Float> {
    let (entry, head) = (part / attention.headCount, part % attention.headCount)
    return unsafe rows.base + entry * count * rows.stride + head * attention.headWidth
  }

  func pack(part: Int, chunk: Int) {
    if attention.isFixedPoint { packFixed(part: part, chunk: chunk) } else { packFloats(part: part, chunk: chunk) }
  }

  /// Attends for one tile of queries of one part.
  func attend(part: Int, tile: Int, _ scratch: UnsafeMutableRawPointer) {
    let first = tile * plan.tileLength
    let count = min(plan.tileLength, plan.queryCount - first)
    let states = unsafe scratch.assumingMemoryBound(to: Float.self)
    for row in 0..<count { unsafe (states[2 * row], states[2 * row + 1]) = (-.infinity, 0) }
    let result = unsafe rows(output, part: part, count: plan.queryCount) + first * output.stride
    for row in 0..<count { unsafe (result + row * output.stride).update(repeating: 0, count: attention.headWidth) }
    let rest = unsafe scratch + plan.tileLength * 8
    if attention.isFixedPoint {
      unsafe attendFixed(part: part, first: first, count: count, result, states, rest)
    } else {
      unsafe attendFloats(part: part, first: first, count: count, result, states, rest)
    }
    for row in 0..<count {
      let (values, scale) = unsafe (result + row * output.stride, 1 / states[2 * row + 1])
      for column in 0..<attention.headWidth { unsafe values[column] *= scale }
    }
  }

  /// A row of scores on its way to weights. The kernels raise 2 to them.
  func onlineSoftmaxRow(
    _ scores: UnsafeMutablePointer<Float>, padded: Int, visible: Int, _ state: UnsafeMutablePointer<Float>,
    _ result: UnsafeMutablePointer<Float>
  ) -> mio_online_softmax_row {
    unsafe mio_online_softmax_row(
      scores: scores, padded: padded, visible: visible, scale: attention.scale * 1.44269504088896341, state: state,
      result: result, width: attention.headWidth)
  }

  /// How many of a chunk's keys a query sees.
  func visibleKeys(query: Int, chunkStart: Int, count: Int) -> Int {
    attention.isCausal ? max(0, min(count, query + 1 - chunkStart)) : count
  }
}

// 32-bit floats.
extension DenseAttentionWork {
  /// Lays keys and values out as the panels that the matrix kernels read. Keys beyond the last are zero.
  private func packFloats(part: Int, chunk index: Int) {
    let width = attention.headWidth
    let (keyBytes, valueBytes, count) = unsafe chunk(part, index)
    let (keyPanels, valuePanels) = unsafe (
      keyBytes.assumingMemoryBound(to: Float.self), valueBytes.assumingMemoryBound(to: Float.self)
    )
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

  private func attendFloats(
    part: Int, first: Int, count: Int, _ result: UnsafeMutablePointer<Float>, _ states: UnsafeMutablePointer<Float>,
    _ scratch: UnsafeMutableRawPointer
  ) {
    let width = attention.headWidth
    let scores = unsafe scratch.assumingMemoryBound(to: Float.self)
    let products = unsafe scores + plan.tileLength * plan.chunkLength
    let query = unsafe mio_rows(
      base: rows(queries, part: part, count: plan.queryCount) + first * queries.stride, stride: queries.stride,
      count: count)
    for index in 0..<plan.chunkCount {
      let start = index * plan.chunkLength
      if attention.isCausal, start >= first + count { break }
      let (keyPanels, valuePanels, keyCount) = unsafe chunk(part, index)
      let padded = (keyCount + 15) & ~15
      unsafe multiply(
        panels: keyPanels, count: padded / 16, length: width, query,
        mio_target(base: scores, stride: padded, columns: padded))
      for row in 0..<count {
        let visible = visibleKeys(query: first + row, chunkStart: start, count: keyCount)
        unsafe onlineSoftmax(
          onlineSoftmaxRow(
            scores + row * padded, padded: padded, visible: visible, states + 2 * row, result + row * output.stride))
      }
      unsafe multiply(
        panels: valuePanels, count: plan.storedWidth / 16, length: keyCount,
        mio_rows(base: scores, stride: padded, count: count), mio_target(base: products, stride: width, columns: width))
      for row in 0..<count {
        unsafe Activations.combine(result + row * output.stride, products + row * width, count: width) { $0 + $1 }
      }
    }
  }

  private func multiply(panels: UnsafeMutableRawPointer, count: Int, length: Int, _ x: mio_rows, _ y: mio_target) {
    let weights = unsafe mio_panels(
      base: panels.assumingMemoryBound(to: UInt8.self), panel_count: count, panel_bytes: length * 64, length: length,
      streaming: mio_streaming())
    unsafe table.multiply_f32(weights, x, y)
  }

  private func onlineSoftmax(_ row: mio_online_softmax_row) {
    if unsafe row.visible == 0 { return unsafe row.scores.update(repeating: 0, count: row.padded) }
    unsafe table.online_softmax(row)
  }
}
