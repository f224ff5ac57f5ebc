extension PackedMatrix {
  /// y[t, r] = Σ_k W[r, k] x[t, k]; y has the shape [x.rows, rows].
  package func apply(_ x: borrowing Activations, into y: inout Activations, on context: KernelContext) {
    precondition(x.columns == columns, "a matrix of \(columns) columns cannot be applied to rows of \(x.columns)")
    let operand = unsafe RowOperand(base: x.base, stride: x.columns, count: x.rows)
    apply(operand, panels: [0..<panelCount], into: &y, on: context)
  }

  /// Applies the matrix to overlapping windows, which makes it a convolution: operand row t is the `columns` floats of x
  /// from float t · stride on. y has the shape [count, rows].
  package func apply(
    windowsOf x: borrowing Activations, stride: Int, count: Int, into y: inout Activations, on context: KernelContext
  ) {
    precondition(stride >= 0 && count >= 0, "windows need a stride and a count of zero or more")
    precondition(count == 0 || (count - 1) * stride + columns <= x.count, "the last window ends beyond the buffer")
    let operand = unsafe RowOperand(base: x.base, stride: stride, count: count)
    apply(operand, panels: [0..<panelCount], into: &y, on: context)
  }

  /// As `apply(_:into:on:)`, but computes only the rows in `ranges` (and others in their panels); further columns of y
  /// keep their values.
  package func apply(
    _ x: borrowing Activations, rows ranges: [Range<Int>], into y: inout Activations, on context: KernelContext
  ) {
    precondition(x.columns == columns, "a matrix of \(columns) columns cannot be applied to rows of \(x.columns)")
    let operand = unsafe RowOperand(base: x.base, stride: x.columns, count: x.rows)
    apply(operand, panels: panels(covering: ranges), into: &y, on: context)
  }

  var panelCount: Int { (rows + WeightFormat.panelRows - 1) / WeightFormat.panelRows }

  /// Disjoint ascending panel ranges that contain the given rows.
  func panels(covering ranges: [Range<Int>]) -> [Range<Int>] {
    var result: [Range<Int>] = []
    for range in ranges.filter({ !$0.isEmpty }).sorted(by: { $0.lowerBound < $1.lowerBound }) {
      precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows \(range) lie outside the matrix of \(rows)")
      let panels = range.lowerBound / WeightFormat.panelRows..<(range.upperBound + 15) / WeightFormat.panelRows
      if let last = result.last, last.upperBound >= panels.lowerBound {
        result[result.count - 1] = last.lowerBound..<max(last.upperBound, panels.upperBound)
      } else {
        result.append(panels)
      }
    }
    return result
  }

  private func apply(_ x: RowOperand, panels: [Range<Int>], into y: inout Activations, on context: KernelContext) {
    precondition(y.rows == x.count && y.columns == rows, "the result needs the shape [\(x.count), \(rows)]")
    guard x.count > 0 else { return }
    let indexes = panels.flatMap { Array($0) }
    let panelBytes = format.panelByteCount(columns: columns)
    let output = unsafe Pointer(y.base)
    switch format {
    case .f32, .f16:
      context.pool.run(tasks: indexes.count) { task in
        let panel = indexes[task]
        unsafe ReferenceKernels.multiplyFloat(
          base + panel * panelBytes, half: format == .f16, columns: columns, x, tokens: 0..<x.count,
          into: output.value + panel * 16, stride: rows, rows: min(16, rows - panel * 16))
      }
    case .q8, .q4:
      let groups = format.storedColumns(columns) / WeightFormat.groupLength
      for first in stride(from: 0, to: x.count, by: QuantizedActivations.blockTokens) {
        let tokens = min(QuantizedActivations.blockTokens, x.count - first)
        let scratch = unsafe context.scratch(
          byteCount: QuantizedActivations.byteCount(groups: groups, tokens: tokens))
        let block = unsafe QuantizedActivations(groups: groups, tokens: tokens, base: scratch)
        ReferenceKernels.quantize(x, firstToken: first, columns: columns, into: block)
        context.pool.run(tasks: indexes.count) { task in
          let panel = indexes[task]
          unsafe ReferenceKernels.multiplyQuantized(
            base + panel * panelBytes, format: format, block,
            into: output.value + first * rows + panel * 16, stride: rows, rows: min(16, rows - panel * 16))
        }
      }
    }
  }
}

/// A pointer that tasks of one kernel share; they write disjoint elements.
@safe
struct Pointer: @unchecked Sendable {
  let value: UnsafeMutablePointer<Float>
  init(_ value: UnsafeMutablePointer<Float>) { unsafe self.value = value }
}
