import CMioKernels

/// Rows of activations as 16-bit fixed-point numbers: 64 consecutive values share one scale, `max |x| / 5792`.
///
/// A product of two such numbers sums 64 terms exactly in 32 bits, at twice the speed of 32-bit floats and with an error
/// of some 1e-4 of a typical value. Each group of 64 is one position; positions are laid out by whoever fills them.
@safe
package struct FixedPointRows: ~Copyable {
  /// Values of one position.
  package static let groupLength = Int(MIO_FIXED_GROUP)

  /// Positions that `columns` values need.
  package static func positions(columns: Int) -> Int { (columns + groupLength - 1) / groupLength }

  package let positionCount: Int
  let values: UnsafeMutablePointer<Int16>
  let scales: UnsafeMutablePointer<Float>

  /// Room for some positions, with unspecified contents.
  package init(positionCount: Int) {
    self.positionCount = positionCount
    let base = unsafe LargeBlocks.shared.allocate(byteCount: Self.byteCount(positionCount))
    unsafe values = base.bindMemory(to: Int16.self, capacity: positionCount * Self.groupLength)
    unsafe scales = (base + 2 * Self.groupLength * positionCount).bindMemory(to: Float.self, capacity: positionCount)
  }

  deinit { unsafe LargeBlocks.shared.deallocate(values, byteCount: Self.byteCount(positionCount)) }

  private static func byteCount(_ positions: Int) -> Int { max(positions, 1) * (2 * groupLength + 4) }

  /// Rounds all rows of `x`, one behind the other.
  package init(_ x: borrowing Activations, on context: KernelContext) {
    let positions = Self.positions(columns: x.columns)
    self.init(positionCount: x.rows * positions)
    unsafe round(mio_float_rows(x, rows: 0..<x.rows), stride: positions, to: 0, on: context)
  }

  /// Rounds rows, each `stride` positions behind the one before, on all threads.
  func round(_ x: mio_float_rows, stride: Int, to position: Int, on context: KernelContext) {
    let perTask = unsafe max(1, Activations.taskElements / max(1, x.columns))
    let view = view
    unsafe context.pool.run(tasks: (x.rows + perTask - 1) / perTask) { task in
      var part = unsafe x
      unsafe part.base = x.base + task * perTask * x.stride
      unsafe part.rows = min(perTask, x.rows - task * perTask)
      unsafe view.round(part, stride: stride, to: position + task * perTask * stride, variant: context.variant)
    }
  }

  /// The positions, for tasks that fill disjoint parts. Must not outlive `self`.
  var view: FixedPointView { unsafe FixedPointView(values: values, scales: scales, positionCount: positionCount) }
}

/// Positions that several tasks fill.
@safe
struct FixedPointView {
  let values: UnsafeMutablePointer<Int16>
  let scales: UnsafeMutablePointer<Float>
  let positionCount: Int

  /// Rounds rows on the calling thread.
  func round(_ x: mio_float_rows, stride: Int, to position: Int, variant: KernelVariant) {
    let length = FixedPointRows.groupLength
    precondition(
      unsafe x.rows == 0
        || position + (x.rows - 1) * stride + FixedPointRows.positions(columns: x.columns) <= positionCount,
      "rows do not fit the positions")
    unsafe variant.table.pointee.fix_rows(x, stride, values + position * length, scales + position)
  }

  /// Copies positions to another place.
  func move(_ positions: Range<Int>, to place: Int) {
    let length = FixedPointRows.groupLength
    precondition(positions.upperBound <= positionCount && place + positions.count <= positionCount, "out of range")
    // Source and target may overlap; update(from:) moves them correctly.
    unsafe (values + place * length).update(
      from: values + positions.lowerBound * length, count: positions.count * length)
    unsafe (scales + place).update(from: scales + positions.lowerBound, count: positions.count)
  }

  /// Positions of zeros.
  func clear(_ positions: Range<Int>) {
    let length = FixedPointRows.groupLength
    unsafe (values + positions.lowerBound * length).update(repeating: 0, count: positions.count * length)
    unsafe (scales + positions.lowerBound).update(repeating: 0, count: positions.count)
  }
}

extension mio_float_rows {
  /// Some rows of a buffer as they are.
  init(_ x: borrowing Activations, rows: Range<Int>) {
    unsafe self.init(
      base: x.base + rows.lowerBound * x.columns, stride: x.columns, rows: rows.count, columns: x.columns, factor: nil,
      offset: nil, activates: 0)
  }
}
