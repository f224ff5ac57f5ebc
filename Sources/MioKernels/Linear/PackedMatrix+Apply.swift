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
    unsafe Self.apply(x, columns: columns, [product(ranges, into: &y, rows: x.count)], on: context)
  }

  private func product(_ ranges: [Range<Int>], into y: inout Activations, rows count: Int) -> Product {
    precondition(y.rows == count && y.columns == rows, "the result needs one row per operand row and \(rows) columns")
    return unsafe Product(matrix: self, ranges: ranges, target: Pointer(y.base))
  }

  /// Several matrices times the same rows: a = A x, b = B x and so on, each as `apply(_:into:on:)` would compute it.
  package static func apply(
    _ x: borrowing Activations, _ first: PackedMatrix, into a: inout Activations, _ second: PackedMatrix,
    into b: inout Activations, on context: KernelContext
  ) {
    let operand = unsafe mio_rows(base: x.base, stride: x.columns, count: x.rows)
    unsafe apply(
      operand, columns: x.columns,
      [
        first.product([0..<first.rows], into: &a, rows: x.rows), second.product([0..<second.rows], into: &b, rows: x.rows),
      ], on: context)
  }

  package static func apply(
    _ x: borrowing Activations, _ first: PackedMatrix, into a: inout Activations, _ second: PackedMatrix,
    into b: inout Activations, _ third: PackedMatrix, into c: inout Activations, on context: KernelContext
  ) {
    let operand = unsafe mio_rows(base: x.base, stride: x.columns, count: x.rows)
    unsafe apply(
      operand, columns: x.columns,
      [
        first.product([0..<first.rows], into: &a, rows: x.rows), second.product([0..<second.rows], into: &b, rows: x.rows),
        third.product([0..<third.rows], into: &c, rows: x.rows),
      ], on: context)
  }

  private static func apply(_ x: mio_rows, columns: Int, _ products: [Product], on context: KernelContext) {
    for product in products {
      precondition(
        product.matrix.columns == columns,
        "a matrix of \(product.matrix.columns) columns cannot be applied to rows of \(columns)")
    }
    for product in products where !product.matrix.isQuantized {
      unsafe product.matrix.applyFloat(x, product.ranges, into: product.target, on: context)
    }
    unsafe applyQuantized(x, products.filter { $0.matrix.isQuantized }, on: context)
  }

  private var isQuantized: Bool { format == .q8 || format == .q4 }

  /// A matrix, the rows wanted of it, and where they go.
  private struct Product {
    let matrix: PackedMatrix
    let ranges: [Range<Int>]
    let target: Pointer
  }

  /// Tokens whose quantized form is kept at a time.
  private static let roundTokens = 1024
  /// Tokens of one task of the float kernels: their windows of 128 columns fit the second-level cache.
  private static let floatTaskTokens = 252

  private func applyFloat(_ x: mio_rows, _ ranges: [Range<Int>], into y: Pointer, on context: KernelContext) {
    let table = unsafe context.variant(rows: x.count).table.pointee
    let kernel = unsafe format == .f32 ? table.multiply_f32 : table.multiply_f16
    let tokenTasks = unsafe (x.count + Self.floatTaskTokens - 1) / Self.floatTaskTokens
    guard tokenTasks > 0 else { return }
    let work = PanelWork(ranges, panelCost: unsafe panelByteCount * min(x.count, Self.floatTaskTokens))
    let streaming = context.streaming
    context.pool.run(tasks: work.taskCount * tokenTasks) { task in
      let first = task / work.taskCount * Self.floatTaskTokens
      let panels = work.panels(of: task % work.taskCount)
      let part = unsafe mio_rows(
        base: x.base + first * x.stride, stride: x.stride, count: min(Self.floatTaskTokens, x.count - first))
      let target = unsafe target(y, token: first, panels: panels)
      unsafe kernel(weights(panels, streaming), part, target)
    }
  }

  private static func applyQuantized(_ x: mio_rows, _ products: [Product], on context: KernelContext) {
    guard let columns = products.first?.matrix.columns else { return }
    // Rounds of tokens bound the scratch memory.
    for first in unsafe stride(from: 0, to: x.count, by: roundTokens) {
      let part = unsafe mio_rows(base: x.base + first * x.stride, stride: x.stride, count: min(roundTokens, x.count - first))
      let blocks = unsafe quantize(part, columns: columns, on: context)
      multiply(blocks, products, from: first, on: context)
    }
  }

  private static func quantize(_ x: mio_rows, columns: Int, on context: KernelContext) -> QuantizedActivations {
    let groups = WeightFormat.q8.storedColumns(columns) / WeightFormat.groupLength
    let quantizer = unsafe context.variant(rows: x.count).table.pointee.quantize_rows
    let blocks = unsafe QuantizedActivations(
      groups: groups, tokens: x.count,
      base: context.scratch(byteCount: QuantizedActivations.byteCount(groups: groups, tokens: x.count)))
    context.pool.run(tasks: blocks.blockCount) { index in
      var block = unsafe blocks.block(index)
      let first = index * QuantizedActivations.blockTokens
      unsafe quantizer(x, first, columns, &block)
    }
    return blocks
  }

  /// Multiplies all matrices in one run of the pool, one matrix after the other.
  private static func multiply(
    _ blocks: QuantizedActivations, _ products: [Product], from first: Int, on context: KernelContext
  ) {
    let table = unsafe context.variant(rows: blocks.tokens).table.pointee
    let works = products.map { product in
      PanelWork(quantized: product.ranges, panelBytes: product.matrix.panelByteCount, tokens: blocks.tokens)
    }
    let streaming = context.streaming
    context.pool.run(tasks: works.reduce(0) { $0 + $1.taskCount }) { task in
      var (task, index) = (task, 0)
      while task >= works[index].taskCount {
        task -= works[index].taskCount
        index += 1
      }
      let matrix = products[index].matrix
      let kernel = unsafe matrix.format == .q4 ? table.multiply_q4 : table.multiply_q8
      let panels = works[index].panels(of: task)
      let result = products[index].target
      for number in 0..<blocks.blockCount {
        var block = unsafe blocks.block(number)
        let target = unsafe matrix.target(
          result, token: first + number * QuantizedActivations.blockTokens, panels: panels)
        unsafe kernel(matrix.weights(panels, streaming), &block, target)
      }
    }
  }

  private var panelByteCount: Int { format.panelByteCount(columns: columns) }

  private func weights(_ panels: Range<Int>, _ streaming: WeightStreaming) -> mio_panels {
    let bytes = panelByteCount
    let length = isQuantized ? format.storedColumns(columns) / WeightFormat.groupLength : columns
    return unsafe mio_panels(
      base: base.assumingMemoryBound(to: UInt8.self) + panels.lowerBound * bytes, panel_count: panels.count,
      panel_bytes: bytes, length: length, streaming: streaming.value)
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
  private static let minCost = 96 * 1024
  /// More tasks than this cost more than they even out.
  private static let maxTasks = 96

  /// - Parameter panelCost: bytes of a panel times the tokens that cost as much time as reading it.
  init(_ rows: [Range<Int>], panelCost: Int) {
    let ranges = Self.panels(covering: rows)
    let panels = ranges.reduce(0) { $0 + $1.count }
    let wanted = max(Self.minCost / max(panelCost, 1), panels / Self.maxTasks)
    // Kernels take four panels at once.
    self.init(ranges, panelsPerTask: (wanted + 4) & ~3)
  }

  /// Work of the integer kernels, which read up to four panels side by side.
  init(quantized rows: [Range<Int>], panelBytes: Int, tokens: Int) {
    let ranges = Self.panels(covering: rows)
    let panels = ranges.reduce(0) { $0 + $1.count }
    // With many blocks of tokens a task should use each block for several panels while it lies in the cache.
    let blocks = (tokens + QuantizedActivations.blockTokens - 1) / QuantizedActivations.blockTokens
    let wanted = max(Self.minCost / panelBytes, panels / (blocks > 1 ? Self.maxTasks : 4 * Self.maxTasks), 1)
    self.init(ranges, panelsPerTask: (wanted + 3) & ~3)
  }

  private init(_ ranges: [Range<Int>], panelsPerTask: Int) {
    self.ranges = ranges
    self.panelsPerTask = panelsPerTask
    taskCount = ranges.reduce(0) { $0 + ($1.count + panelsPerTask - 1) / panelsPerTask }
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
