import CMioKernels

/// A matrix of 16-bit floats as fixed-point numbers, made for one product: a view on scratch memory.
///
/// Columns are cut into groups of 64 that may be sums of several runs of the stored columns, which is how a convolution
/// orders its taps as it likes.
@safe
struct FixedPointMatrix {
  /// One group: up to 64 stored columns from each of the sources on, each times its factor, added up. Missing columns are 0.
  struct Group {
    var sources: [Int]
    /// 1 unless given.
    var factors: [Float]?
    var count: Int
  }

  /// Stored columns one after the other.
  static func groups(columns: Int) -> [Group] {
    stride(from: 0, to: columns, by: FixedPointRows.groupLength).map { first in
      Group(sources: [first], count: min(FixedPointRows.groupLength, columns - first))
    }
  }

  static func byteCount(rows: Int, groups: Int) -> Int { (rows + 15) / 16 * groups * (2048 + 64) }

  let rows: Int
  let groupCount: Int
  private let values: UnsafeMutablePointer<Int16>  // [panels][groups][32][16][2]
  private let scales: UnsafeMutablePointer<Float>  // [panels][groups][16]

  /// Rounds `matrix`, whose format is f16.
  ///
  /// - Parameter memory: `byteCount(rows:groups:)` bytes on a 64-byte boundary.
  init(_ matrix: PackedMatrix, groups: [Group], in memory: UnsafeMutableRawPointer, on context: KernelContext) {
    precondition(matrix.format == .f16, "only 16-bit floats become fixed-point numbers")
    precondition(
      groups.allSatisfy { group in
        (1...9).contains(group.sources.count) && (1...FixedPointRows.groupLength).contains(group.count)
          && group.factors?.count ?? group.sources.count == group.sources.count
          && group.sources.allSatisfy { $0 >= 0 && $0 + group.count <= matrix.columns }
      }, "a group reads columns that the matrix does not have")
    rows = matrix.rows
    groupCount = groups.count
    let panels = (matrix.rows + 15) / 16
    unsafe values = memory.assumingMemoryBound(to: Int16.self)
    unsafe scales = (memory + panels * groups.count * 2048).assumingMemoryBound(to: Float.self)
    let panelBytes = matrix.format.panelByteCount(columns: matrix.columns)
    let kernel = unsafe context.variant.table.pointee.fix_group
    let (values, scales, base) = unsafe (values, scales, matrix.base)
    // Flat, because the tasks would spend their time counting references to lists of lists.
    let columns = groups.flatMap(\.sources)
    let factors = groups.flatMap { $0.factors ?? Array(repeating: 1, count: $0.sources.count) }
    let extents = groups.map { (sources: $0.sources.count, count: $0.count) }
    unsafe columns.withUnsafeBufferPointer { columns in
      unsafe factors.withUnsafeBufferPointer { factors in
        unsafe extents.withUnsafeBufferPointer { extents in
          context.pool.run(tasks: panels) { panel in
            unsafe withUnsafeTemporaryAllocation(of: UnsafePointer<UInt16>?.self, capacity: 9) { sources in
              guard let list = sources.baseAddress, var factor = factors.baseAddress else { return }
              var next = 0
              for index in 0..<extents.count {
                let extent = unsafe extents[index]
                for i in 0..<extent.sources {
                  let column = unsafe columns[next + i]
                  unsafe list[i] = (base + panel * panelBytes + column * 32).assumingMemoryBound(to: UInt16.self)
                }
                let place = panel * extents.count + index
                let (target, scale) = unsafe (values + place * 1024, scales + place * 16)
                unsafe kernel(list, factor, extent.sources, extent.count, target, scale)
                next += extent.sources
                unsafe factor += extent.sources
              }
            }
          }
        }
      }
    }
  }

  /// Where the operand's rows and the results lie; arrays of equal length.
  struct IndexMap {
    /// The first position of every row.
    var starts: [UInt32] = []
    /// The row of the result.
    var rows: [UInt32] = []
    var runGroups: Int
    var runStride: Int
  }

  /// Rows of one task: their groups of one pass fit the second-level cache.
  private static let taskRows = 252
  /// Multiplications of one task, at least.
  private static let taskProducts = 1 << 24

  /// y = (y if adds) + bias + W x.
  func multiply(
    _ x: borrowing FixedPointRows, _ indexMap: IndexMap, bias: UnsafePointer<Float>?, adds: Bool,
    into y: UnsafeMutablePointer<Float>, stride: Int, on context: KernelContext
  ) {
    let count = indexMap.starts.count
    guard count > 0 else { return }
    let rowTasks = (count + Self.taskRows - 1) / Self.taskRows
    let rowsPerTask = ((count + rowTasks - 1) / rowTasks + 5) / 6 * 6
    let panels = (rows + 15) / 16
    let fewest = Self.taskProducts / (rowsPerTask * groupCount * 1024) + 1
    let panelsPerTask = (min(fewest, panels) + 3) & ~3
    let panelTasks = (panels + panelsPerTask - 1) / panelsPerTask
    let (xValues, xScales) = unsafe (x.values, x.scales)
    unsafe indexMap.starts.withUnsafeBufferPointer { starts in
      unsafe indexMap.rows.withUnsafeBufferPointer { rowPlaces in
        guard let starts = starts.baseAddress, let rowPlaces = rowPlaces.baseAddress else { return }
        context.pool.run(tasks: rowTasks * panelTasks) { task in
          let first = task / panelTasks * rowsPerTask
          let panel = task % panelTasks * panelsPerTask
          guard first < count else { return }
          let operand = unsafe mio_fixed_rows(
            values: xValues, scales: xScales, starts: starts + first, run_groups: indexMap.runGroups,
            run_stride: indexMap.runStride, count: min(rowsPerTask, count - first))
          let target = unsafe mio_fixed_target(
            base: y, index_map: rowPlaces + first, stride: stride, columns: rows, bias: bias, adds: adds ? 1 : 0)
          unsafe multiply(
            operand, panels: panel..<min(panel + panelsPerTask, panels), into: target, variant: context.variant)
        }
      }
    }
  }

  /// The same for some rows and panels, on the calling thread. The target is that of the first panel of all.
  func multiply(_ x: mio_fixed_rows, panels: Range<Int>, into y: mio_fixed_target, variant: KernelVariant) {
    let panel = panels.lowerBound
    let weights = unsafe mio_fixed_panels(
      values: values + panel * groupCount * 1024, scales: scales + panel * groupCount * 16, panel_count: panels.count,
      groups: groupCount)
    let target = unsafe mio_fixed_target(
      base: y.base + panel * 16, index_map: y.index_map, stride: y.stride, columns: rows - panel * 16,
      bias: y.bias.map { unsafe $0 + panel * 16 }, adds: y.adds)
    var operand = unsafe x
    unsafe variant.table.pointee.multiply_fixed(weights, &operand, target)
  }
}

extension PackedMatrix {
  /// Whether products of many rows are taken in 16-bit fixed point, see ``FixedPointRows``: matrices of 16-bit floats
  /// have no more precision than that.
  package var isFixedPoint: Bool { format == .f16 }

  /// y = (y if adds) + bias + W x in 16-bit fixed point; y has the shape [x.rows, rows].
  package func applyFixed(
    _ x: borrowing Activations, bias: WeightVector? = nil, adds: Bool = false, into y: inout Activations,
    on context: KernelContext
  ) {
    precondition(x.columns == columns, "a matrix of \(columns) columns cannot be applied to rows of \(x.columns)")
    precondition(y.rows == x.rows && y.columns == rows, "the result needs one row per operand row and \(rows) columns")
    precondition(bias == nil || bias?.count == rows, "the bias needs \(rows) elements")
    guard x.rows > 0 else { return }
    let groups = FixedPointMatrix.groups(columns: columns)
    let memory = unsafe context.scratch(byteCount: FixedPointMatrix.byteCount(rows: rows, groups: groups.count))
    let matrix = unsafe FixedPointMatrix(self, groups: groups, in: memory, on: context)
    // Rounds bound the memory of the rounded rows.
    let most = max(Self.fixedRoundRows, Self.fixedRoundBytes / (2 * columns) / 252 * 252)
    let rounded = FixedPointRows(positionCount: min(most, x.rows) * groups.count)
    for first in stride(from: 0, to: x.rows, by: most) {
      let part = first..<min(first + most, x.rows)
      unsafe rounded.round(mio_float_rows(x, rows: part), stride: groups.count, to: 0, on: context)
      let indexMap = FixedPointMatrix.IndexMap(
        starts: (0..<part.count).map { UInt32($0 * groups.count) }, rows: part.map { UInt32($0) },
        runGroups: groups.count, runStride: 0)
      unsafe matrix.multiply(
        rounded, indexMap, bias: bias?.base, adds: adds, into: y.base, stride: rows, on: context)
    }
  }

  /// A convolution over rows in fixed point: result row t is `bias + Σ_j W_j x[t stride + j dilation]`, the weights of tap
  /// j standing in columns j C and following. y has the shape [count, rows].
  package func applyFixed(
    windowsOf x: borrowing Activations, taps: Int, stride: Int, dilation: Int, count: Int, bias: WeightVector,
    into y: inout Activations, on context: KernelContext
  ) {
    let channels = x.columns
    precondition(taps > 0 && columns == taps * channels, "\(taps) taps of \(channels) channels do not fit \(columns) columns")
    precondition(y.rows == count && y.columns == rows && bias.count == rows, "the result has another shape")
    guard count > 0 else { return }
    let used = (count - 1) * stride + (taps - 1) * dilation + 1
    precondition(stride > 0 && dilation > 0 && used <= x.rows, "the last window ends beyond the rows")
    let positions = FixedPointRows.positions(columns: channels)
    let groups = (0..<taps).flatMap { tap in
      FixedPointMatrix.groups(columns: channels).map {
        FixedPointMatrix.Group(sources: [tap * channels + $0.sources[0]], count: $0.count)
      }
    }
    let memory = unsafe context.scratch(byteCount: FixedPointMatrix.byteCount(rows: rows, groups: groups.count))
    let matrix = unsafe FixedPointMatrix(self, groups: groups, in: memory, on: context)
    let rounded = FixedPointRows(positionCount: used * positions)
    unsafe rounded.round(mio_float_rows(x, rows: 0..<used), stride: positions, to: 0, on: context)
    let indexMap = FixedPointMatrix.IndexMap(
      starts: (0..<count).map { UInt32($0 * stride * positions) }, rows: (0..<count).map { UInt32($0) },
      runGroups: positions, runStride: dilation * positions)
    unsafe matrix.multiply(rounded, indexMap, bias: bias.base, adds: false, into: y.base, stride: rows, on: context)
  }

  private static let fixedRoundRows = 252
  private static let fixedRoundBytes = 8 << 20
}
