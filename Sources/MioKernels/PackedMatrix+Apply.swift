import CMioKernels

extension PackedMatrix {
  /// y[t, r] = Σ_k W[r, k] x[t, k]; y has the shape [x.rows, rows].
  ///
  /// A row of the result does not depend on the other rows of x, nor on the number of threads or the instruction set.
  package func apply(_ x: borrowing Activations, into y: inout Activations, on context: KernelContext) {
    precondition(x.columns == columns, "a matrix of \(columns) columns cannot be applied to rows of \(x.columns)")
    let operand = unsafe mio_rows(base: x.base, stride: x.columns, count: x.rows)
    unsafe apply(operand, [0..<rows], into: &y, on: context)
  }

  /// Applies the matrix to overlapping windows, which makes it a convolution: operand row t is the `columns` floats of x
  /// from float t · stride on. y has the shape [count, rows].
  package func apply(
    windowsOf x: borrowing Activations, stride: Int, count: Int, into y: inout Activations, on context: KernelContext
  ) {
    precondition(stride >= 0 && count >= 0, "windows need a stride and a count of zero or more")
    precondition(count == 0 || (count - 1) * stride + columns <= x.count, "the last window ends beyond the buffer")
    unsafe apply(mio_rows(base: x.base, stride: stride, count: count), [0..<rows], into: &y, on: context)
  }

  /// As `apply(_:into:on:)`, but computes only the rows in `ranges` (and others in their panels); further columns of y
  /// keep their values.
  package func apply(
    _ x: borrowing Activations, rows ranges: [Range<Int>], into y: inout Activations, on context: KernelContext
  ) {
    precondition(x.columns == columns, "a matrix of \(columns) columns cannot be applied to rows of \(x.columns)")
    for range in ranges {
      precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows \(range) lie outside the matrix of \(rows)")
    }
    let operand = unsafe mio_rows(base: x.base, stride: x.columns, count: x.rows)
    unsafe apply(operand, ranges, into: &y, on: context)
  }

  private func apply(_ x: mio_rows, _ ranges: [Range<Int>], into y: inout Activations, on context: KernelContext) {
    precondition(unsafe y.rows == x.count && y.columns == rows, "the result needs one row per operand row and \(rows) columns")
    let result = unsafe Pointer(y.base)
    switch format {
    case .f32, .f16: unsafe applyFloat(x, ranges, into: result, on: context)
    case .q8, .q4:
      // Rounds of tokens bound the scratch memory.
      for first in unsafe stride(from: 0, to: x.count, by: Self.roundTokens) {
        let part = unsafe mio_rows(
          base: x.base + first * x.stride, stride: x.stride, count: min(Self.roundTokens, x.count - first))
        unsafe applyQuantized(part, ranges, into: Pointer(result.value + first * rows), on: context)
      }
    }
  }

  /// Tokens whose quantized form is kept at a time.
  private static let roundTokens = 1024
  /// Tokens of one task of the float kernels: their windows of 128 columns fit the second-level cache.
  private static let floatTaskTokens = 252

  private func applyFloat(_ x: mio_rows, _ ranges: [Range<Int>], into y: Pointer, on context: KernelContext) {
    let kernel = unsafe format == .f32 ? context.level.table.pointee.multiply_f32 : context.level.table.pointee.multiply_f16
    let tokenTasks = unsafe (x.count + Self.floatTaskTokens - 1) / Self.floatTaskTokens
    guard tokenTasks > 0 else { return }
    let work = PanelWork(ranges, panelCost: unsafe format.panelByteCount(columns: columns) * min(x.count, Self.floatTaskTokens))
    context.pool.run(tasks: work.taskCount * tokenTasks) { task in
      let first = task / work.taskCount * Self.floatTaskTokens
      let panels = work.panels(of: task % work.taskCount)
      let part = unsafe mio_rows(
        base: x.base + first * x.stride, stride: x.stride, count: min(Self.floatTaskTokens, x.count - first))
      let target = unsafe target(y, token: first, panels: panels)
      if let kernel = unsafe kernel {
        unsafe kernel(weights(panels), part, target)
      } else {
        unsafe ReferenceKernels.multiplyFloat(weights(panels), half: format == .f16, part, target)
      }
    }
  }

  private func applyQuantized(_ x: mio_rows, _ ranges: [Range<Int>], into y: Pointer, on context: KernelContext) {
    let groups = format.storedColumns(columns) / WeightFormat.groupLength
    let table = unsafe context.level.table.pointee
    let kernel = unsafe format == .q4 ? table.multiply_q4 : table.multiply_q8
    let quantizer = unsafe table.quantize_rows
    let blocks = unsafe QuantizedActivations(
      groups: groups, tokens: x.count,
      base: context.scratch(byteCount: QuantizedActivations.byteCount(groups: groups, tokens: x.count)))
    context.pool.run(tasks: blocks.blockCount) { index in
      var block = unsafe blocks.block(index)
      let first = index * QuantizedActivations.blockTokens
      if let quantizer = unsafe quantizer {
        unsafe quantizer(x, first, columns, &block)
      } else {
        unsafe ReferenceKernels.quantize(x, first: first, columns: columns, block)
      }
    }
    let work = PanelWork(ranges, panelCost: unsafe format.panelByteCount(columns: columns) * max(1, x.count / 4))
    context.pool.run(tasks: work.taskCount) { task in
      let panels = work.panels(of: task)
      for index in 0..<blocks.blockCount {
        var block = unsafe blocks.block(index)
        let target = unsafe target(y, token: index * QuantizedActivations.blockTokens, panels: panels)
        if let kernel = unsafe kernel {
          unsafe kernel(weights(panels), &block, target)
        } else {
          unsafe ReferenceKernels.multiplyQuantized(weights(panels), format: format, block, target)
        }
      }
    }
  }

  private func weights(_ panels: Range<Int>) -> mio_panels {
    let bytes = format.panelByteCount(columns: columns)
    let stored = format.storedColumns(columns)
    let length = format == .q8 || format == .q4 ? stored / WeightFormat.groupLength : columns
    return unsafe mio_panels(
      base: base.assumingMemoryBound(to: UInt8.self) + panels.lowerBound * bytes, panel_count: panels.count,
      panel_bytes: bytes, length: length)
  }

  private func target(_ y: Pointer, token: Int, panels: Range<Int>) -> mio_target {
    let row = panels.lowerBound * WeightFormat.panelRows
    return unsafe mio_target(base: y.value + token * rows + row, stride: rows, columns: rows - row)
  }
}

/// The panels that cover some rows, cut into tasks.
private struct PanelWork {
  /// Disjoint and ascending.
  private let ranges: [Range<Int>]
  private let panelsPerTask: Int
  let taskCount: Int

  /// Bytes times tokens that one task should take at least, a few microseconds.
  private static let leastCost = 96 * 1024
  /// More tasks than this cost more than they even out.
  private static let mostTasks = 96

  /// - Parameter panelCost: bytes of a panel times the tokens that cost as much time as reading it.
  init(_ rows: [Range<Int>], panelCost: Int) {
    ranges = Self.panels(covering: rows)
    let panels = ranges.reduce(0) { $0 + $1.count }
    let wanted = max(Self.leastCost / max(panelCost, 1), panels / Self.mostTasks)
    // Kernels take four panels at once.
    let perTask = (wanted + 4) & ~3
    panelsPerTask = perTask
    taskCount = ranges.reduce(0) { $0 + ($1.count + perTask - 1) / perTask }
  }

  func panels(of task: Int) -> Range<Int> {
    var task = task
    for range in ranges {
      let count = (range.count + panelsPerTask - 1) / panelsPerTask
      if task < count {
        let first = range.lowerBound + task * panelsPerTask
        return first..<min(first + panelsPerTask, range.upperBound)
      }
      task -= count
    }
    return 0..<0
  }

  /// Disjoint ascending panel ranges that contain the given rows.
  private static func panels(covering rows: [Range<Int>]) -> [Range<Int>] {
    var result: [Range<Int>] = []
    for range in rows.filter({ !$0.isEmpty }).sorted(by: { $0.lowerBound < $1.lowerBound }) {
      let panels = range.lowerBound / WeightFormat.panelRows..<(range.upperBound + 15) / WeightFormat.panelRows
      if let last = result.last, last.upperBound >= panels.lowerBound {
        result[result.count - 1] = last.lowerBound..<max(last.upperBound, panels.upperBound)
      } else {
        result.append(panels)
      }
    }
    return result
  }
}

/// A pointer that tasks of one kernel share; they write disjoint elements.
@safe
private struct Pointer: @unchecked Sendable {
  let value: UnsafeMutablePointer<Float>
  init(_ value: UnsafeMutablePointer<Float>) { unsafe self.value = value }
}
