import CMioKernels

// Dense attention in 16-bit fixed point: queries, keys, weights and values are all rounded, in groups of 64.
extension DenseAttentionWork {
  /// Lays keys out as panels [16 keys][groups of D], values as panels [16 columns][groups of 64 keys].
  func packFixed(part: Int, chunk index: Int) {
    let (keyPanels, valuePanels, count) = unsafe chunk(part, index)
    let first = index * plan.chunkLength
    unsafe packKeys(
      rows(keys, part: part, count: plan.keyCount) + first * keys.stride, count: count,
      fixedPanels(keyPanels, plan.chunkLength / 16, groups: plan.widthGroups))
    unsafe packValues(
      rows(values, part: part, count: plan.keyCount) + first * values.stride, count: count,
      fixedPanels(valuePanels, plan.storedWidth / 16, groups: plan.chunkGroups))
  }

  private func fixedPanels(_ memory: UnsafeMutableRawPointer, _ count: Int, groups: Int) -> mio_fixed_panels {
    unsafe mio_fixed_panels(
      values: memory.assumingMemoryBound(to: Int16.self),
      scales: (memory + count * groups * 2048).assumingMemoryBound(to: Float.self), panel_count: count, groups: groups)
  }

  private func packKeys(_ source: UnsafeMutablePointer<Float>, count: Int, _ panels: mio_fixed_panels) {
    let groups = plan.widthGroups
    let rounded = FixedPointRows(positionCount: groups)
    let values = unsafe UnsafeMutablePointer(mutating: panels.values!)
    let scales = unsafe UnsafeMutablePointer(mutating: panels.scales!)
    for key in 0..<plan.chunkLength {
      if key < count {
        let row = unsafe mio_float_rows(
          base: source + key * keys.stride, stride: 0, rows: 1, columns: attention.headWidth, factor: nil, offset: nil,
          activates: 0)
        unsafe table.fix_rows(row, groups, rounded.values, rounded.scales)
      } else {
        rounded.view.clear(0..<groups)
      }
      for group in 0..<groups {
        let place = key / 16 * groups + group
        // Pairs of k move as one word.
        let target = unsafe UnsafeMutableRawPointer(values + place * 1024).assumingMemoryBound(to: UInt32.self)
        let pairs = unsafe UnsafeRawPointer(rounded.values + group * 64).assumingMemoryBound(to: UInt32.self)
        for pair in 0..<32 { unsafe target[pair * 16 + key % 16] = pairs[pair] }
        unsafe scales[place * 16 + key % 16] = rounded.scales[group]
      }
    }
  }

  private func packValues(_ source: UnsafeMutablePointer<Float>, count: Int, _ panels: mio_fixed_panels) {
    for panel in 0..<(plan.storedWidth / 16) {
      for group in 0..<plan.chunkGroups {
        let place = panel * plan.chunkGroups + group
        let target = unsafe UnsafeMutablePointer(mutating: panels.values + place * 1024)
        let scales = unsafe UnsafeMutablePointer(mutating: panels.scales + place * 16)
        let first = unsafe source + group * 64 * values.stride + panel * 16
        let (rows, columns) = (max(0, min(64, count - group * 64)), min(16, attention.headWidth - panel * 16))
        unsafe table.fix_columns(first, values.stride, rows, columns, target, scales)
      }
    }
  }

  func attendFixed(
    part: Int, first: Int, count: Int, _ result: UnsafeMutablePointer<Float>, _ states: UnsafeMutablePointer<Float>,
    _ scratch: UnsafeMutableRawPointer
  ) {
    let (tile, groups, chunkGroups) = (plan.tileLength, plan.widthGroups, plan.chunkGroups)
    let scores = unsafe scratch.assumingMemoryBound(to: Float.self)
    let queryValues = unsafe UnsafeMutableRawPointer(scores + tile * (plan.chunkLength + plan.storedWidth))
      .assumingMemoryBound(to: Int16.self)
    let weightValues = unsafe queryValues + tile * groups * 64
    let queryScales = unsafe UnsafeMutableRawPointer(weightValues + tile * chunkGroups * 64)
      .assumingMemoryBound(to: Float.self)
    let weightScales = unsafe queryScales + tile * groups
    let source = unsafe mio_float_rows(
      base: rows(queries, part: part, count: plan.queryCount) + first * queries.stride, stride: queries.stride,
      rows: count, columns: attention.headWidth, factor: nil, offset: nil, activates: 0)
    unsafe table.fix_rows(source, groups, queryValues, queryScales)
    for index in 0..<plan.chunkCount {
      let start = index * plan.chunkLength
      if attention.isCausal, start >= first + count { break }
      let (keyPanels, valuePanels, keyCount) = unsafe chunk(part, index)
      let padded = (keyCount + 63) & ~63
      var scored = unsafe fixedPanels(keyPanels, plan.chunkLength / 16, groups: groups)
      unsafe scored.panel_count = padded / 16
      unsafe multiply(
        scored, values: queryValues, scales: queryScales, stride: groups, count: count, into: scores, rowStride: padded,
        columns: padded, adds: false)
      for row in 0..<count {
        let visible = visibleKeys(query: first + row, chunkStart: start, count: keyCount)
        unsafe onlineSoftmaxFixed(
          onlineSoftmaxRow(
            scores + row * padded, padded: padded, visible: visible, states + 2 * row, result + row * output.stride),
          weightValues + row * chunkGroups * 64, weightScales + row * chunkGroups)
      }
      // Groups behind the chunk's last key have values of zero, but weights of the chunk before.
      for row in 0..<count {
        for group in (padded / 64)..<chunkGroups { unsafe weightScales[row * chunkGroups + group] = 0 }
      }
      unsafe multiply(
        fixedPanels(valuePanels, plan.storedWidth / 16, groups: chunkGroups), values: weightValues,
        scales: weightScales, stride: chunkGroups, count: count, into: result, rowStride: output.stride,
        columns: attention.headWidth, adds: true)
    }
  }

  private func multiply(
    _ panels: mio_fixed_panels, values: UnsafeMutablePointer<Int16>, scales: UnsafeMutablePointer<Float>, stride: Int,
    count: Int, into target: UnsafeMutablePointer<Float>, rowStride: Int, columns: Int, adds: Bool
  ) {
    unsafe withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 2 * count) { indexMap in
      guard let base = indexMap.baseAddress else { return }
      for row in 0..<count { unsafe (base[row], base[count + row]) = (UInt32(row * stride), UInt32(row)) }
      var operand = unsafe mio_fixed_rows(
        values: values, scales: scales, starts: base, run_groups: stride, run_stride: 0, count: count)
      let result = unsafe mio_fixed_target(
        base: target, index_map: base + count, stride: rowStride, columns: columns, bias: nil, adds: adds ? 1 : 0)
      unsafe table.multiply_fixed(panels, &operand, result)
    }
  }

  private func onlineSoftmaxFixed(
    _ row: mio_online_softmax_row, _ values: UnsafeMutablePointer<Int16>, _ scales: UnsafeMutablePointer<Float>
  ) {
    if unsafe row.visible == 0 {
      unsafe values.update(repeating: 0, count: row.padded)
      return unsafe scales.update(repeating: 0, count: row.padded / 64)
    }
    unsafe table.online_softmax_fixed(row, values, scales)
  }
}
